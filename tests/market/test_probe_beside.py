"""The look-ahead probe over tables beside the bars: leaks in context and options are named, shipped columns pass."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cli.shipped import context, options
from components.market.companions import CONTEXT_FILES, OPTIONS_FILE, known_times, read_companions
from components.market.context import FUNDS_FILE, TONE_FILE, YIELDS_FILE
from components.market.context_files import TONES
from components.market.probes import Report
from components.market.probes.beside import changed_beside, complete_from, known_beside
from components.market.probes.lookahead import cuts_beside, lookahead
from components.market.readers import read_bars

SOURCE = "synthetic://planted?symbols=2&days=120&options=12"
ASOF = datetime(2030, 1, 1, tzinfo=UTC)
BARS = read_bars(SOURCE, asof=ASOF).table
BESIDE = read_companions(SOURCE, context="", options="", asof=ASOF)
CONTEXT = {name: BESIDE[name] for name in CONTEXT_FILES}
CHAINS = {name: BESIDE[name] for name in (OPTIONS_FILE, YIELDS_FILE)}

Tables = Mapping[str, pa.Table]
Column = Callable[[pd.DataFrame, Tables], pd.Series]


def report(shipped: Callable[..., pa.Table], beside: Tables, guilty: Column | None = None) -> Report:
    def compute(bars: pa.Table, tables: Tables) -> pa.Table:
        table = shipped(bars, tables, interval="daily")
        return table if guilty is None else table.append_column("guilty", [guilty(table.to_pandas(), tables)])

    return lookahead(compute, BARS, cuts_beside(compute(BARS, beside), BARS, beside), beside=beside)


def next_row(name: str) -> Column:
    return lambda frame, _: frame.groupby("symbol")[name].shift(-1)


def z_score(name: str) -> Column:
    return lambda frame, _: (frame[name] - frame[name].mean()) / frame[name].std()


def tone_of_the_day(frame: pd.DataFrame, tables: Tables) -> pd.Series:
    """Return the tone of each session's own day, which is known two hours after the session's features count."""
    tone = tables[TONE_FILE].to_pandas().set_index("date")[TONES[0]]
    return tone.reindex(pd.to_datetime(frame["timestamp"])).reset_index(drop=True)


def volume_of_tomorrow(frame: pd.DataFrame, tables: Tables) -> pd.Series:
    """Return how many contracts are traded in the chain of the next session."""
    volume = tables[OPTIONS_FILE].to_pandas().groupby(["underlying", "date"])["volume"].sum()
    later = volume.groupby("underlying").shift(-1)
    keys = pd.MultiIndex.from_arrays([frame["symbol"], frame["timestamp"].dt.tz_localize(None)])
    return later.reindex(keys).reset_index(drop=True)


LEAKS = {
    "the next day's context": (context, CONTEXT, next_row("spy_return_1d")),
    "a full-sample z-score of the context": (context, CONTEXT, z_score("yield_slope")),
    "the tone of a day that has not ended": (context, CONTEXT, tone_of_the_day),
    "tomorrow's chain": (options, CHAINS, volume_of_tomorrow),
    "tomorrow's volatility": (options, CHAINS, next_row("atm_vol_30d")),
    "a full-sample z-score of the options": (options, CHAINS, z_score("atm_vol_30d")),
}


@pytest.mark.parametrize("name", LEAKS)
def test_each_leak_is_named_and_no_honest_column_beside_it(name: str) -> None:
    [finding] = report(*LEAKS[name]).findings
    assert finding.column == "guilty"
    assert "changes with data known after" in finding.problem


@pytest.mark.promise("S1-28")
@pytest.mark.parametrize(("shipped", "beside", "num_columns"), [(context, CONTEXT, 8), (options, CHAINS, 40)])
def test_the_shipped_columns_pass(shipped: Callable[..., pa.Table], beside: Tables, num_columns: int) -> None:
    found = report(shipped, beside)
    assert not found.findings
    assert not found.notes
    assert found.checked[0].startswith(f"{num_columns} columns, ")


def test_a_column_that_the_chains_cannot_give_is_a_note() -> None:
    without = CHAINS | {OPTIONS_FILE: CHAINS[OPTIONS_FILE].drop_columns(["open_interest"])}
    found = report(options, without)
    assert not found.findings
    assert "column 'max_pain' has no value in any row, so nothing could be compared" in found.notes


def test_cuts_lie_before_each_table_s_own_time_of_day() -> None:
    rows = context(BARS, CONTEXT, interval="daily")
    after = {
        (cut + np.timedelta64(1, "us")).astype("datetime64[h]").astype(int) % 24
        for cut in cuts_beside(rows, BARS, CONTEXT)
    }
    assert after == {22, 0}  # of funds, of yields and tone


def test_the_past_stays_and_every_number_of_the_future_is_another() -> None:
    cut = np.sort(known_times(OPTIONS_FILE, BESIDE[OPTIONS_FILE]))[4_000]
    changed, known = changed_beside(BESIDE, cut, np.random.default_rng(0)), known_beside(BESIDE, cut)
    for name, table in BESIDE.items():
        past = pa.array(known_times(name, table) <= cut)
        assert changed[name].filter(past).equals(known[name])
        assert changed[name].schema == table.schema
        column = {FUNDS_FILE: "close", YIELDS_FILE: "y_2y", TONE_FILE: TONES[0], OPTIONS_FILE: "implied_vol"}[name]
        future = known_times(name, table) > cut
        assert (changed[name][column].to_numpy() != table[column].to_numpy())[future].all()
    chain = changed[OPTIONS_FILE]
    assert (chain["bid"].to_numpy() <= chain["ask"].to_numpy()).all()
    assert chain["strike"].equals(BESIDE[OPTIONS_FILE]["strike"])


def test_tables_are_complete_when_their_youngest_symbol_is_there() -> None:
    funds = BESIDE[FUNDS_FILE].to_pandas()
    day = funds["date"].unique()[30]
    late = funds[(funds["symbol"] != "VIXY") | (funds["date"] >= day)]
    table = pa.Table.from_pandas(late, preserve_index=False)
    assert complete_from(CONTEXT | {FUNDS_FILE: table}) == day + np.timedelta64(22, "h")
