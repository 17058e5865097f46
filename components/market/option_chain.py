"""Option chains as the features need them: sorted, calls beside puts, bad rows and quotes put aside and counted.

Which snapshots count is decided from the same and earlier snapshots of the underlying only.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core.errors import DataError
from components.market.ragged import Codes, Flags, Floats

Days = npt.NDArray[np.datetime64]

REQUIRED: Final = ("date", "underlying", "expiration", "type", "strike", "bid", "ask", "underlying_price")
OPTIONAL: Final = ("volume", "open_interest", "implied_vol", "last_trade_time")

MIN_VOL, MAX_VOL = 1e-4, 3.0
"""Volatilities outside come from vendors' solvers that found nothing."""
PARTIAL_SHARE: Final = 0.7
"""A snapshot with a smaller share of the contracts of the fullest of the five before it is partial."""
_LOOK_BACK = 5
CALL, PUT = 0, 1


@dataclass(frozen=True)
class Chain:
    """Contracts as nodes (an expiration and a strike with its call and its put), in the order of all keys.

    A snapshot is one underlying on one day, a slice one expiration of a snapshot. Arrays [node, 2] hold calls
    in column 0 and puts in column 1, NaN where a value is missing or not to be used.
    """

    symbol: npt.NDArray[np.object_]
    """[snapshot]"""
    date: Days
    """[snapshot], datetime64[D]"""
    spot: Floats
    """[snapshot]"""
    snapshot: Codes
    """[slice]: the snapshot of each slice."""
    days: Codes
    """[slice]: calendar days to expiration, 0 or more."""
    slice: Codes
    """[node]: the slice of each node."""
    strike: Floats
    """[node]"""
    priced: Flags
    """[node, 2]: the contract exists and the vendor says what is bid or asked, be it 0."""
    bid: Floats
    """[node, 2]; NaN where the quote has no bid, no ask or is crossed, and then so is the ask."""
    ask: Floats
    unbid: Flags
    """[node, 2]: priced, and nobody bids."""
    vol: Floats
    """[node, 2]: the vendor's implied volatility per year; NaN without a usable quote."""
    volume: Floats
    """[node, 2]: contracts traded that day."""
    open_interest: Floats
    """[node, 2]: contracts open as of the snapshot."""
    excluded: pa.Table
    """Per snapshot, those left out too: underlying, date, rows, and a count of rows for each reason."""


@dataclass(frozen=True)
class _Rows:
    """The table as arrays, one entry per row."""

    underlying: Codes
    names: npt.NDArray[np.object_]
    date: Days
    expiration: Days
    is_put: Flags
    numbers: Mapping[str, Floats]
    last_trade: Days | None


def read_chain(table: pa.Table, *, file: str, sessions: Days | None = None) -> Chain:
    """Return the chain of a table with the columns ``REQUIRED`` and any of ``OPTIONAL``; others are ignored.

    ``sessions`` are the days of the market; without them a holiday is known only by repeating the day before.
    Rows that go: those whose contract makes no sense, that are repeated, off the sessions, or of a snapshot that
    repeats the one before. Quotes that go: no bid, no ask, crossed; implied volatilities below 0.0001 or above 3.
    Volumes that go: of contracts that last traded on an earlier day. A partial snapshot keeps its quotes and
    loses volume and open interest, whose sums would be too small.

    Raises:
        DataError: If a required column is missing, or no row is left.
    """
    rows, _ = _sorted(table, file)
    starts = _changes(rows.underlying, rows.date)
    snapshot = np.cumsum(starts) - 1
    reasons, used, whole = _judge(rows, snapshot, sessions)
    excluded = _counts(rows, np.flatnonzero(starts), snapshot, reasons)
    if not used.any():
        raise DataError(f"none of {len(used)} rows can be used", file=file, remedy="See the reasons in read_chain")
    return _chain(rows, used, whole[snapshot], excluded)


def marked(table: pa.Table, *, file: str, sessions: Days | None = None) -> dict[str, Flags]:
    """Return which rows of the table ``read_chain`` leaves out or leaves without a value, [row], for each reason.

    Raises:
        DataError: If a required column is missing.
    """
    rows, order = _sorted(table, file)
    reasons, _, _ = _judge(rows, np.cumsum(_changes(rows.underlying, rows.date)) - 1, sessions)
    place = np.argsort(order)
    return {reason: flags[place] for reason, flags in reasons.items()}


