"""The bars table: what every reader gives and every later step takes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa

Interval = Literal["daily", "intraday"]

OHLC: Final = ("open", "high", "low", "close")
DAY_S: Final = 86_400
SESSION_KNOWN_AT: Final = np.timedelta64(22, "h")
"""After 00:00 UTC of the session date: every US session has closed by then, in winter and in summer."""

SCHEMA: Final = pa.schema(
    [
        ("symbol", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("known_at", pa.timestamp("us", tz="UTC")),
        *((name, pa.float64()) for name in (*OHLC, "volume", "adj_close")),
    ]
)
"""One row per symbol and bar, sorted by symbol and timestamp; ``timestamp`` is the start of the bar."""


@dataclass(frozen=True)
class Input:
    """One file that bars were read from."""

    name: str
    """Its path or address."""
    layout: str
    """The declared layout that it has."""
    rows: int
    """Rows below its header, chosen or not."""
    num_bytes: int = 0
    sha256: str = ""
    """Of its bytes; empty where there is no file."""
    note: str = ""
    """What a person should know about it; empty where nothing is odd."""


@dataclass(frozen=True)
class Bars:
    """A checked bars table and how far apart its bars are."""

    table: pa.Table
    interval: Interval
    bar_seconds: int
    """Seconds that a bar covers: a day, or the median spacing of intraday bars."""
    inputs: tuple[Input, ...] = ()
    """Where they were read from."""


def completion(interval: Interval, bar_seconds: int) -> np.timedelta64:
    """Return how long after its ``timestamp`` a bar is complete, and so can be known."""
    return SESSION_KNOWN_AT if interval == "daily" else np.timedelta64(bar_seconds, "s")
