"""The complete line of the profit models, step by step on a planted market: base, stocks, pairs, promotions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from components.assemble.examples import assemble
from components.assemble.groups import assemble_groups
from components.core import bundle as bundles
from components.core import family as families
from components.core.files import read_json
from components.core.registry import history
from components.core.verdict import VERDICT, read_verified
from components.core.workspace import Workspace
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.promote.each import promote_each
from components.promote.promotion import promote
from components.train.each import train_each
from components.train.fit import fit
from components.validate.each import validate_each
from components.validate.step import validate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]
SOURCE = "synthetic://planted?symbols=2&days=4000&strength=1&seed=11"
NAMES = ("SYN000", "SYN001")
PAIR = "-".join(NAMES)
SMALL = ("model.hidden=8", "train.max_steps=20", "train.evaluate_every_steps=10", "finetune_epochs=1")


@dataclass(frozen=True)
class Line:
    """What one run of the line left behind."""

    root: Path
    run: Path
    workspace: Workspace
    base: str
    pairs: dict[str, Any]


def judged_each(root: Path, family: str, recipe: str, part: str, run: dict[str, Any], **start: str) -> dict[str, Any]:
    """Train, judge and promote one model for each group of examples."""
    examples, models, verdicts = (str(root / f"{what}-{part}") for what in ("examples", "models", "verdicts"))
    train_each(examples, family, recipe, part, out=models, **start, **run)
    report = str(root / f"{part}.html")
    validate_each(models, examples, family=family, recipe=recipe, part=part, out=verdicts, report=report, **run)
    return promote_each(verdicts, family, part, **run)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    root = tmp_path_factory.mktemp("line")
    run: dict[str, Any] = {"root": str(root), "run_key": "complete"}
    ingest(
        SOURCE, symbols="", asof="", dataset="line", faults="refuse", layout="", max_restated=0.0, context="",
        options="", out=str(root / "snapshot"), quality=str(root / "quality.html"), **run,
    )  # fmt: skip
    features = str(root / "features")
    build_features(str(root / "snapshot"), out=features, **run)
    profit = families.find("profit").recipe("smoke", SMALL).canonical()
    pairs = families.find("pairs").recipe("calibration").canonical()
    assemble(features, "profit", profit, out=str(root / "examples"), **run)
    fit(str(root / "examples"), "profit", profit, out=str(root / "base"), **run)
    names = {"family": "profit", "recipe": profit, "dataset": "line", **run}
    pages = {"report": str(root / "report.html"), "summary": str(root / "summary.md")}
    validate(str(root / "base"), str(root / "examples"), out=str(root / "verdict"), **pages, **names)
    base = promote(str(root / "base"), str(root / "verdict"), "profit", "line", **run)
    asked = (("stocks", "profit", profit, ",".join(NAMES)), ("pairs", "pairs", pairs, "/".join(NAMES)))
    for part, family, recipe, groups in asked:
        assemble_groups(features, family, recipe, groups, part, out=str(root / f"examples-{part}"), **run)
    judged_each(root, "profit", profit, "stocks", run, base=str(root / "base"))
    found = judged_each(root, "pairs", pairs, "pairs", run)
    workspace = Workspace.at(str(root))
    return Line(root, workspace.run("complete"), workspace, base, found)


@pytest.mark.promise("S2-06")
def test_every_model_has_a_signed_verdict_and_is_champion_of_its_own_market_if_it_passed(line: Line) -> None:
    assert line.base in {"promoted", "refused"}
    for part, names in (("stocks", NAMES), ("pairs", (PAIR,))):
        for name in names:
            folder = line.root / f"verdicts-{part}" / name
            verdict = read_verified(folder / "judged" / VERDICT, line.workspace.verify_key)
            assert bundles.load(folder / "bundle").digest == verdict.bundle_digest
            assert verdict.dataset == f"line.{name.lower()}"
            assert "fleet_discovery" in {gate.metric for gate in verdict.gates}
            family = "pairs" if part == "pairs" else "profit"
            champion = history(line.workspace, family, verdict.dataset).champion
            assert (champion is not None) == (verdict.verdict == "pass")
            assert champion is None or champion.bundle == verdict.bundle_digest
    assert line.pairs["promoted"] + line.pairs["refused"] == 1
    page = (line.run / "reports" / "pairs.html").read_text()
    assert PAIR in page
    assert "Sharpe over holding" in page


@pytest.mark.promise("S2-38")
def test_stocks_stand_on_exactly_the_base_of_their_run(line: Line) -> None:
    base = bundles.load(line.root / "base")
    for name in NAMES:
        tuned = bundles.load(line.root / "models-stocks" / name)
        assert tuned.manifest["data"]["started_from"] == base.digest
        assert len(read_json(tuned.path("history.json"))["val_loss"]) == 1


@pytest.mark.promise("S2-02")
def test_the_promised_folders_are_those_of_the_run(line: Line) -> None:
    kept = {"base": line.root / "base", f"finetuned/portfolio_pairs/{PAIR}": line.root / "models-pairs" / PAIR}
    kept |= {f"finetuned/{name}": line.root / "models-stocks" / name for name in NAMES}
    for place, bundle in kept.items():
        assert bundles.load(line.run / "models" / place).digest == bundles.load(bundle).digest
    assert list((line.run / "tensorboard").glob("events.out.tfevents.*"))  # of the base
    for name in NAMES:
        assert list((line.run / "tensorboard" / "finetuned" / name).glob("events.out.tfevents.*"))
    assert {path.name for path in (line.run / "reports").iterdir()} == {"stocks.html", "pairs.html"}
    assert {"train.log", "train-stocks.log", "train-pairs.log"} < {path.name for path in (line.run / "logs").iterdir()}
    assert list((line.run / "checkpoints" / "portfolio_pairs").iterdir())
    assert list((line.root / "snapshot").glob("**/*.parquet"))  # raw
    assert (line.root / "features" / "forecasts_v1.parquet").is_file()  # processed


@pytest.mark.promise("S2-07")
def test_tensorboard_on_the_folder_shows_the_base_and_each_stock(line: Line) -> None:
    shown = EventMultiplexer().AddRunsFromDirectory(str(line.run / "tensorboard")).Reload()
    assert set(shown.Runs()) == {".", *(f"finetuned/{name}" for name in NAMES)}
    for run, tags in shown.Runs().items():
        assert {"train/loss", "eval/loss", "profit/total_return"} <= set(tags["scalars"]), run
    assert [point.step for point in shown.Scalars(".", "eval/loss")] == [10, 20]


def test_doing_it_again_promotes_nothing_and_ends_in_the_same_bits(line: Line) -> None:
    run = {"root": str(line.root), "run_key": "complete"}
    again = promote_each(str(line.root / "verdicts-pairs"), "pairs", "pairs", **run)
    assert (again["promoted"], again["unchanged"]) == (0, line.pairs["promoted"])
    recipe = families.find("pairs").recipe("calibration").canonical()
    train_each(str(line.root / "examples-pairs"), "pairs", recipe, "pairs", out=str(line.root / "again"), **run)
    first, second = (bundles.load(line.root / place / PAIR).digest for place in ("models-pairs", "again"))
    assert first == second
