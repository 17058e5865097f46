"""The quality gate over real daily bars: ``assess``, against pandera with its polars backend, lazily.

Ours asks all its rules and scores every symbol; pandera asks those that are one polars expression a row: ``broken``
lists them. Both start from parsed rows, in memory. What bars have in common (the bar before, the returns) pandera's
side computes once, and symbols are dictionary codes. Counts are compared rule by rule, on a copy with planted
faults and on the file itself.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import measure

# isort: split
import numpy as np
import pandera.polars as pa
import polars as pl

from components.core.files import SYMBOL
from components.market import rules
from components.market.calendars import calendar
from components.market.checks import OUTSIDE_TOLERANCE, Rows
from components.market.quality import Assessment, assess
from components.market.readers import read_rows

ROUNDS = 7
ASOF = datetime(2027, 1, 1, tzinfo=UTC)
PRICES = ("open", "high", "low", "close", "adj_close")
PLANTED = ("bad_price", "bad_volume", "high_below_low", "outside_range", "duplicate", "zero_volume", "flat_bar")
"""Rules broken on purpose: those that look at one row, or at two with the same key."""


def frame_of(rows: Rows) -> pl.DataFrame:
    """Return the rows of a file as pandera's user holds them: symbols as codes of a dictionary."""
    names = pl.Series("symbol", rows.names, dtype=pl.Categorical)
    frame = pl.DataFrame({"date": rows.timestamp, **rows.numbers, **rows.events})
    return frame.insert_column(0, names.gather(rows.symbol))


