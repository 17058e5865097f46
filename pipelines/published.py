"""The published system's own way to train, over the steps of this product: there is no second trainer."""

# pyright: reportUnknownVariableType=false
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from components.core import bundle as bundles
from components.core import family as families
from components.core.errors import UsageError
from components.core.files import digest_of, read_json
from components.core.recipe import RecipeConfig
from components.core.strict_yaml import load_file
from pipelines.head import DEFAULT_SOURCE
from pipelines.proving import Ground, prepare, train
from pipelines.request import located

FAMILIES: Final = {"hybrid_cnn_lstm": "hybrid"}
"""Families by the names of published models."""


class TrainingPipeline:
    """One model type with the settings of a published YAML, or of a recipe."""

    def __init__(
        self, model_type: str, config_path: str | Path, *, source: str = DEFAULT_SOURCE, root: str = ".quantfoundry"
    ) -> None:
        """Read the settings; ``source`` is where bars come from, ``root`` where runs are kept.

        Raises:
            RecipeError: If a key of the file is unknown, or a value cannot be.
            UsageError: If there is no such model.
        """
        if model_type not in FAMILIES:
            raise UsageError(f"{model_type!r:.60}: no such model type. There is {', '.join(FAMILIES)}")
        self.family = families.find(FAMILIES[model_type])
        self.recipe = self._recipe_of(str(config_path))
        self.source, self.root = located(source), Path(root)

    def _recipe_of(self, path: str) -> RecipeConfig:
        values = load_file(Path(path))
        if {"training", "hardware", "validation"} & values.keys():
            values = self.family.module("published").recipe_of(values, name=path)
        return self.family.config.parse(values, name=path)

    def train(self, symbols: Sequence[str], start: str, end: str) -> dict[str, Any]:
        """Return ``best_val_loss``, the lowest validation loss, and where the ``bundle`` lies.

        Bars of ``symbols`` up to the day ``end`` are read; later ones, and faulty ones, go to the quarantine. Examples
        are made of as many days as lie between the two, counted back from the newest bar. The same call resumes a
        killed training. Nothing is judged or promoted: that is ``qf run``.

        Raises:
            UsageError: If a day is none, or ``end`` is not after ``start``.
            StepFailedError: If a step fails; the message is its own.
        """
        try:
            num_days = (date.fromisoformat(end) - date.fromisoformat(start)).days
        except ValueError as error:
            raise UsageError(f"start and end want days such as 2024-12-31: {error}") from None
        if num_days < 1:
            raise UsageError(f"end must be after start, was {end} and {start}")
        data = self.recipe.data.model_copy(update={"max_days": num_days})
        recipe = self.recipe.model_copy(update={"data": data})
        key = digest_of([self.family.name, recipe.digest(), self.source, list(symbols), end])[:12]
        folder = self.root / "published" / f"{self.family.pipeline}-{key}"
        ground = Ground(folder, folder / "root")
        if not ground.examples.exists():
            prepare(
                ground, self.family, recipe, self.source, symbols=",".join(symbols), asof=end, faults="quarantine"
            )  # fmt: skip
        if not ground.bundle.exists():
            train(ground, self.family, recipe)
        losses: list[float] = read_json(bundles.load(ground.bundle).path("history.json"))["val_loss"]
        return {"best_val_loss": min(losses), "bundle": str(ground.bundle)}
