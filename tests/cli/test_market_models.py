"""The commands of regime and health, as they are typed."""

import json
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from cli.main import qf
from cli.monthly import monthly
from cli.train import feature_table, health, regime
from components.core import bundle as bundles
from components.core import family as families
from components.core.errors import DataError
from components.market.columns import CONTEXT, RETURNS

QUICK = ("--epochs", "1", "--set", "train.threads=1", "--set", "train.device=cpu")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(qf, list(arguments))


def defaults(command: click.Command) -> dict[str, object]:
    return {item.name: item.default for item in command.params if item.name is not None}


@pytest.mark.parametrize(
    ("command", "name", "default"),
    [
        pytest.param(monthly, "bucket", "investment-system-data", marks=pytest.mark.promise("S1-10")),
        pytest.param(monthly, "region", "us-east-1", marks=pytest.mark.promise("S1-11")),
        pytest.param(monthly, "max_days", 365, marks=pytest.mark.promise("S1-12")),
        pytest.param(monthly, "regime_type", "gru", marks=pytest.mark.promise("S1-13")),
        pytest.param(monthly, "health_type", "autoencoder", marks=pytest.mark.promise("S1-14")),
        pytest.param(monthly, "epochs", 100, marks=pytest.mark.promise("S1-15")),
        pytest.param(monthly, "skip_upload", False, marks=pytest.mark.promise("S1-16")),
        pytest.param(monthly, "output", "models", marks=pytest.mark.promise("S1-17")),
        pytest.param(regime, "output", "models/regime_model", marks=pytest.mark.promise("S1-19")),
        pytest.param(regime, "kind", "gru", marks=pytest.mark.promise("S1-20")),
        pytest.param(regime, "epochs", 100, marks=pytest.mark.promise("S1-21")),
        pytest.param(regime, "batch", 32, marks=pytest.mark.promise("S1-22")),
        pytest.param(health, "output", "models/health_model", marks=pytest.mark.promise("S1-24")),
        pytest.param(health, "kind", "autoencoder", marks=pytest.mark.promise("S1-25")),
        pytest.param(health, "epochs", 100, marks=pytest.mark.promise("S1-26")),
        pytest.param(health, "batch", 64, marks=pytest.mark.promise("S1-27")),
    ],
)
def test_the_published_defaults(command: click.Command, name: str, default: object) -> None:
    assert defaults(command)[name] == default


@pytest.mark.promise("S1-18")
@pytest.mark.promise("S1-23")
@pytest.mark.parametrize("family", ["regime", "health"])
def test_training_one_alone_wants_its_data(family: str) -> None:
    result = call("train", family)
    assert result.exit_code != 0
    assert "Missing option '--data'" in result.output


@pytest.fixture
def context_file(tmp_path: Path) -> Path:
    """900 sessions of context whose volatility and trend wander through all regimes."""
    rng = np.random.default_rng(2)
    days = np.busday_offset(np.datetime64("2018-01-01"), np.arange(900))
    slow = np.sin(np.arange(900) / 25)
    values = {name: 0.01 * rng.standard_normal(900) for name in CONTEXT}
    values |= {"spy_vol_21d": 0.18 + 0.12 * slow, "spy_return_21d": 0.05 * np.roll(slow, 40)}
    path = tmp_path / "context.parquet"
    pq.write_table(pa.table({"date": days.astype("datetime64[us]"), **values}), path)
    return path


@pytest.fixture
def returns_file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    days = np.tile(np.busday_offset(np.datetime64("2018-01-01"), np.arange(700)), 2)
    values = {name: 0.05 * rng.standard_normal(1400) for name in RETURNS}
    values |= {name: np.abs(values[name]) + 0.1 for name in RETURNS if name.startswith("vol")}
    values |= {name: -np.abs(values[name]) for name in RETURNS if name.startswith("drawdown")}
    path = tmp_path / "returns.parquet"
    symbols = np.repeat(["AAA", "BBB"], 700)
    pq.write_table(pa.table({"date": days.astype("datetime64[us]"), "symbol": symbols, **values}), path)
    return path


@pytest.mark.promise("S1-08")
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_the_regime_classifier_alone_from_a_parquet(context_file: Path, tmp_path: Path) -> None:
    out, root = str(tmp_path / "model"), str(tmp_path / "root")
    result = call("train", "regime", "--data", str(context_file), "--output", out, "--root", root, *QUICK)
    assert result.exit_code == 0, result.output
    bundle = bundles.load(tmp_path / "model")
    assert bundle.manifest["config"]["train"]["epochs"] == 1
    assert bundle.manifest["schema"]["outputs"] == ["regime_probs", "regime_label", "regime_embedding"]