def _sorted(table: pa.Table, file: str) -> tuple[_Rows, npt.NDArray[np.intp]]:
    """Return the rows in the order of all keys, and that order."""
    rows = _rows(table, file)
    order = np.lexsort((rows.is_put, rows.numbers["strike"], rows.expiration, rows.date, rows.underlying))
    return _reordered(rows, order), order


def _rows(table: pa.Table, file: str) -> _Rows:
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        remedy = f"A chain has {', '.join(REQUIRED)}; {', '.join(OPTIONAL)} are welcome"
        raise DataError(f"no column {', '.join(missing)}", file=file, remedy=remedy)
    coded: Any = table["underlying"].combine_chunks().dictionary_encode()
    found = np.array(coded.dictionary.to_pylist(), dtype=object)
    by_name = np.argsort(found.astype(str), kind="stable")
    place = np.append(np.argsort(by_name, kind="stable"), -1)  # the last entry serves empty names
    codes = coded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False).astype(np.int64)
    kinds: Any = table["type"].combine_chunks().dictionary_encode()
    kind_names = [str(kind).lower() for kind in kinds.dictionary.to_pylist()]
    kind = np.array([*kind_names, ""], dtype=object)[
        kinds.indices.fill_null(len(kind_names)).to_numpy(zero_copy_only=False)
    ]
    numbers = {
        name: table[name].cast(pa.float64()).to_numpy().astype(np.float64)
        for name in ("strike", "bid", "ask", "underlying_price", *OPTIONAL[:3])
        if name in table.column_names
    }
    known_kind = np.isin(kind.astype(str), ("call", "put"))
    numbers["strike"] = np.where(known_kind, numbers["strike"], np.nan)
    traded = _days(table["last_trade_time"]) if "last_trade_time" in table.column_names else None
    return _Rows(
        place[codes], found[by_name], _days(table["date"]), _days(table["expiration"]), kind == "put", numbers, traded
    )


def _days(column: pa.ChunkedArray) -> Days:
    return column.cast(pa.timestamp("us")).to_numpy().astype("datetime64[D]")


def _reordered(rows: _Rows, order: npt.NDArray[np.intp]) -> _Rows:
    numbers = {name: values[order] for name, values in rows.numbers.items()}
    last_trade = None if rows.last_trade is None else rows.last_trade[order]
    return _Rows(
        rows.underlying[order],
        rows.names,
        rows.date[order],
        rows.expiration[order],
        rows.is_put[order],
        numbers,
        last_trade,
    )


def _changes(*columns: npt.NDArray[Any]) -> Flags:
    """Return where a row starts a new group: one of the sorted columns differs from the row before."""
    starts = np.zeros(len(columns[0]), dtype=np.bool_)
    starts[:1] = True
    for column in columns:
        starts[1:] |= column[1:] != column[:-1]
    return starts


def _judge(rows: _Rows, snapshot: Codes, sessions: Days | None) -> tuple[dict[str, Flags], Flags, Flags]:
    """Return the rows of each reason, the rows that are used, and the snapshots, [snapshot], that are whole."""
    strike, spot = rows.numbers["strike"], rows.numbers["underlying_price"]
    dated = ~np.isnat(rows.date) & ~np.isnat(rows.expiration) & (rows.underlying >= 0)
    sensible = dated & (strike > 0) & np.isfinite(strike) & (spot > 0) & np.isfinite(spot)
    repeat = ~_changes(snapshot, rows.expiration, strike, rows.is_put)
    expired = dated & (rows.expiration < rows.date)
    closed = np.zeros(len(strike), dtype=np.bool_) if sessions is None else ~np.isin(rows.date, sessions)
    counted = sensible & ~repeat & ~expired & ~closed
    echo, whole = _snapshots(rows, snapshot, counted)
    bid, ask = rows.numbers["bid"], rows.numbers["ask"]
    reasons = {
        "bad_contract": ~sensible,
        "duplicate": repeat,
        "expired": expired,
        "not_a_session": closed,
        "repeated_snapshot": echo[snapshot],
        "partial_snapshot": ~whole[snapshot],
        "no_bid": ~(bid > 0),
        "no_ask": ~(ask > 0),
        "crossed": (bid > ask) & (ask > 0),
    }
    absent = np.full(len(strike), np.nan)
    vol, volume = rows.numbers.get("implied_vol", absent), rows.numbers.get("volume", absent)
    reasons["no_implied_vol"] = np.isnan(vol)
    reasons["implied_vol_too_low"] = vol < MIN_VOL
    reasons["implied_vol_too_high"] = vol > MAX_VOL
    reasons["no_volume"] = np.isnan(volume)
    reasons["stale_volume"] = (
        np.zeros(len(strike), dtype=np.bool_)
        if rows.last_trade is None
        else ~np.isnan(volume) & ~(rows.last_trade == rows.date)
    )
    reasons["no_open_interest"] = np.isnan(rows.numbers.get("open_interest", absent))
    return reasons, counted & ~echo[snapshot], whole


