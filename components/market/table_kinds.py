"""The kinds of tables that are known: the columns that tell each, and what is asked of it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa

from components.market.calendars import Name
from components.market.context_files import TONES
from components.market.observed import Observed
from components.market.option_chain import OPTIONAL, REQUIRED
from components.market.quality import assess
from components.market.rules import RULES, Hits
from components.market.table_catalogue import unasked
from components.market.table_rows import price_rows
from components.market.table_rules import (
    CONTRACT,
    NUM_EXAMPLES,
    TableFinding,
    absent_days,
    action_findings,
    chain_findings,
    constituent_findings,
    empty_cells,
    membership_findings,
    totals_findings,
    volatility_findings,
    yield_findings,
)

_NO_CLOCK: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Whether rows are of the future is asked where the table is read, by who knows as of when."""


@dataclass(frozen=True)
class Kind:
    """What tells a kind of table, and what is asked of it."""

    name: str
    columns: frozenset[str]
    """That a table of this kind has."""
    keys: tuple[str, ...]
    """Columns that tell its rows apart."""
    rules: tuple[str, ...]
    """All that is asked, in the order of the report."""
    find: Callable[[pa.Table, str, Name], list[TableFinding]]
    """What is wrong with a table whose times are days, by the name of its file and the calendar of its market."""
    numbers: tuple[str, ...] = ()
    """Columns that hold numbers where a table has them."""
    days: tuple[str, ...] = ()
    """Columns other than ``time`` that hold days or instants where a table has them."""
    time: str = "date"
    """The column of days; empty if there is none."""


def kind_of(columns: Collection[str]) -> Kind | None:
    """Return the kind whose columns are all there, or none where there is none or more than one."""
    found = [kind for kind in KINDS if kind.columns <= set(columns)]
    return found[0] if len(found) == 1 else None


def _closes(table: pa.Table, file: str, _: Name) -> list[TableFinding]:
    """Return what the rules of bars find in the columns that the table has; they tell the calendar themselves."""
    found = assess([price_rows(table, file=file)], asof=_NO_CLOCK)
    held, unknown = {*table.column_names, "time"}, unasked(table.column_names)
    kept = [hits for hits in found.hits if hits.column in held and hits.rule.name not in unknown]
    return [_of_hits(found.data, hits) for hits in kept]


def _of_hits(data: Observed, hits: Hits) -> TableFinding:
    """Return the hits of one rule and column; where a symbol is set aside all its rows are touched."""
    examples: list[str] = []
    for place in range(min(NUM_EXAMPLES, len(hits.row))):
        where = f"{data.names[int(hits.symbol[place])]} {str(hits.time[place])[:10]}"
        examples.append(where if hits.column == "time" else f"{where} {str(hits.value[place])[:12]}")
    rows = hits.row[hits.row >= 0]
    if hits.rule.scope == "symbol":
        rows = np.flatnonzero(np.isin(data.symbol, hits.symbol))
    return TableFinding(hits.rule.name, hits.column, len(hits.row), tuple(examples), rows)


_KEYED: Final = ("bad_time", "repeated_key")
_TENORS: Final = ("1m", "2m", "3m", "4m", "6m", "1y", "2y", "3y", "5y", "7y", "10y", "20y", "30y")
_CHAIN: Final = (
    "bad_contract", "expired", "not_a_session", "repeated_snapshot", "crossed", "implied_vol_too_low",
    "implied_vol_too_high", "partial_snapshot", "absent_snapshot", "narrow_chain", "no_implied_vol", "no_bid",
    "no_ask", "no_volume", "stale_volume", "no_open_interest", "late_capture",
)  # fmt: skip
_DAILY: Final = (*_KEYED, "absent_day", "empty_column", "missing_value")


def _daily(table: pa.Table, _: str, __: Name) -> list[TableFinding]:
    """Return what a series of every calendar day lacks."""
    return empty_cells(table) + absent_days(table, "24/7")


KINDS: Final = (
    Kind(
        "treasury yields",
        frozenset({"date", "y_2y", "y_10y"}),
        ("date",),
        (*_KEYED, "unpublished_yield", "absent_day", "empty_column", "missing_value", "zero_yield"),
        lambda table, _, market: yield_findings(table) + empty_cells(table) + absent_days(table, market),
        numbers=tuple(f"y_{tenor}" for tenor in _TENORS),
    ),
    Kind("news tone", frozenset({"date", *TONES}), ("date",), _DAILY, _daily, numbers=TONES),
    Kind(
        "news sentiment", frozenset({"date", "news_sentiment"}), ("date",), _DAILY, _daily, numbers=("news_sentiment",)
    ),
    Kind(
        "option chain",
        frozenset(REQUIRED),
        CONTRACT,
        (*_KEYED, *_CHAIN),
        lambda table, file, market: chain_findings(table, file=file, market=market),
        numbers=("strike", "bid", "ask", "underlying_price", *OPTIONAL[:3]),
        days=("expiration", "timestamp", "last_trade_time"),
    ),
    Kind(
        "option totals",
        frozenset({"date", "total_open_interest", "put_to_call_open_interest"}),
        ("date",),
        (*_KEYED, "empty_totals", "absent_day"),
        lambda table, _, market: totals_findings(table) + absent_days(table, market),
        numbers=("total_open_interest", "put_to_call_open_interest"),
    ),
    Kind(
        "implied volatility",
        frozenset({"symbol", "date", "implied_vol"}),
        ("symbol", "date"),
        (*_KEYED, "implied_vol_too_low", "implied_vol_too_high", "absent_day", "no_implied_vol"),
        lambda table, _, market: volatility_findings(table) + absent_days(table, market, "symbol"),
        numbers=("implied_vol",),
    ),
    Kind(
        "index membership",
        frozenset({"symbol", "start_date", "end_date"}),
        ("symbol", "start_date"),
        (*_KEYED, "bad_span", "returned_symbol", "cut_start"),
        lambda table, *_: membership_findings(table),
        days=("end_date",),
        time="start_date",
    ),
    Kind(
        "constituents",
        frozenset({"list", "symbol", "name", "sector"}),
        ("list", "symbol"),
        ("repeated_key", "unknown_sector", "no_identifier", "free_text", "in_two_lists"),
        lambda table, *_: constituent_findings(table),
        time="",
    ),
    Kind(
        "corporate actions",
        frozenset({"symbol", "date", "type", "value"}),
        ("symbol", "date", "type"),
        (*_KEYED, "bad_action", "rounded_split"),
        lambda table, *_: action_findings(table),
        numbers=("value",),
    ),
    Kind(
        "closes",
        frozenset({"symbol", "date", "close"}),
        ("symbol", "date"),
        tuple(rule for rule in RULES if rule != "future"),
        _closes,
        numbers=("open", "high", "low", "close", "volume", "adj_close"),
    ),
)
"""Every kind that is known."""
