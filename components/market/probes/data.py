"""Is this table what it says? Its times, its keys, its gaps, and whether a column is the label in disguise."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import DataError
from components.core.files import SYMBOL
from components.market.bars import OHLC
from components.market.layout import PLAIN
from components.market.probes import Finding, Report
from components.market.probes.lookahead import CLAIMS
from components.market.probes.shift import Series, shifted
from components.market.times import Times, parse_times

MAX_EMPTY_SHARE: Final = 0.05
"""Of a column's rows after its first value per symbol, how many may be empty."""

EMPTY: Final = "empty in every row"
"""The problem of a column without a single value."""

OURS: Final = (*CLAIMS, "decision_time")
"""Times that only our own tables have: there every time is in whole microseconds, UTC."""

_LATER: Final = (("known_at", "timestamp"), ("event_timestamp", "timestamp"), ("created", "event_timestamp"),
                 ("decision_time", "timestamp"))  # fmt: skip
_MICROSECONDS: Final = pa.timestamp("us", tz="UTC")
_NOT_FEATURES: Final = frozenset({"symbol", *PLAIN.times, *OURS})

Bools = npt.NDArray[np.bool_]


def data(
    table: pa.Table, *, asof: datetime, keys: Sequence[str] = (), max_empty_share: float = MAX_EMPTY_SHARE, name: str
) -> Report:
    """Return what is wrong with the table: one finding per fault and column, with the first row that has it.

    The time column is called date, timestamp or datetime; ``keys`` are the columns that make a row of
    a time unique (``symbol`` where none are given). Features are all other numeric columns; they are
    compared with what came later where there is a ``close``.

    Raises:
        DataError: If there is no time column, or no column that ``keys`` name.
    """
    time = next((spelling for spelling in PLAIN.times if spelling in table.column_names), None)
    missing = [key for key in keys if key not in table.column_names]
    if time is None or missing:
        wanted = ", ".join(missing) if missing else f"{' or '.join(PLAIN.times)}"
        found = ", ".join(table.column_names)[:200]
        raise DataError(f"no column {wanted}; found {found}", file=name, remedy="Name the time and the keys")
    keys = tuple(keys) or tuple(key for key in ("symbol",) if key in table.column_names)
    times, findings = _times(table, name)
    findings += _later(times) + _future(times, asof) + _symbols(table)
    if time not in times:
        return Report(name, tuple(findings), (f"{table.num_rows:,} rows, no times",))
    codes, moments = _codes(table, keys), times[time]
    created = [times[claim] for claim in ("created", "known_at") if claim in times]
    findings += _repeated(codes, moments, created, time)
    order = np.lexsort((*created, moments, codes))
    numbers = {column: _numbers(table[column]) for column in table.column_names if column not in _NOT_FEATURES}
    series = Series(order, codes, {column: values for column, values in numbers.items() if values is not None})
    findings += _empty(series, max_empty_share)
    checked = f"{table.num_rows:,} rows, times {', '.join(times)}, {len(series.columns)} numeric columns"
    if findings:  # rows in doubt are compared with nothing
        return Report(name, tuple(findings), (checked,))
    leaks, compared = shifted(series)
    return Report(name, leaks, (checked, compared))


def _times(table: pa.Table, name: str) -> tuple[dict[str, Times], list[Finding]]:
    """Return every time column that can be read, datetime64[us] in UTC, and what is wrong with them."""
    ours = any(column in OURS for column in table.column_names)
    times: dict[str, Times] = {}
    findings: list[Finding] = []
    for column in table.column_names:
        kind = table.schema.field(column).type
        if column not in (*PLAIN.times, *OURS):
            continue
        is_session = PLAIN.times.get(column, False)
        if pa.types.is_timestamp(kind) and (found := _finer(table[column], column)):
            findings.append(found)
            continue
        try:
            parsed, faults = parse_times(table[column], is_session=is_session, file=name, name=column)
        except DataError as error:
            findings.append(Finding("time", column, error.row, f"holds {kind}", error.remedy))
            continue
        found = [_first(fault.column, fault.rows, fault.problem, fault.values, fault.remedy) for fault in faults]
        findings += [finding for finding in found if finding]
        if ours and not is_session and kind != _MICROSECONDS and not any(found):
            remedy = f"Save it as {_MICROSECONDS}; the online store reads no other"
            unit = "nanoseconds" if "ns" in str(kind) else "not whole microseconds in UTC"
            findings.append(Finding("time", column, 1, f"{unit}: holds {kind}", remedy))
        times[column] = parsed
    return times, findings