def with_moves(frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame``, sorted by symbol and date, with what several checks need of the bars around each."""
    here = pl.col("symbol") == pl.col("symbol").shift()
    split = pl.when(pl.col("split_factor").is_finite() & (pl.col("split_factor") != 0)).then("split_factor")
    paid = pl.when(pl.col("dividend").is_finite() & (pl.col("dividend") != 0)).then("dividend")
    before = {name: pl.when(here).then(pl.col(name).shift()) for name in ("close", "adj_close")}
    first = frame.lazy().with_columns(
        first=~here.fill_null(value=False),
        last=(pl.col("symbol") != pl.col("symbol").shift(-1)).fill_null(value=True),
        before=before["close"],
        split=split.otherwise(1.0),
        paid=paid.otherwise(0.0),
        adjusted=pl.col("adj_close") / before["adj_close"],
    )
    second = first.with_columns(
        raw=pl.col("close") / pl.col("before") - 1,
        expected=pl.col("close") * pl.col("split") / (pl.col("before") - pl.col("paid")),
        leap=pl.col("adjusted").log(),
    )
    return second.with_columns(off=(pl.col("adjusted") / pl.col("expected") - 1).abs()).collect()


def _faults() -> dict[str, pl.Expr]:
    """Return, per rule, where one row is at fault by itself."""
    col, tolerance = pl.col, OUTSIDE_TOLERANCE
    crossed = col("high") < col("low")
    top, bottom = col("high") * (1 + tolerance), col("low") * (1 - tolerance)
    ends = [col(name).fill_nan(None) for name in ("open", "close")]  # in polars NaN is larger than any number
    outside = pl.any_horizontal(*((value > top) | (value < bottom) for value in ends))
    unit = pl.max_horizontal(col("split"), 1 / col("split"))
    halves = (unit - (unit * 2).round() / 2).abs()
    return {
        "bad_symbol": ~col("symbol").cast(pl.String).str.contains(f"^(?:{SYMBOL.pattern})$"),
        "bad_time": col("date").is_null(),
        "future": col("date") > ASOF.replace(tzinfo=None),
        "bad_price": ~pl.all_horizontal(*(col(name).is_finite() & (col(name) > 0) for name in PRICES)),
        "bad_volume": ~(col("volume").is_finite() & (col("volume") >= 0)),
        "high_below_low": crossed,
        "outside_range": outside & ~crossed,
        "duplicate": ~pl.struct("symbol", "date").is_first_distinct(),
        "zero_volume": col("volume") == 0,
        "flat_bar": pl.all_horizontal(*(col(name) == col("close") for name in ("open", "high", "low"))),
        "rounded_split": (col("split") != 1) & (halves > 1e-9) & (halves < 1e-4),  # noqa: PLR2004
    }


def _odd_series(sessions: pl.Series) -> dict[str, pl.Expr]:
    """Return, per rule, where a row is odd beside others of its symbol."""
    col = pl.col
    big = (col("raw")).abs() > rules.LARGE_DAILY_MOVE
    adjusted_big = (col("adjusted") - 1).abs() > rules.LARGE_DAILY_MOVE
    booked = col("split") != 1
    explained = big & ~booked & ~adjusted_big & (col("paid") > 0)
    reinvested = col("split") * (col("close") + col("paid")) / col("before")
    wrong = pl.min_horizontal(col("expected").log().abs(), reinvested.log().abs()) > 0.3  # noqa: PLR2004
    size = col("leap").abs()
    back = (col("leap") + pl.when(~col("last")).then(col("leap").shift(-1))).abs() < 0.15 * size
    calm = (col("high") / col("low")).log() < 0.25 * size
    bar = ("open", "high", "low", "close")
    run = pl.any_horizontal(col("first"), *(col(name) != col(name).shift() for name in bar)).cum_sum()
    length = pl.int_range(pl.len()).max().over("symbol") - pl.int_range(pl.len()).min().over("symbol") + 1
    return {
        "off_calendar": ~col("date").is_in(sessions),
        "ends_early": col("last") & (col("date") < col("date").max()),
        "starts_late": col("first") & (col("date") > col("date").min()),
        "short_history": col("first") & (length < rules.MIN_BARS),
        "large_move": adjusted_big | (big & ~booked & ~explained),
        "move_on_split": big & booked,
        "move_on_dividend": explained,
        "adjustment_gap": (col("off") > rules.ADJUSTMENT_GAP) & (col("off") <= rules.ADJUSTMENT_BREAK),
        "adjustment_break": col("off") > rules.ADJUSTMENT_BREAK,
        "wrong_split": booked & wrong,
        "bad_tick": (size > 0.2) & back & calm,  # noqa: PLR2004
        "stale_run": pl.len().over(run) >= rules.STALE_BARS,
    }


def schema(broken: Mapping[str, pl.Expr]) -> pa.DataFrameSchema:
    """Return pandera's schema: one check per rule; an answer that is null counts as sound."""
    checks = [
        pa.Check(lambda data, fault=fault: data.lazyframe.select((~fault).fill_null(value=True)), name=name)
        for name, fault in broken.items()
    ]
    return pa.DataFrameSchema(checks=checks)


def counted(declared: pa.DataFrameSchema, frame: pl.DataFrame) -> dict[str, int]:
    """Return how many rows break each rule of the schema, as pandera's lazy validation reports them."""
    try:
        declared.validate(with_moves(frame), lazy=True)
    except pa.errors.SchemaErrors as errors:
        return dict(errors.failure_cases.group_by("check").len().iter_rows())
    return {}


def spoilt(rows: Rows, rng: np.random.Generator) -> Rows:
    """Return a copy with planted faults; every kind hits rows of its own."""
    numbers = {name: values.copy() for name, values in rows.numbers.items()}
    picked = np.sort(rng.choice(len(rows.symbol), 7000, replace=False)).reshape(1000, 7).T
    empty, negative, lost, crossed, outside, still, flat = picked
    numbers["close"][empty], numbers["adj_close"][negative], numbers["volume"][lost] = np.nan, -1.0, -1.0
    numbers["high"][crossed] = numbers["low"][crossed] * 0.5
    numbers["open"][outside], numbers["volume"][still] = numbers["high"][outside] * 1.5, 0.0
    for name in ("open", "high", "low"):
        numbers[name][flat] = numbers["close"][flat]
    order = np.sort(np.concatenate([np.arange(len(rows.symbol)), rng.choice(len(rows.symbol), 500, replace=False)]))
    return replace(
        rows,
        number=rows.number[order],
        symbol=rows.symbol[order],
        timestamp=rows.timestamp[order],
        numbers={name: values[order] for name, values in numbers.items()},
        events={name: values[order] for name, values in rows.events.items()},
        faults=[],
    )


def compare(found: Assessment, declared: pa.DataFrameSchema, frame: pl.DataFrame, names: tuple[str, ...]) -> None:
    """Stop unless both sides count the same for every rule of ``names``, and print the counts."""
    theirs = counted(declared, frame)
    for name in names:
        assert found.count(name) == theirs.get(name, 0), (name, found.count(name), theirs.get(name, 0))
    print(", ".join(f"{name} {theirs[name]}" for name in names if name in theirs))


def main(path: str) -> None:
    """Measure and print."""
    (rows,) = read_rows(path)
    found = assess([rows], asof=ASOF)
    sessions = pl.Series(calendar(found.calendar, rows.timestamp.astype("datetime64[D]")).days).cast(pl.Datetime("us"))
    broken = {**_faults(), **_odd_series(sessions)}
    declared, frame = schema(broken), frame_of(rows)
    print(f"{len(broken)} of {len(rules.RULES)} rules, equal counts: ", end="")
    compare(found, declared, frame, tuple(broken))
    faulty = spoilt(rows, np.random.default_rng(0))
    print("with planted faults, equal counts: ", end="")
    compare(assess([faulty], asof=ASOF), declared, frame_of(faulty), PLANTED)
    ours, peer = f"assess, {len(rules.RULES)} rules", f"pandera on polars, {len(broken)} rules"
    results = measure.measure(
        {
            ours: measure.Contender(lambda: assess([rows], asof=ASOF), len(rows.symbol)),
            peer: measure.Contender(lambda: counted(declared, frame), len(rows.symbol)),
        },
        rounds=ROUNDS,
    )
    measure.show(f"Quality gate: {len(rows.symbol)} rows", results, against={ours: peer})


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        raise SystemExit("usage: quality_gate.py FILE.parquet")
    main(sys.argv[1])
