"""The prices of a table of any columns as the rows that the quality gate and the comparison of sources read."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from typing import Final

import numpy as np
import pyarrow as pa

from components.core.errors import DataError
from components.market.bars import OHLC, Input
from components.market.checks import Rows
from components.market.layout import EVENT_SPELLINGS, PLAIN
from components.market.times import parse_times

_NUMBERS: Final = (*OHLC, "volume", "adj_close")


def price_rows(table: pa.Table, *, file: str) -> Rows:
    """Return the rows of a table with symbol, a time and close; the range of a bar is its close where there is none.

    Raises:
        DataError: If a column is missing or is of a type that cannot hold what its name says.
    """
    time = next((name for name in PLAIN.times if name in table.column_names), "date")
    if missing := [name for name in ("symbol", time, "close") if name not in table.column_names]:
        raise DataError(f"no column {', '.join(missing)}", file=file, remedy="Closes have symbol, date and close")
    is_session = PLAIN.times[time]
    timestamp, faults = parse_times(table[time], is_session=is_session, file=file, name=time)
    names = table["symbol"].cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    numbers = {name: numbers_of(table, name, file=file) for name in _NUMBERS if name in table.column_names}
    spelt = {ours: [name for name in table.column_names if name in known] for ours, known in EVENT_SPELLINGS.items()}
    return Rows(
        file=file,
        number=np.arange(1, table.num_rows + 1),
        names=tuple(names.dictionary.to_pylist()),
        symbol=names.indices.to_numpy().astype(np.int64),
        timestamp=timestamp,
        time_column=time,
        is_session=is_session,
        numbers=dict.fromkeys(OHLC, numbers["close"]) | numbers,
        faults=faults,
        source=Input(file, "plain", table.num_rows),
        events={ours: numbers_of(table, found[0], file=file) for ours, found in spelt.items() if found},
    )


def numbers_of(table: pa.Table, name: str, *, file: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a column as float64, NaN where it is empty.

    Raises:
        DataError: If it does not hold numbers.
    """
    kind = table[name].type
    if not is_numeric(kind):
        raise DataError(f"holds {kind}, not numbers", file=file, column=name, remedy="Save it as float64")
    return table[name].cast(pa.float64(), safe=False).to_numpy()


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers; one of nulls alone holds none, and no text either."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(test(kind) for test in tests)
