"""One synthetic market through the steps of a training run, in this process: from nothing to a verdict.

No pipeline, no online store and no registry: what is proven here is the judge.
"""

# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownMemberType=false
import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from components.assemble.examples import assemble
from components.core import bundle as bundles
from components.core.family import Family
from components.core.files import read_json
from components.core.recipe import RecipeConfig
from components.core.run_context import open_run
from components.core.verdict import VERDICT, Verdict, read_verified
from components.core.workspace import SIGNING_KEY, TRACKING_URI, VERIFY_KEY, Workspace, public_path
from components.features.materialize import features_of
from components.features.tables import Tables, feature_tables
from components.ingest import MAX_RESTATED
from components.ingest.snapshot import ingest
from components.promote import promotion
from components.train.fit import fit
from components.validate.judge import judge as weigh
from components.validate.step import validate
from pipelines.local import StepFailedError

RUN_KEY = "proving"


@dataclass(frozen=True)
class Ground:
    """One market's folders, and the installation that judges its models."""

    folder: Path
    root: Path
    """Of keys, ledgers and models."""
    dataset: str = "proving"

    @property
    def workspace(self) -> Workspace:
        """The installation."""
        return Workspace.at(str(self.root))

    @property
    def settings(self) -> Path:
        """Where its keys are: beside the installation, never those of the person who asks."""
        return self.root.with_name(f"{self.root.name}-settings")

    @property
    def verify_key(self) -> Path:
        """The public key that its verdicts are checked with."""
        return public_path(self.settings / "quantfoundry" / "verdict.pem")

    @property
    def snapshot(self) -> Path:
        """The bars."""
        return self.folder / "snapshot"

    @property
    def features(self) -> Path:
        """The features."""
        return self.folder / "features"

    @property
    def examples(self) -> Path:
        """The examples."""
        return self.folder / "examples"

    @property
    def bundle(self) -> Path:
        """The model."""
        return self.folder / "bundle"


def prepare(
    ground: Ground,
    family: Family,
    recipe: RecipeConfig,
    source: str,
    *,
    symbols: str = "",
    asof: str = "",
    faults: str = "refuse",
    tables: Tables = feature_tables,
) -> None:
    """Write the examples of a market: ingest, features, assemble. ``tables`` makes the features of its bars."""
    run = {"root": str(ground.root), "run_key": RUN_KEY}
    with steps_in(ground):
        ingest(
            source, symbols=symbols, asof=asof, dataset=ground.dataset, faults=faults, layout="",
            max_restated=MAX_RESTATED, context="", options="", out=str(ground.snapshot),
            quality=str(ground.folder / "quality.html"), **run,
        )  # fmt: skip
        features_of(ground.snapshot, ground.features, tables=tables)
        assemble(str(ground.features), family.name, recipe.canonical(), out=str(ground.examples), **run)


def train(ground: Ground, family: Family, recipe: RecipeConfig) -> None:
    """Train on the examples and write the bundle."""
    with steps_in(ground):
        fit(
            str(ground.examples), family.name, recipe.canonical(), out=str(ground.bundle), root=str(ground.root),
            run_key=RUN_KEY,
        )  # fmt: skip


def judge(ground: Ground, family: Family, recipe: RecipeConfig, bundle: Path, out: Path) -> Verdict:
    """Return the verdict on a bundle, signed with the key of the ground and written to ``out``."""
    with steps_in(ground):
        validate(
            str(bundle), str(ground.examples), family=family.name, recipe=recipe.canonical(), dataset=ground.dataset,
            out=str(out), report=f"{out}.html", summary=f"{out}.md", root=str(ground.root), run_key=RUN_KEY,
        )  # fmt: skip
    return read_verified(out / VERDICT, ground.verify_key)


def judge_as(ground: Ground, family: Family, recipe: RecipeConfig, bundle: Path, out: Path) -> Verdict:
    """Return the verdict on a bundle by what ``family`` predicts, if that is not the family of its name.

    Against no champion; else as in ``judge``.
    """
    if type(family) is Family:
        return judge(ground, family, recipe, bundle, out)
    out.mkdir(parents=True, exist_ok=True)
    with steps_in(ground), open_run("validate", root=str(ground.root), run_key=RUN_KEY) as run:
        weigh(
            bundles.load(bundle), ground.examples, out, run, config=recipe.judge, family=family, champion=None
        )  # fmt: skip
    return read_verified(out / VERDICT, ground.verify_key)


def promote(ground: Ground, family: Family, bundle: Path, judged: Path) -> tuple[str, str]:
    """Return what the promote step did with a bundle and the verdict in ``judged``, and why."""
    with steps_in(ground):
        outcome = promotion.promote(
            str(bundle), str(judged), family.name, ground.dataset, root=str(ground.root), run_key=RUN_KEY
        )
    facts = read_json(ground.workspace.run(RUN_KEY) / "promote.json")
    return outcome, str(facts.get("reason", ""))


def prove(folder: Path, family: Family, recipe: RecipeConfig, source: str) -> Verdict:
    """Return the verdict on a model of ``source``, the whole line long, in an installation of its own."""
    ground = Ground(folder, folder / "root")
    prepare(ground, family, recipe, source)
    train(ground, family, recipe)
    return judge(ground, family, recipe, ground.bundle, folder / "verdict")


@contextlib.contextmanager
def steps_in(ground: Ground) -> Generator[None]:
    """Send what steps tell a person to a file of the ground, and turn their exit into the error behind it.

    Raises:
        StepFailedError: If a step left; the message is its own.
    """
    ground.folder.mkdir(parents=True, exist_ok=True)
    with (
        (ground.folder / "steps.log").open("a", encoding="utf-8") as log,
        contextlib.redirect_stderr(log),
        contextlib.redirect_stdout(log),
        _keys_in(ground.settings),
    ):
        try:
            yield
        except SystemExit as left:
            error = read_json(ground.workspace.run(RUN_KEY) / "error.json")
            raise StepFailedError(f"{error['step']}: {error['message']}", int(str(left.code))) from None


@contextlib.contextmanager
def _keys_in(settings: Path) -> Generator[None]:
    """Keep keys in ``settings``, and the record with the rest, until the block ends."""
    before = dict(os.environ)
    os.environ["XDG_CONFIG_HOME"] = str(settings)
    for name in (SIGNING_KEY, VERIFY_KEY, TRACKING_URI):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