def _finer(column: pa.ChunkedArray, name: str) -> Finding | None:
    """Return the first time that is no whole number of microseconds, which a conversion would refuse or cut."""
    if column.type.unit != "ns":
        return None
    odd = pc.fill_null(column.cast(pa.int64()), 0).to_numpy() % 1_000 != 0
    values = column.to_numpy()
    return _first(name, odd, "nanoseconds: not a whole microsecond", values, "Round the times to microseconds")


def _first(column: str, rows: Bools, problem: str, values: npt.NDArray[Any], remedy: str) -> Finding | None:
    if not rows.any():
        return None
    row = int(np.argmax(rows))
    shown = f"{values[row]!r:.60}" if isinstance(values[row], str) else str(values[row])
    others = f" ({np.count_nonzero(rows):,} rows)" if np.count_nonzero(rows) > 1 else ""
    return Finding("data", column, row + 1, f"{problem}, was {shown}{others}", remedy)


def _later(times: dict[str, Times]) -> list[Finding]:
    """Return where something is known before it happened."""
    remedy = "A value counts from the moment its bar was complete, or later"
    pairs = [(known, event) for known, event in _LATER if known in times and event in times]
    found = [
        _first(known, times[known] < times[event], f"known before its {event}", times[known], remedy)
        for known, event in pairs
    ]
    return [finding for finding in found if finding]


def _future(times: dict[str, Times], asof: datetime) -> list[Finding]:
    now = np.datetime64(asof.astimezone(UTC).replace(tzinfo=None), "us")
    remedy = "Remove the rows that were not known by then, or give a later --asof"
    found = [
        _first(column, moments > now, f"future-dated: after {now} UTC", moments, remedy)
        for column, moments in times.items()
    ]
    return [finding for finding in found if finding]


def _symbols(table: pa.Table) -> list[Finding]:
    if "symbol" not in table.column_names:
        return []
    names = table["symbol"].cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    bad = np.array([SYMBOL.fullmatch(text) is None for text in names.dictionary.to_pylist()], dtype=np.bool_)
    values = table["symbol"].to_numpy(zero_copy_only=False)
    remedy = "Use A-Z, 0-9 and at most one '.' or '-', such as AAPL, BRK.B or BF-B"
    found = _first("symbol", bad[names.indices.to_numpy()], "the symbol is not allowed", values, remedy)
    return [found] if found else []


def _codes(table: pa.Table, keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return one number per combination of the keys."""
    codes = np.zeros(table.num_rows, dtype=np.int64)
    for key in keys:
        encoded = table[key].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = np.unique(codes * len(encoded.dictionary) + encoded.indices.to_numpy(), return_inverse=True)[1]
    return codes


def _repeated(codes: npt.NDArray[np.int64], moments: Times, known: Sequence[Times], time: str) -> list[Finding]:
    """Return the first row whose key, time and knowledge time stand in an earlier row; restated rows differ in it."""
    order = np.lexsort((*known, moments, codes))
    same = np.logical_and.reduce([values[order[1:]] == values[order[:-1]] for values in (codes, moments, *known)])
    rows = np.zeros(len(codes), dtype=np.bool_)
    rows[order[1:]] = same
    remedy = "Keep one row per key, time and knowledge time; --key names what tells rows apart"
    found = _first(time, rows, "duplicate key and time", moments, remedy)
    return [found] if found else []


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64] | None:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    return column.cast(pa.float64(), safe=False).to_numpy()


def _empty(series: Series, max_share: float) -> list[Finding]:
    """Return prices that are none, infinite values, and columns with too many gaps after their first value."""
    found: list[Finding | None] = []
    for column, values in series.columns.items():
        if column in OHLC:
            bad = ~(np.isfinite(values) & (values > 0))
            found.append(_first(column, bad, "a price must be a number > 0", values, "Correct or remove the row"))
            continue
        found.append(_first(column, np.isinf(values), "infinite", values, "Divide by no 0, and take no log of it"))
        gaps, num_due = series.gaps(values)
        if num_due == 0:
            found.append(Finding("data", column, 1, EMPTY, "Fill or remove the column"))
        elif gaps.sum() > max_share * num_due:
            problem = f"{gaps.sum() / num_due:.1%} empty after its first value (at most {max_share:.0%})"
            found.append(_first(column, gaps, problem, values, "Fill it from the past, or ask for less of it"))
    return [finding for finding in found if finding]
