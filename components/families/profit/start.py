"""The base model that a fine-tuning starts from: exactly the bundle that was named, and blind to the test zone."""

from pathlib import Path

from torch import Tensor

from components.core import bundle as bundles
from components.core.errors import ArtifactError, RecipeError
from components.core.recipe import HOLDOUT
from components.families.profit.config import ProfitConfig, StartConfig
from components.families.profit.predict import load_model
from components.learning.bundles import require_same_columns
from components.learning.examples import Examples

UNSEEN = ("test", HOLDOUT)
"""Zones that no training may have seen."""


def base_weights(start: StartConfig, config: ProfitConfig, examples: Examples) -> dict[str, Tensor]:
    """Return the weights of the base model, scaling included.

    Raises:
        ArtifactError: If the bundle is another, was altered, reads other features, or saw days that are to judge.
        RecipeError: If its network or its window has another size.
    """
    base = bundles.load(Path(start.bundle), expect=start.expect)
    require_same_columns(base, examples)
    trained, model = load_model(base)
    for name, theirs, ours in (
        ("model", trained.model, config.model),
        ("data.window", trained.data.window, config.data.window),
    ):
        if theirs != ours:
            raise RecipeError(f"{name} is {ours}, the base model in {start.bundle} has {theirs}. Use the same")
    first = [str(zone["first"]) for name, zone in examples.manifest["zones"].items() if name in UNSEEN]
    last = str(base.manifest["data"]["seen_until"])
    if first and last[:19] >= min(first)[:19]:
        raise ArtifactError(
            f"{start.bundle}: saw days up to {last}, and {min(first)} is in the zones that judge. "
            "Train the base model on bars that end before them"
        )
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}
