"""The time column of a file: session dates without a clock, or instants with a time zone; nothing between."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
import re
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import DataError
from components.market.checks import Fault

Times = npt.NDArray[np.datetime64]

_DAY = re.compile(r"(?:19|20|21)\d\d-\d\d-\d\d", re.ASCII)
_CLOCK: Final = r"^[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_ZONE: Final = r"(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)$"
_UTC_US: Final = pa.timestamp("us", tz="UTC")

SESSION_REMEDY: Final = "A date column holds days such as 2024-01-02; call a column of instants timestamp"
NAIVE: Final = "the time has no time zone"
INSTANT_REMEDY: Final = "Write instants with their zone, such as 2024-01-02T14:30:00Z; call a column of days date"


def parse_times(column: pa.ChunkedArray, *, is_session: bool, file: str, name: str) -> tuple[Times, list[Fault]]:
    """Return the times, datetime64[us] in UTC, and the faulty rows, whose times mean nothing.

    Raises:
        DataError: If the column's type cannot hold such times at all.
    """
    remedy = SESSION_REMEDY if is_session else INSTANT_REMEDY
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _session_texts(column, name) if is_session else _instant_texts(column, name)
    if is_session and (pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)):
        times = _cast(column, file, name)
        clock = times != times.astype("datetime64[D]")
        dated = Fault(name, clock, "a date has no time of day", times, remedy, "bad_time")
        return times, [_empty(column, name, remedy), dated, _early(times, name)]
    if not is_session and pa.types.is_timestamp(kind):
        times = _cast(column, file, name)
        naive = np.full(len(times), kind.tz is None)
        faults = [_empty(column, name, remedy), Fault(name, naive, NAIVE, times, remedy, "bad_time", fatal=True)]
        return times, [*faults, _early(times, name)]
    raise DataError(f"holds {kind}", file=file, column=name, remedy=remedy)


def _numpy(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return column.to_numpy(zero_copy_only=False)


def _empty(column: pa.ChunkedArray, name: str, remedy: str) -> Fault:
    values = np.full(len(column), "", dtype=object)
    return Fault(name, _numpy(column.is_null()), "the time is empty", values, remedy, "bad_time")


def _early(times: Times, name: str) -> Fault:
    remedy = "Check the unit of the column: seconds read as microseconds look like this"
    return Fault(name, times < np.datetime64("1900-01-01"), "no market had bars then", times, remedy, "bad_time")


def _cast(column: pa.ChunkedArray, file: str, name: str) -> Times:
    try:
        return _numpy(column.cast(pa.timestamp("us")))
    except pa.ArrowInvalid as error:
        remedy = "Use times of this era, in whole microseconds"
        raise DataError(str(error)[:120], file=file, column=name, remedy=remedy) from None


def _is_day(text: str) -> bool:
    if _DAY.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _real_days(texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return where a text is a day of the calendar; each distinct one is looked at once."""
    encoded = texts.combine_chunks().dictionary_encode()
    real = np.array([_is_day(text) for text in encoded.dictionary.to_pylist()], dtype=np.bool_)
    return real[encoded.indices.to_numpy(zero_copy_only=False)] if len(real) else np.zeros(len(texts), np.bool_)


def _session_texts(column: pa.ChunkedArray, name: str) -> tuple[Times, list[Fault]]:
    texts = column.fill_null("")
    real = _real_days(texts)
    days = pc.if_else(pa.array(real), texts, "1970-01-01").cast(pa.date32())
    faults = [Fault(name, ~real, "not a day", _numpy(texts), SESSION_REMEDY, "bad_time")]
    return _numpy(days).astype("datetime64[us]"), faults


def _instant_texts(column: pa.ChunkedArray, name: str) -> tuple[Times, list[Fault]]:
    texts = column.fill_null("")
    real = _real_days(pc.utf8_slice_codeunits(texts, 0, 10))
    clocks = pc.utf8_slice_codeunits(texts, 10)
    zoned = real & _numpy(pc.match_substring_regex(clocks, _CLOCK + _ZONE))
    naive = real & _numpy(pc.match_substring_regex(clocks, _CLOCK + "$"))
    times = pc.if_else(pa.array(zoned), texts, "1970-01-01T00:00:00Z").cast(_UTC_US).cast(pa.timestamp("us"))
    values = _numpy(texts)
    return _numpy(times), [
        Fault(name, naive, NAIVE, values, INSTANT_REMEDY, "bad_time", fatal=True),
        Fault(name, ~zoned, "not an ISO 8601 time", values, INSTANT_REMEDY, "bad_time"),
    ]
