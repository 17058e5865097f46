"""Quarantine: faulty rows and symbols are kept apart with their reasons, and what is left passes every check."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_rows import ASOF, chosen, planted, rows, scaled, sessions

from components.core.errors import DataError
from components.market.bar_table import bars_of
from components.market.checks import Fault
from components.market.quality import assess
from components.market.quality_report import render
from components.market.quarantine import refuse_unfit, set_aside, sound
from components.market.readers import read_bars, read_rows

YEAR = sessions("2023-01-03", "2023-12-29")
SOUND = rows({"AAA": YEAR, "BBB": YEAR})


def test_the_others_go_on_and_the_reasons_are_kept() -> None:
    bad = planted(scaled(SOUND, slice(0, 100), 4.0), 300, close=np.nan, volume=-2.0)
    found = assess([bad, replace(rows({"CCC": YEAR}, seed=3), file="c.csv")], asof=ASOF)
    aside = set_aside(found)
    bars = bars_of(sound(found), source="x", asof=ASOF)
    assert bars.table["symbol"].value_counts().to_pylist() == [
        {"values": "BBB", "counts": 249},
        {"values": "CCC", "counts": 250},
    ]
    assert aside.num_rows == 251
    assert aside.slice(0, 1).to_pylist()[0] | {"close": 0} == {
        "file": "planted.parquet", "row": 1, "symbol": "AAA", "timestamp": YEAR[0].item().replace(tzinfo=ASOF.tzinfo),
        **{name: bad.numbers[name][0] for name in ("open", "high", "low", "volume", "adj_close")}, "close": 0,
        "scope": "symbol", "reasons": ["unadjusted_split"],
    }  # fmt: skip
    last = aside.slice(250, 1).to_pylist()[0]
    assert (last["row"], last["symbol"], last["scope"]) == (301, "BBB", "row")
    assert last["reasons"] == ["bad_price", "bad_volume"]


FAULTS = st.tuples(
    st.integers(0, 499),
    st.sampled_from(["open", "high", "low", "close", "volume", "adj_close"]),
    st.sampled_from([np.nan, np.inf, -1.0, 0.0, 1e-3, 1e6]),
)


@given(faults=st.lists(FAULTS, max_size=12), repeats=st.lists(st.integers(0, 499), max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_is_planted_the_rest_passes_the_strict_checks_and_no_row_is_lost(
    faults: list[tuple[int, str, float]], repeats: list[int]
) -> None:
    bad = SOUND
    for place, name, value in faults:
        bad = planted(bad, place, **{name: value})
    bad = chosen(bad, np.concatenate([np.arange(500), np.array(repeats, dtype=np.int64)]))
    found = assess([bad], asof=ASOF)
    assert 0 <= found.score <= 1
    kept = sound(found)
    num_kept = bars_of(kept, source="x", asof=ASOF).table.num_rows if kept else 0
    assert num_kept + set_aside(found).num_rows == 500 + len(repeats)


@pytest.mark.promise("S4-80")
def test_a_dataset_below_080_is_refused_with_its_issues() -> None:
    holes = planted(SOUND, 0, close=np.nan)
    for place in range(0, 240, 2):
        holes = planted(holes, place, close=np.nan)
    found = assess([holes], asof=ASOF)
    assert found.score == pytest.approx(250 / 500)  # AAA falls below 0.8, so it counts for nothing
    with pytest.raises(DataError, match=r"quality score 0\.500 is below 0\.8\. Price missing or not above 0: 120"):
        refuse_unfit(found, source="bars.parquet")
    assert any(issue.startswith("Price missing") for issue in found.issues())


def test_a_symbol_below_080_is_set_aside_for_its_score() -> None:
    parts = rows(dict.fromkeys(("AAA", "BBB", "CCC", "DDD", "EEE", "FFF"), YEAR))
    for place in range(51):
        parts = planted(parts, place, volume=0.0)
    found = assess([parts], asof=ASOF)
    assert found.symbols[0].score == pytest.approx(199 / 250)
    assert {item.symbol: item.set_aside for item in found.worst()} == {"AAA": ("score",)}
    assert set_aside(found)["reasons"].to_pylist() == [["score"]] * 250


def test_nothing_left_is_refused() -> None:
    with pytest.raises(DataError, match="every row would be set aside"):
        refuse_unfit(assess([rows({"AAA": YEAR[:30]})], asof=ASOF), source="x")


@pytest.mark.promise("S0-49")
def test_faults_of_the_file_as_a_whole_are_never_quarantined() -> None:
    naive = Fault(
        "timestamp", np.arange(500) > 400, "the time has no time zone", YEAR, "Add it", "bad_time", fatal=True
    )
    with pytest.raises(DataError, match=r"row 402, column 'timestamp': the time has no time zone"):
        refuse_unfit(assess([replace(SOUND, faults=[replace(naive, values=SOUND.timestamp)])], asof=ASOF), source="x")
    path = replace(SOUND, names=("AAA", "../../x"))
    with pytest.raises(DataError, match=r"row 251, column 'symbol': the symbol is not allowed"):
        refuse_unfit(assess([path], asof=ASOF), source="x")


def test_a_clean_file_gives_the_same_bars_either_way(tmp_path: object) -> None:
    source = "synthetic://planted?symbols=3&days=200"
    found = assess(read_rows(source), asof=ASOF)
    assert bars_of(sound(found), source=source, asof=ASOF).table.equals(read_bars(source, asof=ASOF).table)
    assert set_aside(found).num_rows == 0


def test_the_page_says_it_all_and_escapes_what_it_shows() -> None:
    bad = planted(scaled(SOUND, slice(0, 100), 4.0), 300, close=np.nan)
    page = render(assess([bad], asof=ASOF), dataset="<b>x</b>", source="s<script>", faults="refuse")
    for text in ("score 0.498", "Price missing", "Price jumps by a split factor", "AAA", "301", "Looked for"):
        assert text in page
    assert "<script" not in page
    assert "<b>x</b>" not in page
    clean = render(assess([SOUND], asof=ASOF), dataset="x", source="s", faults="refuse")
    assert "Fit for use: score 1.000" in clean
