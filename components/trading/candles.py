"""The bars that an account trades on, refused where one is missing or cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from components.core.errors import DataError
from components.trading.statistics import Array

Times = npt.NDArray[np.datetime64]

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Candles:
    """Bars of symbols that trade at the same times, each price [symbol, bar]; a halt is a NaN, and is refused."""

    symbols: tuple[str, ...]
    timestamp: Times
    """[bar]: starts of the bars, ascending, UTC."""
    open: Array
    high: Array
    low: Array
    close: Array

    def only(self, symbols: Sequence[int]) -> Self:
        """Return the bars of these symbols, by their places."""
        prices = {name: getattr(self, name)[list(symbols)] for name in _PRICES}
        return replace(self, symbols=tuple(self.symbols[place] for place in symbols), **prices)

    def check(self) -> None:
        """Refuse bars that no account can trade on.

        Raises:
            DataError: If a price is missing, not above 0 or outside its bar's range, or the times do not ascend.
            ValueError: If the arrays are not all [symbol, bar] of these symbols and times.
        """
        shape = (len(self.symbols), self.timestamp.size)
        shapes = [getattr(self, name).shape for name in _PRICES]
        if set(shapes) != {shape}:
            raise ValueError(f"want four arrays [symbol, bar] of {shape}, got {shapes}")
        back = np.flatnonzero(~(np.diff(self.timestamp) > np.timedelta64(0, "us")))
        if back.size:
            raise DataError(
                f"{self.timestamp[back[0] + 1]} does not come after {self.timestamp[back[0]]}",
                file="bars", row=int(back[0]) + 2, column="timestamp", remedy="Sort the bars and drop repeats",
            )  # fmt: skip
        # Asked so that a NaN is not sound either.
        asked = (
            self.low > 0, self.low <= self.open, self.low <= self.close,
            self.high >= self.open, self.high >= self.close, self.high < np.inf,
        )  # fmt: skip
        if not all(sound.all() for sound in asked):
            sound = np.logical_and.reduce(asked)
            symbol, bar = (int(place) for place in np.argwhere(~sound)[0])
            said = ", ".join(f"{name} {getattr(self, name)[symbol, bar]:g}" for name in _PRICES)
            raise DataError(
                f"{said} is no bar that traded at {self.timestamp[bar]}",
                file=self.symbols[symbol], row=bar + 1, remedy="Repair the bar, or cut the history at the halt",
            )  # fmt: skip


def check_signal(signal: Array, candles: Candles) -> None:
    """Refuse signals [symbol, bar] that are no share of the limit.

    Raises:
        DataError: If one is missing or outside [-1, 1].
        ValueError: If their shape is not that of the bars.
    """
    if signal.shape != candles.close.shape:
        raise ValueError(f"signals {signal.shape} do not fit the bars {candles.close.shape}")
    broken = ~(np.abs(signal) <= 1)
    if broken.any():
        symbol, bar = (int(place) for place in np.argwhere(broken)[0])
        raise DataError(
            f"signal {signal[symbol, bar]} at {candles.timestamp[bar]} is not in [-1, 1]",
            file=candles.symbols[symbol], row=bar + 1, column="signal", remedy="Give 0 where nothing is known",
        )  # fmt: skip
