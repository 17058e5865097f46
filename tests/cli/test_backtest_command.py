"""``qf backtest``: a model whose signals are known, traded over a market whose bars are known."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.csv as pc
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from cli.backtest import ModelBacktest, backtest_model, ledger_table
from cli.main import qf
from components.core import bundle as bundles
from components.core.errors import ArtifactError, DataError, UsageError
from components.features.tables import bar_panel, technical_table
from components.market.columns import TECHNICAL
from components.market.readers import read_bars
from components.serving.loader import GRAPH, Signature
from components.trading.candles import Candles
from components.trading.engine import trade
from components.trading.settings import PRESETS

SOURCE = "synthetic://planted?symbols=4&days=420"
WINDOW = 4
START, END = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 12, 31, 23, tzinfo=UTC)


def momentum(output: str) -> onnx.ModelProto:
    """Say 1 where the window's last close is above its first."""
    weights = np.zeros((1, WINDOW, len(TECHNICAL)), dtype=np.float32)
    weights[0, [0, -1], TECHNICAL.index("close")] = [-1.0, 1.0]
    nodes = [
        helper.make_node("Mul", ["windows", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["rise"], keepdims=0),
        helper.make_node("Greater", ["rise", "zero"], [output]),
    ]
    constants = {"weights": weights, "axes": np.array([1, 2]), "zero": np.float32(0)}
    graph = helper.make_graph(
        nodes,
        "momentum",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", WINDOW, len(TECHNICAL)])],
        [helper.make_tensor_value_info(output, TensorProto.BOOL, ["batch"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def sealed(folder: Path, *, output: str = "signal", columns: tuple[str, ...] = TECHNICAL, **notes: Any) -> Path:
    folder.mkdir()
    (folder / GRAPH).write_bytes(momentum(output).SerializeToString())
    schema = Signature(input="windows", window=WINDOW, columns=columns, outputs=(output,)).document()
    bundles.seal(folder, family="price_action", config={}, schema=schema, data={}, notes=notes)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("models") / "momentum", started="2024-03-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def found(model: Path) -> ModelBacktest:
    return backtest_model(model, START, END, source=SOURCE, preset="s2")


@pytest.mark.promise("S2-59")
def test_it_is_the_engine_on_the_models_signals(found: ModelBacktest) -> None:
    panel = bar_panel(read_bars(SOURCE, asof=END).table)
    names = np.unique(panel.keys["symbol"].to_numpy())
    times = np.unique(panel.keys["timestamp"].to_numpy()).astype("datetime64[us]")
    table = technical_table(panel)
    ready = np.isfinite(np.stack([table[name].to_numpy() for name in TECHNICAL])).all(axis=0).reshape(len(names), -1)
    close = panel.candles.close.astype(np.float32)
    signal = np.zeros(close.shape)
    signal[:, WINDOW - 1 :] = close[:, WINDOW - 1 :] > close[:, : 1 - WINDOW]
    signal[:, WINDOW - 1 :] *= ready[:, : 1 - WINDOW]
    inside = times >= np.datetime64("2024-05-01")
    prices = (panel.candles.open, panel.candles.high, panel.candles.low, panel.candles.close)
    bars = Candles(tuple(names.tolist()), times[inside], *(values[:, inside] for values in prices))
    config = PRESETS["s2"].model_copy(update={"max_position": 0.25})  # four symbols share the capital
    expected = trade(bars, signal[:, inside], config)
    assert len(expected.trades) > 20
    assert found.account.trades == expected.trades
    np.testing.assert_array_equal(found.account.equity, expected.equity)


def test_what_comes_later_changes_no_trade_that_ended(model: Path, found: ModelBacktest) -> None:
    cut = datetime(2024, 9, 30, 23, tzinfo=UTC)
    shorter = backtest_model(model, START, cut, source=SOURCE, preset="s2")
    ended = [item for item in shorter.account.trades if item.reason != "end"]
    assert ended
    assert ended == [item for item in found.account.trades if item in ended]
    assert {item.exit_time for item in shorter.account.trades if item.reason == "end"} == {
        shorter.account.timestamp[-1]
    }


def test_the_command_prints_figures_bands_and_writes_the_ledger(
    model: Path, found: ModelBacktest, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.csv"
    arguments = ["backtest", str(model), "--source", SOURCE, "--preset", "s2", "--start", "2024-05-01"]
    result = CliRunner().invoke(qf, [*arguments, "--end", "2024-12-31", "--ledger", str(ledger)])
    assert result.exit_code == 0, result.output
    assert all(line in result.output for line in found.bands)
    assert f"sharpe          {found.figures['sharpe']:12.4f}" in result.output
    assert "training began at 2024-03-01" in result.output
    written: pa.Table = pc.read_csv(ledger)
    assert written.num_rows == len(found.account.trades)
    np.testing.assert_allclose(written["pnl"].to_numpy(), ledger_table(found.account)["pnl"].to_numpy())
    assert written["pnl"].to_numpy().sum() == pytest.approx(found.account.equity[-1] - 10_000, abs=1e-6)


def test_a_ledger_without_a_trade_has_its_columns(model: Path) -> None:
    ended = backtest_model(model, START, START, source=SOURCE, preset="s2")  # one bar: nothing is filled
    assert (ended.account.trades, ended.figures["num_trades"]) == ((), 0)
    assert ledger_table(ended.account).column_names[-2:] == ["reason", "pnl"]
    assert ended.bands[:2] == ["Sharpe ratio: undefined, nothing varied", "Win rate: undefined, no trade"]


def test_a_bundle_without_a_signal_is_refused(tmp_path: Path) -> None:
    path = sealed(tmp_path / "other", output="score")
    with pytest.raises(ArtifactError, match="says score, no signal"):
        backtest_model(path, START, END, source=SOURCE, preset="s2")


def test_a_feature_that_bars_do_not_give_is_named(tmp_path: Path) -> None:
    path = sealed(tmp_path / "other", columns=(*TECHNICAL[:-1], "news_tone"))
    with pytest.raises(DataError, match="column 'news_tone': the bundle reads a feature"):
        backtest_model(path, START, END, source=SOURCE, preset="s2")


def test_no_such_preset_and_no_bars_are_usage_errors(model: Path) -> None:
    with pytest.raises(UsageError, match="There is s2, s4"):
        backtest_model(model, START, END, source=SOURCE, preset="s9")
    with pytest.raises(UsageError, match="no bar between"):
        backtest_model(model, datetime(2030, 1, 1, tzinfo=UTC), END, source=SOURCE, preset="s2")


def test_a_symbol_that_halts_is_named(model: Path, tmp_path: Path) -> None:
    bars = read_bars(SOURCE, asof=END).table.to_pandas()
    halted = bars[~((bars["symbol"] == "SYN002") & (bars["timestamp"] == "2024-06-05"))]
    daily = halted.assign(date=halted["timestamp"].dt.tz_convert(None)).drop(columns=["timestamp", "known_at"])
    daily.to_parquet(tmp_path / "bars.parquet", index=False)
    with pytest.raises(DataError, match=r"SYN002, row 26: .* is no bar that traded at 2024-06-05"):
        backtest_model(model, START, END, source=str(tmp_path / "bars.parquet"), preset="s2")


def test_prices_that_round_when_they_are_adjusted_are_still_bars(model: Path, tmp_path: Path) -> None:
    bars = read_bars(SOURCE, asof=END).table.to_pandas()
    rng = np.random.default_rng(0)
    shrunk = bars["close"] * np.where(rng.random(len(bars)) < 0.5, 0.7, 0.3)  # as if large dividends followed
    daily = bars.assign(
        date=bars["timestamp"].dt.tz_convert(None), adj_close=shrunk, low=bars[["open", "close"]].min(axis=1)
    )
    daily.drop(columns=["timestamp", "known_at"]).to_parquet(tmp_path / "bars.parquet", index=False)
    adjusted = bar_panel(read_bars(str(tmp_path / "bars.parquet"), asof=END).table).candles
    assert (adjusted.low > np.minimum(adjusted.open, adjusted.close)).any()
    found = backtest_model(model, START, END, source=str(tmp_path / "bars.parquet"), preset="s2")
    assert found.account.trades
