"""From examples and a recipe to a sealed bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from components.core import family as families
from components.core.files import file_lock, read_json
from components.core.run_context import open_run

if TYPE_CHECKING:
    from components.core.bundle import Bundle

ORPHAN_WAIT_S = 30.0
"""How long to wait for a trainer of the same run whose caller was killed to notice and leave."""


def fit(examples: str, family: str, recipe: str, *, out: str, root: str, run_key: str) -> dict[str, Any]:
    """Write the bundle to ``out`` and return its facts."""
    with open_run("train", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        with file_lock(run.checkpoints / "trainer.lock", f"run {run_key}", wait_s=ORPHAN_WAIT_S):
            bundle = cast("Bundle", member.module("train").train(config, Path(examples), Path(out), run))
        facts = {
            "digest": bundle.digest,
            "family": member.name,
            "recipe_digest": config.digest(),
            "examples_digest": read_json(Path(examples) / "manifest.json")["digest"],
        }
        run.record(**facts, notes=dict(bundle.manifest["notes"]))
        return facts