@pytest.mark.promise("S1-09")
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_the_health_scorer_alone_from_a_parquet(returns_file: Path, tmp_path: Path) -> None:
    out, root = str(tmp_path / "model"), str(tmp_path / "root")
    options = ("--output", out, "--root", root, "--type", "vae", *QUICK)
    result = call("train", "health", "--data", str(returns_file), *options)
    assert result.exit_code == 0, result.output
    assert bundles.load(tmp_path / "model").manifest["config"]["model"]["type"] == "vae"


def test_a_file_that_lacks_a_column_is_told_which(context_file: Path, tmp_path: Path) -> None:
    member = families.find("regime")
    pq.write_table(pq.read_table(context_file).drop_columns(["yield_slope"]), tmp_path / "short.parquet")
    with pytest.raises(DataError, match=r"column 'yield_slope': the column is missing\. It must hold date, spy"):
        feature_table(tmp_path / "short.parquet", member, CONTEXT)
    spoilt = pq.read_table(context_file).set_column(1, CONTEXT[0], pa.array(["much"] * 900))
    pq.write_table(spoilt, tmp_path / "spoilt.parquet")
    with pytest.raises(DataError, match=f"column '{CONTEXT[0]}': cannot be read as double"):
        feature_table(tmp_path / "spoilt.parquet", member, CONTEXT)
    with pytest.raises(DataError, match="no such file"):
        feature_table(tmp_path / "nowhere.parquet", member, CONTEXT)
    with pytest.raises(DataError, match="column 'symbol': the column is missing"):
        feature_table(context_file, families.find("health"), RETURNS)


@pytest.mark.promise("S1-04")
def test_one_lock_pins_torch_for_all_and_asks_for_no_old_library(top: Path) -> None:
    assert "torch==2.13.0" in (top / "requirements" / "torch.txt").read_text()
    extras = tomllib.loads((top / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    product = {name: extra for name, extra in extras.items() if name not in ("dev", "bench")}
    assert "torch==2.13.0" in product["train"]
    assert not any("scikit-learn" in item for items in product.values() for item in items)


@pytest.mark.promise("S1-48")
def test_the_readme_names_the_command_that_runs_the_tests(top: Path) -> None:
    assert "    make test\n" in (top / "README.md").read_text()
    assert "test: $(STAMP)" in (top / "Makefile").read_text()


@pytest.mark.slow
@pytest.mark.promise("S1-06")
@pytest.mark.promise("S1-07")
def test_one_command_fetches_trains_both_and_publishes_champions(tmp_path: Path) -> None:
    source = "synthetic://planted?symbols=4&days=1600&seed=3"
    options = ("--max-days", "4000", "--skip-upload", "--epochs", "1", "--set", "judge.bootstrap_samples=200")
    folders = ("--output", str(tmp_path / "models"), "--root", str(tmp_path / "root"))
    result = call("monthly", "--source", source, *options, *folders)
    assert result.exit_code == 0, result.output
    outcomes = {
        json.loads(path.read_text())["family"]: json.loads((path.parent / "promote.json").read_text())["outcome"]
        for path in (tmp_path / "root" / "runs").glob("*/request.json")
    }
    assert set(outcomes) == {"regime", "health"}
    champions = {family for family, outcome in outcomes.items() if outcome == "promoted"}
    published = {path.name.partition("_v")[0] for path in (tmp_path / "models").glob("*_v*")}
    assert published == champions
    assert (tmp_path / "models" / "latest.json").exists() == bool(champions)
    assert result.output.count("ended after") == 2


@pytest.mark.promise("S1-50")
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_a_bundle_says_how_long_its_training_took(context_file: Path, tmp_path: Path) -> None:
    out, root = str(tmp_path / "model"), str(tmp_path / "root")
    assert call("train", "regime", "--data", str(context_file), "--output", out, "--root", root, *QUICK).exit_code == 0
    notes = bundles.load(tmp_path / "model").manifest["notes"]
    started, finished = (datetime.fromisoformat(notes[name]) for name in ("started", "finished"))
    assert timedelta(0) < finished - started
