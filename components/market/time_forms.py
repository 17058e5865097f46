"""Times that are not ISO 8601, turned into such: days with slashes, and Unix milliseconds or microseconds.

03/04/2024 is a day in March or in April. One row with a number above 12 settles it for its file;
where none does, the file is refused until somebody says which it is.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
import re
from typing import Final, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import DataError
from components.market.checks import Fault

TimeForm = Literal["iso", "day", "slashed", "month-first", "day-first", "epoch"]
"""``slashed`` is settled to ``month-first`` or ``day-first`` by the rows; ``day`` is a day without a clock."""

_FIRST: Final[tuple[tuple[TimeForm, re.Pattern[str]], ...]] = (
    ("day", re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    ("slashed", re.compile(r"\d{1,2}/\d{1,2}/\d{4}", re.ASCII)),
    ("epoch", re.compile(r"\d{12,13}|\d{15,16}", re.ASCII)),
)
_SLASHED: Final = r"^(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<year>\d{4})$"
_MOST_MONTHS: Final = 12
MILLISECONDS: Final = (631_152_000_000, 4_102_444_800_000)
"""1990 to 2100 in Unix milliseconds; a thousand times that in microseconds: the two never overlap."""


def form_of(text: str) -> TimeForm:
    """Return the form that one text has; what has none is ``iso``, to be refused there."""
    for form, pattern in _FIRST:
        if pattern.fullmatch(text.strip()):
            return form
    return "iso"


def slashed_days(
    column: pa.ChunkedArray, *, form: TimeForm, file: str, name: str
) -> tuple[pa.ChunkedArray, Literal["month-first", "day-first"]]:
    """Return the days as ISO texts and the order that holds; texts of another form stay as they are.

    ``form`` is ``slashed`` where the rows have to settle the order, else the order itself.

    Raises:
        DataError: If the rows leave both orders open, or contradict each other or the order asked for.
    """
    texts = column.cast(pa.string()).fill_null("").combine_chunks()
    parts = pc.extract_regex(texts, pattern=_SLASHED)
    found = parts.is_valid()
    numbers = {key: _whole(pc.struct_field(parts, key)) for key in ("a", "b", "year")}
    above = {key: numbers[key] > _MOST_MONTHS for key in ("a", "b")}
    order = _order(form, above, file, name, texts)
    month, day = ("a", "b") if order == "month-first" else ("b", "a")
    iso = pc.binary_join_element_wise(pc.struct_field(parts, "year"), _padded(parts, month), _padded(parts, day), "-")
    return pa.chunked_array([pc.if_else(found, iso, texts)]), order


def _whole(texts: pa.Array) -> npt.NDArray[np.int64]:
    return pc.fill_null(texts, "0").cast(pa.int64()).to_numpy(zero_copy_only=False)


def _padded(parts: pa.Array, key: str) -> pa.Array:
    return pc.utf8_lpad(pc.struct_field(parts, key), 2, padding="0")


def _order(
    form: TimeForm, above: dict[str, npt.NDArray[np.bool_]], file: str, name: str, texts: pa.Array
) -> Literal["month-first", "day-first"]:
    if form == "slashed":
        proofs = {"month-first": above["b"], "day-first": above["a"]}
        settled = [order for order, rows in proofs.items() if rows.any()]
        if not settled:
            raise DataError(
                "every day could be MM/DD or DD/MM: no number is above 12",
                file=file,
                column=name,
                remedy="Name the one meant with --layout us-dates or --layout day-first-dates",
            )
        form = cast("TimeForm", settled[0] if len(settled) == 1 else _first_seen(proofs))
    order: Literal["month-first", "day-first"] = "day-first" if form == "day-first" else "month-first"
    against = above["a"] if order == "month-first" else above["b"]
    if against.any():
        row = int(np.argmax(against))
        raise DataError(
            f"{texts[row].as_py()!r} has no month, read {order} as the rows before it or --layout say",
            file=file,
            row=row + 1,
            column=name,
            remedy="Write all days of a file in one order",
        )
    return order


def _first_seen(proofs: dict[str, npt.NDArray[np.bool_]]) -> str:
    return min(proofs, key=lambda order: int(np.argmax(proofs[order])))


def epochs(column: pa.ChunkedArray, *, name: str) -> tuple[pa.ChunkedArray, Fault]:
    """Return the instants, microseconds in UTC, and the rows that are none: those hold 1970.

    A number's size tells its unit, row by row: from 1990 to 2100 the two ranges are apart.
    """
    texts = column.cast(pa.string()).fill_null("")
    digits = pc.match_substring_regex(texts, r"^\d{12,16}$")
    values = pc.if_else(digits, texts, "0").cast(pa.int64()).to_numpy()
    low, high = MILLISECONDS
    milliseconds = (values >= low) & (values < high)
    microseconds = (values >= low * 1000) & (values < high * 1000)
    instants = np.where(milliseconds, values * 1000, np.where(microseconds, values, 0))
    bad = ~(milliseconds | microseconds)
    remedy = "Give Unix milliseconds or microseconds between 1990 and 2100, such as 1704067200000"
    fault = Fault(name, bad, "not a Unix time", texts.to_numpy(zero_copy_only=False), remedy, "bad_time")
    return pa.chunked_array([pa.array(instants, pa.timestamp("us", tz="UTC"))]), fault