def _snapshots(rows: _Rows, snapshot: Codes, counted: Flags) -> tuple[Flags, Flags]:
    """Return which snapshots repeat the one before, contract counts, open interest and spot, and which are whole."""
    first = np.flatnonzero(_changes(snapshot))
    owner, num = rows.underlying[first], len(first)
    contracts = np.bincount(snapshot, counted, minlength=num)
    interest = rows.numbers.get("open_interest")
    echo = np.zeros(num, dtype=np.bool_)
    if interest is not None:
        opened = np.where(counted & np.isfinite(interest), interest, 0.0)
        puts = np.bincount(snapshot, np.where(rows.is_put, opened, 0.0), minlength=num)
        opened = np.bincount(snapshot, opened, minlength=num)
        facts = np.stack([contracts, opened, puts, rows.numbers["underlying_price"][first]])
        echo[1:] = (facts[:, 1:] == facts[:, :-1]).all(axis=0) & (owner[1:] == owner[:-1]) & (opened[1:] > 0)
    fullest = np.zeros(num)
    for back in range(1, min(_LOOK_BACK, num - 1) + 1):
        same = owner[back:] == owner[:-back]
        fullest[back:] = np.maximum(fullest[back:], np.where(same, contracts[:-back], 0.0))
    return echo, (contracts >= PARTIAL_SHARE * fullest) | (contracts == 0)


def _counts(rows: _Rows, first: npt.NDArray[np.intp], snapshot: Codes, reasons: Mapping[str, Flags]) -> pa.Table:
    names = np.append(rows.names, np.array([None], dtype=object))
    columns: dict[str, Any] = {
        "underlying": pa.array(names[rows.underlying[first]], pa.string()),
        "date": pa.array(rows.date[first]),
        "rows": np.bincount(snapshot, minlength=len(first)),
    }
    for reason, marked in reasons.items():
        columns[reason] = np.bincount(snapshot[marked], minlength=len(first))
    return pa.table(columns)


def _chain(rows: _Rows, used: Flags, whole: Flags, excluded: pa.Table) -> Chain:
    numbers = {name: values[used] for name, values in rows.numbers.items()}
    absent = np.full(int(used.sum()), np.nan)
    underlying, date, expiration = rows.underlying[used], rows.date[used], rows.expiration[used]
    snapshot_starts = _changes(underlying, date)
    slice_starts = snapshot_starts | _changes(expiration)
    node_starts = slice_starts | _changes(numbers["strike"])
    firsts, slices, nodes = (np.flatnonzero(starts) for starts in (snapshot_starts, slice_starts, node_starts))
    node, side = np.cumsum(node_starts) - 1, rows.is_put[used].astype(np.int64)

    def pair(values: Floats) -> Floats:
        both = np.full((len(nodes), 2), np.nan)
        both[node, side] = values
        return both

    bid, ask = numbers["bid"], numbers["ask"]
    priced = ~np.isnan(pair(bid)) | ~np.isnan(pair(ask))
    quoted = (bid > 0) & (ask >= bid)
    vol = numbers.get("implied_vol", absent)
    volume = np.where(whole[used], numbers.get("volume", absent), np.nan)
    if rows.last_trade is not None:
        volume = np.where(rows.last_trade[used] == date, volume, np.nan)
    interest = np.where(whole[used], numbers.get("open_interest", absent), np.nan)
    return Chain(
        symbol=rows.names[underlying[firsts]],
        date=date[firsts],
        spot=numbers["underlying_price"][firsts],
        snapshot=(np.cumsum(snapshot_starts) - 1)[slices],
        days=(expiration - date)[slices].astype(np.int64),
        slice=(np.cumsum(slice_starts) - 1)[nodes],
        strike=numbers["strike"][nodes],
        priced=priced,
        bid=pair(np.where(quoted, bid, np.nan)),
        ask=pair(np.where(quoted, ask, np.nan)),
        unbid=priced & ~(pair(bid) > 0),
        vol=pair(np.where(quoted & (vol >= MIN_VOL) & (vol <= MAX_VOL), vol, np.nan)),
        volume=pair(volume),
        open_interest=pair(interest),
        excluded=excluded,
    )
