"""One synthetic market through the steps of a training run, in this process: from nothing to a verdict.

No pipeline, no online store and no registry: what is proven here is the judge.
"""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.assemble.examples import assemble
from components.core.family import Family
from components.core.files import read_json
from components.core.recipe import RecipeConfig
from components.core.verdict import VERDICT, Verdict, public_path, read_verified
from components.core.workspace import Workspace
from components.features.materialize import compute_features
from components.ingest import MAX_RESTATED
from components.ingest.snapshot import ingest
from components.train.fit import fit
from components.validate.step import validate
from pipelines.local import StepFailedError

RUN_KEY, DATASET = "proving", "proving"


@dataclass(frozen=True)
class Ground:
    """The folders of one market below one root."""

    root: Path

    @property
    def workspace(self) -> Workspace:
        """Keys, ledgers and models."""
        return Workspace.at(str(self.root))

    @property
    def snapshot(self) -> Path:
        """The bars."""
        return self.root / "snapshot"

    @property
    def features(self) -> Path:
        """The features."""
        return self.root / "features"

    @property
    def examples(self) -> Path:
        """The examples."""
        return self.root / "examples"

    @property
    def bundle(self) -> Path:
        """The model."""
        return self.root / "bundle"


def prepare(ground: Ground, family: Family, recipe: RecipeConfig, source: str) -> None:
    """Write the examples of a market: ingest, features, assemble."""
    run = {"root": str(ground.root), "run_key": RUN_KEY}
    with steps_in(ground):
        ingest(
            source, symbols="", asof="", dataset=DATASET, faults="refuse", layout="", max_restated=MAX_RESTATED,
            context="", options="", out=str(ground.snapshot), quality=str(ground.root / "quality.html"), **run,
        )  # fmt: skip
        compute_features(ground.snapshot, ground.features)
        assemble(str(ground.features), family.name, recipe.canonical(), out=str(ground.examples), **run)


def train(ground: Ground, family: Family, recipe: RecipeConfig) -> None:
    """Train on the examples and write the bundle."""
    with steps_in(ground):
        fit(
            str(ground.examples), family.name, recipe.canonical(), out=str(ground.bundle), root=str(ground.root),
            run_key=RUN_KEY,
        )  # fmt: skip


def judge(
    ground: Ground, family: Family, recipe: RecipeConfig, bundle: Path, out: Path, *, dataset: str = DATASET
) -> Verdict:
    """Return the verdict on a bundle, signed with the key of the ground and written to ``out``."""
    names: dict[str, Any] = {"family": family.name, "recipe": recipe.canonical(), "dataset": dataset}
    with steps_in(ground):
        validate(
            str(bundle), str(ground.examples), out=str(out), report=str(out / "page.html"), root=str(ground.root),
            run_key=RUN_KEY, **names,
        )  # fmt: skip
    return read_verified(out / VERDICT, public_path(ground.workspace.signing_key))


def prove(ground: Ground, family: Family, recipe: RecipeConfig, source: str) -> Verdict:
    """Return the verdict on a model of ``source``, the whole line long."""
    prepare(ground, family, recipe, source)
    train(ground, family, recipe)
    return judge(ground, family, recipe, ground.bundle, ground.root / "verdict")


@contextlib.contextmanager
def steps_in(ground: Ground) -> Generator[None]:
    """Send what steps tell a person to a file of the ground, and turn their exit into the error behind it.

    Raises:
        StepFailedError: If a step left; the message is its own.
    """
    ground.root.mkdir(parents=True, exist_ok=True)
    with (ground.root / "steps.log").open("a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        try:
            yield
        except SystemExit as left:
            error = read_json(ground.workspace.run(RUN_KEY) / "error.json")
            raise StepFailedError(f"{error['step']}: {error['message']}", int(str(left.code))) from None
