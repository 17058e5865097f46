from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.core import family as families
from components.features.foresight import foresight
from components.features.market_tables import companion_tables
from components.features.materialize import features_of
from components.features.tables import BarPanel, feature_tables
from components.market.bars import Interval
from components.market.companions import CONTEXT_FILES, OPTIONS_FILE, OPTIONS_FILES, read_companions
from components.market.readers import read_bars
from components.market.snapshot import write_snapshot
from components.market.synthetic import MarketSpec, market
from components.validate.case import Unanswered
from components.validate.causality import feature_causality
from components.validate.measures import Measured
from feature_repo.definitions import CONTEXT_VIEW, OPTIONS_VIEW

BARS = market(MarketSpec(symbols=6, days=700))
SOURCE = "synthetic://planted?symbols=2&days=120&options=8"
ASOF = datetime(2030, 1, 1, tzinfo=UTC)
BESIDE = read_companions(SOURCE, context="", options="", asof=ASOF)
CONTEXT = {name: BESIDE[name] for name in CONTEXT_FILES}
CHAINS = {name: BESIDE[name] for name in OPTIONS_FILES}
FEW_BARS = read_bars(SOURCE, asof=ASOF).table
"""Too few for the longest warm-up of the views that are made of bars."""


def beside(record: dict[str, Any]) -> list[dict[str, str]]:
    """Return what was found in the views that are made of the tables beside the bars."""
    return [item for item in record["findings"] if item["view"] in (CONTEXT_VIEW, OPTIONS_VIEW)]


def test_the_shipped_features_see_nothing_ahead_and_the_record_says_what_was_looked_at() -> None:
    record = foresight(BARS, {}, "daily")
    assert record["findings"] == []
    assert {"technical_v1", "spectral_v1", "returns_v1", "characteristics_v1"} <= set(record["views"])
    assert not {CONTEXT_VIEW, OPTIONS_VIEW} & set(record["views"])
    assert "2,800 rows" in record["checked"]  # four symbols of six


def test_the_views_of_the_tables_beside_the_bars_are_probed_too() -> None:
    record = foresight(FEW_BARS, BESIDE, "daily")
    assert beside(record) == []
    assert {CONTEXT_VIEW, OPTIONS_VIEW} <= set(record["views"])
    assert "8 columns, 120 rows, bars, etf_adjusted_daily.parquet" in record["checked"]
    assert "40 columns, 16 rows, bars, option_chain.parquet" in record["checked"]


def _peeking(panel, interval):
    for view, table in feature_tables(panel, interval):
        place = table.column_names.index("rsi_14") if "rsi_14" in table.column_names else None
        if place is None:
            yield view, table
            continue
        ahead = np.append(table["rsi_14"].to_numpy()[1:], np.nan)
        yield view, table.set_column(place, "rsi_14", pa.array(ahead))


@pytest.mark.filterwarnings("error")
def test_a_feature_of_tomorrow_is_named_with_its_view() -> None:
    [finding] = foresight(BARS, {}, "daily", tables=_peeking)["findings"]
    assert (finding["view"], finding["column"]) == ("technical_v1", "rsi_14")
    assert "1 bar ahead" in finding["problem"]


LEAKS = {CONTEXT_VIEW: "yield_slope", OPTIONS_VIEW: "put_call_volume"}


def _leaking(snapshot: Path, panel: BarPanel, interval: Interval) -> Iterator[tuple[str, pa.Table]]:
    """Yield the views beside the bars, one column of each as it will be in the row after."""
    for view, table in companion_tables(snapshot, panel, interval):
        ahead = np.append(table[LEAKS[view]].to_numpy()[1:], np.nan)
        yield view, table.set_column(table.column_names.index(LEAKS[view]), LEAKS[view], pa.array(ahead))


@pytest.mark.parametrize(("view", "tables"), [(CONTEXT_VIEW, CONTEXT), (OPTIONS_VIEW, CHAINS)])
def test_a_leak_in_a_view_beside_the_bars_is_named(view: str, tables: dict[str, pa.Table]) -> None:
    [finding] = beside(foresight(FEW_BARS, tables, "daily", companions=_leaking))
    assert (finding["view"], finding["column"]) == (view, LEAKS[view])
    assert "changes with data known after" in finding["problem"]


def test_a_column_that_the_chains_cannot_give_is_a_finding() -> None:
    without = CHAINS | {OPTIONS_FILE: CHAINS[OPTIONS_FILE].drop_columns(["open_interest"])}
    findings = beside(foresight(FEW_BARS, without, "daily"))
    assert "max_pain" in {item["column"] for item in findings}
    assert all("nothing could be compared" in item["problem"] for item in findings)


def test_chains_of_other_days_than_the_bars_leave_their_view_unprobed() -> None:
    before = FEW_BARS.filter(pa.array(FEW_BARS["timestamp"].to_numpy() < CHAINS[OPTIONS_FILE]["date"].to_numpy().min()))
    assert OPTIONS_VIEW not in foresight(before, CHAINS, "daily")["views"]


def test_the_gate_of_a_family_that_reads_the_context_alone_finds_the_leak_in_it(tmp_path: Path) -> None:
    regime, snapshot = families.find("regime"), tmp_path / "snapshot"
    bars = read_bars(SOURCE, asof=ASOF)
    write_snapshot(snapshot, bars, source=SOURCE, dataset="synthetic", asof=ASOF, beside=CONTEXT)
    clean, _ = features_of(snapshot, tmp_path / "clean")
    answer = feature_causality(clean, regime)
    assert isinstance(answer, Measured)
    assert (answer.value, answer.note) == (0, "0 of 8 columns moved when later data were changed and removed")
    guilty, _ = features_of(snapshot, tmp_path / "guilty", companions=_leaking)
    answer = feature_causality(guilty, regime)
    assert isinstance(answer, Measured)
    assert answer.value == 1
    assert "yield_slope" in answer.note


def test_a_family_whose_view_nobody_probed_fails_closed(tmp_path: Path) -> None:
    snapshot, bars = tmp_path / "snapshot", read_bars(SOURCE, asof=ASOF)
    write_snapshot(snapshot, bars, source=SOURCE, dataset="synthetic", asof=ASOF)
    manifest, _ = features_of(snapshot, tmp_path / "features")
    answer = feature_causality(manifest, families.find("regime"))
    assert isinstance(answer, Unanswered)
    assert answer.outcome == "fail"
    assert "context_v1" in answer.reason
