"""The tables behind the feature views: one row per symbol and bar, warm-up rows hold NaN."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.market.adjust import Candles, forward_adjusted
from components.market.bars import Interval
from components.market.benchmark import benchmark_at, market_index
from components.market.characteristics import characteristics
from components.market.columns import CHARACTERISTICS, FORECASTS, MACD, OWN, PRICES, RETURNS, SPECTRAL, TECHNICAL
from components.market.correlation import correlation
from components.market.forecasts import forecasts
from components.market.fractal import fractal_dimension
from components.market.own import own_features
from components.market.panel import bars_first
from components.market.returns import strength_columns
from components.market.spectral import fourier, wavelet
from components.market.views import CHARACTERISTICS_VIEW, FORECASTS_VIEW, RETURNS_VIEW, SPECTRAL_VIEW, TECHNICAL_VIEW

Array = npt.NDArray[np.float64]

BENCHMARK: Final = "SPY"
AVERAGE: Final = "equal-weighted average of the symbols"


@dataclass(frozen=True)
class BarPanel:
    """The bars of a snapshot as symbols x bars, each symbol from bar 0, padded with NaN."""

    keys: pa.Table
    """symbol, timestamp, event_timestamp and created of each row of the snapshot."""
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    """The place in the panel of each row of the snapshot."""
    candles: Candles
    """Forward-adjusted."""
    own: Array
    """[symbol, column, bar]: the columns ``OWN``."""
    benchmark: Array
    """[symbol, bar]: the benchmark's adjusted close as of each bar."""
    benchmark_name: str


Tables = Callable[[BarPanel, Interval], Iterable[tuple[str, pa.Table]]]
"""What makes the rows of each view that the bars of an interval have features for, such as ``feature_tables``."""


def bar_panel(bars: pa.Table) -> BarPanel:
    """Return the panel of ``bars``; a row counts from ``event_timestamp``, the moment its bar was complete.

    The benchmark is SPY if that is among the symbols, else the equal-weighted average of them all.
    """
    names: Any = bars["symbol"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    lengths = np.diff(np.append(starts, len(names)))
    row, column = np.repeat(np.arange(len(starts)), lengths), np.concatenate([np.arange(size) for size in lengths])

    def panel(name: str) -> Array:
        values = np.full((len(starts), int(lengths.max())), np.nan)
        values[row, column] = bars[name].to_numpy()
        return values

    adjusted = forward_adjusted(Candles(*(panel(name) for name in PRICES)), panel("adj_close"))
    known_at: npt.NDArray[np.datetime64] = np.full(adjusted.close.shape, np.datetime64("NaT"), dtype="datetime64[us]")
    known_at[row, column] = bars["known_at"].to_numpy()
    fund = np.flatnonzero(names[starts] == BENCHMARK)
    if len(fund):
        length = int(lengths[fund[0]])
        times, level = known_at[fund[0], :length], adjusted.close[fund[0], :length]
    else:
        times, level = market_index(adjusted.close, known_at)
    keys = {"symbol": "symbol", "timestamp": "timestamp", "event_timestamp": "known_at", "created": "known_at"}
    return BarPanel(
        keys=pa.table({name: bars[source] for name, source in keys.items()}),
        row=row,
        column=column,
        candles=adjusted,
        own=own_features(adjusted.high, adjusted.low, adjusted.close),
        benchmark=benchmark_at(times, level, known_at),
        benchmark_name=BENCHMARK if len(fund) else AVERAGE,
    )


def technical_table(panel: BarPanel) -> pa.Table:
    """Return the rows of ``technical_v1``: prices, indicators and MACD."""
    return bar_table(panel, {**dict(zip(PRICES, panel.candles, strict=True)), **_own(panel, (*TECHNICAL, *MACD))})


def returns_table(panel: BarPanel) -> pa.Table:
    """Return the rows of ``returns_v1``; the bars must be daily."""
    strength = [values.T for values in strength_columns(*bars_first(panel.candles.close, panel.benchmark))]
    return bar_table(panel, {**_own(panel, RETURNS), **dict(zip(RETURNS[-len(strength) :], strength, strict=True))})


def _own(panel: BarPanel, names: tuple[str, ...]) -> dict[str, Array]:
    return {name: panel.own[:, place] for place, name in enumerate(OWN) if name in names}


def characteristics_table(panel: BarPanel) -> pa.Table:
    """Return the rows of ``characteristics_v1``; the bars must be daily."""
    values = characteristics(panel.candles.close, panel.candles.volume, panel.benchmark)
    return bar_table(panel, dict(zip(CHARACTERISTICS, np.moveaxis(values, -1, 0), strict=True)))


def forecasts_table(panel: BarPanel) -> pa.Table:
    """Return the rows of ``forecasts_v1``; the bars must be daily."""
    return bar_table(panel, dict(zip(FORECASTS, np.moveaxis(forecasts(panel.candles.close), -1, 0), strict=True)))


def spectral_table(panel: BarPanel) -> pa.Table:
    """Return the rows of ``spectral_v1``: wavelet, Fourier, fractal dimension and correlation."""
    close = panel.candles.close
    single = [fractal_dimension(close), correlation(close, panel.benchmark)]
    values = [*np.moveaxis(wavelet(close), -1, 0), *np.moveaxis(fourier(close), -1, 0), *single]
    return bar_table(panel, dict(zip(SPECTRAL, values, strict=True)))


def feature_tables(panel: BarPanel, interval: Interval) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name of each view that the bars have features for, and its rows.

    The columns of ``returns_v1``, ``characteristics_v1`` and ``forecasts_v1`` are named and scaled in days: of
    intraday bars there are none.
    """
    yield TECHNICAL_VIEW, technical_table(panel)
    yield SPECTRAL_VIEW, spectral_table(panel)
    if interval == "daily":
        yield RETURNS_VIEW, returns_table(panel)
        yield CHARACTERISTICS_VIEW, characteristics_table(panel)
        yield FORECASTS_VIEW, forecasts_table(panel)


def bar_table(panel: BarPanel, columns: Mapping[str, Array]) -> pa.Table:
    """Return the keys of the bars and columns [symbol, bar] beside them."""
    table = panel.keys
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values[panel.row, panel.column]))
    return table
