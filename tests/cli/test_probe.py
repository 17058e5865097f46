"""``qf probe``: clean sources leave with 0, each planted fault with 65 and a line that names it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from feast import FeatureStore

from cli.main import qf
from cli.shipped import features, joined_rows, technical, training_rows
from components.core import family as families
from components.core.errors import BAD_DATA, DataError, QuantfoundryError, UsageError
from components.market.knowledge import recorded
from components.market.probes.lookahead import rewritten
from components.market.probes.restate import restate, restatement_time
from components.market.readers import read_bars
from components.market.synthetic import MarketSpec, market
from feature_repo.definitions import (
    CHARACTERISTICS_VIEW,
    FORECASTS_VIEW,
    RETURNS_VIEW,
    SPECTRAL_VIEW,
    TECHNICAL_VIEW,
    UNITS,
)

SOURCE = "synthetic://planted?symbols=3&days=400"
BARS = market(MarketSpec(symbols=3, days=400))
AT = restatement_time(BARS)
FAMILY = families.find("price_action")


def probe(*arguments: str) -> Result:
    result = CliRunner().invoke(qf, ["probe", *arguments])
    if isinstance(result.exception, QuantfoundryError) or result.exception is None:
        return result
    if not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows(table: pa.Table) -> pa.Table:
    return training_rows(table, FAMILY)


def newest(table: pa.Table) -> pa.Table:
    """Return the table as a store holds it that overwrites."""
    frame = (
        table.to_pandas().sort_values("created", kind="stable").drop_duplicates(["symbol", "timestamp"], keep="last")
    )
    frame["created"] = frame["event_timestamp"]
    return pa.Table.from_pandas(frame.sort_values(["symbol", "timestamp"]), schema=table.schema, preserve_index=False)


def test_a_restated_past_leaves_the_training_rows_as_they_were() -> None:
    report = restate(technical, rows, BARS, AT)
    assert not report.findings
    [checked] = report.checked
    before, after = checked.split("digest ")[1].split(" before and ")
    assert after == f"{before} after"
    restated, decided = (int(part.split()[0].replace(",", "")) for part in (checked, checked.split("UTC, ")[1]))
    assert restated > 700  # the averages carry the rewritten fifth into most of the 801 old rows
    assert decided == 3 * (267 - 199)  # two thirds of 400 days, less the warm-up


def test_a_store_that_overwrites_is_named() -> None:
    report = restate(technical, lambda table: rows(newest(table)), BARS, AT)
    columns = {finding.column for finding in report.findings}
    assert {"close", "rsi_14", "ema_200", "label"} <= columns
    first = next(finding for finding in report.findings if finding.column == "close")
    assert first.problem.startswith("SYN00")
    assert " was " in first.problem
    assert "knowledge time" in first.remedy


def test_a_retrieval_that_ignores_knowledge_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = FeatureStore.get_historical_features

    def by_event_time_only(self: FeatureStore, **options: object) -> object:
        return asked(self, **(options | {"filter_by_created_timestamp": False}))

    monkeypatch.setattr(FeatureStore, "get_historical_features", by_event_time_only)
    report = restate(technical, rows, BARS, AT)
    assert "close" in {finding.column for finding in report.findings}


def test_rows_that_are_repeated_or_lost_are_named() -> None:
    calls: list[int] = []

    def twice(table: pa.Table) -> pa.Table:
        calls.append(1)
        found = rows(table)
        return pa.concat_tables([found, found.slice(0, 1)]) if len(calls) == 2 else found

    [finding] = restate(technical, twice, BARS, AT).findings
    assert "is there twice (1 repeated training rows)" in finding.problem
    [finding] = restate(technical, lambda table: rows(table).slice(int(table.num_rows > 1_200)), BARS, AT).findings
    assert "1 of 204 training rows are gone" in finding.problem


def every_view(bars: pa.Table) -> pa.Table:
    return features(bars, "daily")


def overwritten(table: pa.Table, view: str) -> pa.Table:
    """Return the features as if the store of one view kept only its newest values."""
    frame = table.to_pandas()
    last = newest(table).to_pandas().set_index(["symbol", "timestamp"])
    columns = list(UNITS[view])
    frame[columns] = last.loc[pd.MultiIndex.from_frame(frame[["symbol", "timestamp"]]), columns].to_numpy()
    return pa.Table.from_pandas(frame, schema=table.schema, preserve_index=False)


@pytest.mark.parametrize("view", [TECHNICAL_VIEW, SPECTRAL_VIEW, RETURNS_VIEW, CHARACTERISTICS_VIEW, FORECASTS_VIEW])
def test_a_view_that_overwrites_is_named_by_all_its_columns(view: str) -> None:
    bars = market(MarketSpec(symbols=3, days=480))
    report = restate(every_view, lambda table: joined_rows(overwritten(table, view)), bars, restatement_time(bars))
    labels = {"label", "forward_return"} if view == TECHNICAL_VIEW else set[str]()  # which are made of its prices
    assert {finding.column for finding in report.findings} == set(UNITS[view]) | labels


def test_the_features_of_every_view_stay_as_they_were_and_an_empty_column_is_told() -> None:
    report = restate(every_view, joined_rows, BARS, AT)
    assert not report.findings
    assert "of liquidity_regime no value by then" in report.checked[0]


def test_a_restatement_before_any_decision_proves_nothing_and_says_so() -> None:
    early = BARS["known_at"].to_numpy()[100]
    with pytest.raises(DataError, match="0 training rows were decided before"):
        restate(technical, rows, BARS, early)


def test_the_recorded_history_holds_both_versions_by_hand() -> None:
    before = technical(BARS)
    old = BARS["known_at"].to_numpy() < AT
    target = np.zeros(BARS.num_rows, dtype=np.bool_)
    target[260] = True  # the first symbol, six days before the restatement
    history = recorded(before, before, technical(rewritten(BARS, target, np.random.default_rng(0))), AT)
    assert history.num_rows == BARS.num_rows + 7  # its averages carry it to the days after
    assert history.slice(0, int(old.sum())).to_pandas().equals(before.filter(pa.array(old)).to_pandas())
    restated = history.slice(int(old.sum()), 7)
    assert set(restated["created"].to_numpy()) == {AT}
    assert restated["timestamp"].to_pylist() == BARS["timestamp"].to_pylist()[260:267]


@pytest.mark.parametrize(("kind", "num_days"), [("data", 400), ("lookahead", 400), ("restate", 800)])
def test_a_synthetic_market_is_clean(kind: str, num_days: int) -> None:
    """Every family has rows before a restatement only of a market that is longer than its longest warm-up."""
    result = probe(kind, f"synthetic://planted?symbols=3&days={num_days}")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "clean"
    assert result.output.startswith("checked ")


@pytest.mark.parametrize("kind", ["data", "lookahead"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_files_are_probed_like_markets(tmp_path: Path, kind: str, suffix: str) -> None:
    frame = BARS.to_pandas().drop(columns="known_at")
    frame["date"] = frame.pop("timestamp").dt.tz_localize(None)
    path = tmp_path / f"bars.{suffix}"
    frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
    result = probe(kind, str(path))
    assert result.exit_code == 0, result.output
    assert "1,200 rows" in result.output


def test_features_of_ones_own_are_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_features.py").write_text(
        "def centred(bars):\n"
        "    close = bars.to_pandas().groupby('symbol')['close']\n"
        "    column = close.transform(lambda values: values.rolling(5, center=True).mean())\n"
        "    return bars.select(['symbol', 'timestamp']).append_column('centred_5', [column])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    result = probe("lookahead", SOURCE, "--features", "my_features:centred")
    assert result.exit_code == BAD_DATA
    first, *_, last = result.output.splitlines()
    assert first.startswith("my_features:centred: look-ahead: row 79, column 'centred_5': SYN000 ")
    assert last == "1 finding"


@pytest.mark.parametrize("path", ["no_such_module:f", "cli.probe:no_such_function", "nothing", ":f"])
def test_features_that_do_not_exist_are_a_usage_error(path: str) -> None:
    result = probe("lookahead", SOURCE, "--features", path)
    assert isinstance(result.exception, QuantfoundryError)
    assert "MODULE:FUNCTION" in str(result.exception)


def test_a_fault_of_a_file_is_one_line_with_file_row_and_remedy(tmp_path: Path) -> None:
    frame = BARS.to_pandas()
    frame["signal"] = frame.groupby("symbol")["close"].shift(-1)
    path = tmp_path / "bars.parquet"
    frame.to_parquet(path)
    result = probe("data", str(path))
    assert result.exit_code == BAD_DATA
    assert result.output.splitlines()[0] == (
        f"{path}: label shift: row 1, column 'signal': holds the close of bar t + 1 in 100% of the rows. "
        "A feature at t may use bars up to t only; look for a shift by a negative number"
    )


def test_what_only_the_reader_of_bars_refuses_is_a_finding_too(tmp_path: Path) -> None:
    frame = BARS.to_pandas().drop(columns="known_at")
    frame.loc[4, "high"] = frame.loc[4, "low"] / 2
    path = tmp_path / "bars.parquet"
    frame.to_parquet(path)
    result = probe("data", str(path))
    assert result.exit_code == BAD_DATA
    assert "row 5, column 'high'" in result.output
    assert "high is below low" in result.output


def test_keys_and_asof_are_passed_on(tmp_path: Path) -> None:
    days = pd.to_datetime(["2024-01-02", "2024-01-02"])
    pq.write_table(
        pa.table({"date": pa.array(days).cast(pa.date32()), "strike": [1.0, 2.0]}), path := tmp_path / "a.parquet"
    )
    assert "--key" in probe("data", str(path)).output
    assert probe("data", str(path), "--key", "strike").exit_code == 0
    assert "future-dated" in probe("data", str(path), "--key", "strike", "--asof", "2024-01-01").output


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["real_sample", "crypto_btcusdt_1h"])
def test_the_shipped_features_pass_on_real_bars(shared_data: Path, name: str) -> None:
    path = str(shared_data / f"{name}.parquet")
    bars = read_bars(path, asof=datetime(2022, 1, 1, tzinfo=UTC)).table
    assert not restate(technical, rows, bars, restatement_time(bars)).findings
    assert probe("data", path).exit_code == 0


@pytest.mark.parametrize("options", ["", "&options=12"])
def test_context_and_options_of_a_synthetic_market_are_probed(options: str) -> None:
    result = probe("lookahead", f"synthetic://planted?symbols=2&days=300{options}", "--cuts", "1")
    assert result.exit_code == 0, result.output
    assert "checked context_v1: 8 columns, 300 rows, bars, etf_adjusted_daily.parquet, " in result.output
    assert ("checked options_v1: 40 columns, 24 rows" in result.output) == bool(options)


def test_tables_beside_the_bars_are_refused_with_features_of_ones_own() -> None:
    result = probe("lookahead", SOURCE, "--features", "cli.shipped:technical", "--context", "anywhere")
    assert isinstance(result.exception, UsageError)
    assert "bars alone" in str(result.exception)


@pytest.mark.realdata
def test_context_and_options_of_real_files_pass(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    bars = str(shared_data / "etf_adjusted_daily.parquet")
    chains = ["--options", str(shared_data / "options_top20_spy_2021.parquet"), "--symbols", "SPY", "--cuts", "2"]
    result = probe("lookahead", bars, "--context", str(shared_data), *chains)
    assert result.exit_code == 0, result.output
    assert "checked context_v1: 8 columns, 3,600 rows" in result.output
    assert "note options_v1: column 'atm_vol_7d' has no value in any row" in result.output
    assert "checked options_v1: 40 columns, 75 rows" in result.output
    assert probe("lookahead", bars, *chains).exit_code == 0
    assert caplog.text.count("no yields beside the bars") == 1
