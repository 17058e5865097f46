"""The reference engine: one account, one bar at a time, in plain Python. ``grid.py`` must agree with it.

At an open, the order that the close ``delay_bars`` before it decided on is filled; a position is sized when
its signal changes and keeps its *shares* until the next change. Then its stop and its target are looked for
inside the bar. A bar that opens beyond one of them fills there, at the open; one that reaches both inside
counts as a loss: the stop first. Who was stopped out stays out until the signal has left that side. Whatever
is held at the last close is sold there.

Every fill pays ``commission`` on the value traded at the quoted price, and ``slippage`` of it by a worse
price. Stakes are shares of the initial capital, so turnover does not depend on costs and profit falls by
exactly turnover times any added cost, as in ``backtest.py``. Nothing is lent: margin calls and the price of
borrowed shares are not modelled, and an account may fall below zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from components.trading.candles import Candles, Times, check_signal
from components.trading.performance import figures
from components.trading.settings import TradingConfig
from components.trading.statistics import Array

Reason = Literal["signal", "stop_loss", "take_profit", "end"]


@dataclass(frozen=True)
class Trade:
    """Shares that were bought and sold again, or sold short and bought back; selling a part is a trade of its own."""

    symbol: str
    entry_time: np.datetime64
    """Start of the bar in which the position was opened."""
    exit_time: np.datetime64
    entry_price: float
    """Paid per share, slippage included; the mean over what was bought."""
    exit_price: float
    """Got per share, slippage included."""
    quantity: float
    """Shares; negative if they were sold short."""
    fees: float
    """Commission of entry and exit."""
    reason: Reason
    """Why it ended: the signal, its stop, its target, or the end of the bars."""

    @property
    def pnl(self) -> float:
        """Return the money gained, after all costs."""
        return self.quantity * (self.exit_price - self.entry_price) - self.fees


@dataclass(frozen=True)
class Account:
    """What an account did, one row per bar; money in the unit of ``capital``."""

    timestamp: Times
    capital: float
    cash: Array
    """At the close; what was got for shares sold short is in it."""
    equity: Array
    """Cash and holdings, marked at the close."""
    turnover: Array
    """Value bought and sold in the bar, at quoted prices."""
    exposure: Array
    """Value held at the close, long and short added up."""
    cost: float
    """Paid per unit of turnover."""
    trades: tuple[Trade, ...]
    """The ledger, by time of exit, then symbol."""

    @property
    def net(self) -> Array:
        """Return the gain of each bar as a fraction of the capital, after costs."""
        result: Array = np.diff(self.equity, prepend=self.capital) / self.capital
        return result

    def summary(self, *, bars_per_year: float) -> dict[str, float]:
        """Return the figures of ``performance.figures``."""
        num_trades, num_wins = len(self.trades), sum(item.pnl > 0 for item in self.trades)
        return figures(
            self.net,
            turnover=float(self.turnover.sum()) / self.capital,
            cost=self.cost,
            exposure=self.exposure / self.capital,
            num_trades=num_trades,
            win_rate=num_wins / num_trades if num_trades else float("nan"),
            bars_per_year=bars_per_year,
        )


@dataclass
class _Slot:
    """One symbol's position and what it did so far."""

    config: TradingConfig
    symbol: str
    cash: float = 0.0
    """Gained and spent so far."""
    quantity: float = 0.0
    entry_price: float = 0.0
    entry_fees: float = 0.0
    entry_time: np.datetime64 = field(default_factory=lambda: np.datetime64("NaT"))
    standing: float = 0.0
    """The signal that the position was last sized for."""
    stopped: int = 0
    """Side on which it was stopped out, 1 or -1; 0 if it is free to enter."""
    turnover: float = 0.0
    trades: list[Trade] = field(default_factory=list[Trade])

    def fill(self, change: float, quoted: float, time: np.datetime64, reason: Reason) -> None:
        """Buy ``change`` shares, or sell them if it is negative; never from one side to the other at once."""
        value = abs(change) * quoted
        price = quoted * (1 + self.config.slippage * np.sign(change))
        fee = self.config.commission * value
        self.turnover += value
        self.cash -= change * price + fee
        held = self.quantity
        if held * change >= 0:
            self.entry_time = time if held == 0 else self.entry_time
            self.entry_price = (held * self.entry_price + change * price) / (held + change) if held else price
            self.entry_fees += fee
            self.quantity = held + change
            return
        share = -change / held
        fees = fee + share * self.entry_fees
        self.trades.append(Trade(self.symbol, self.entry_time, time, self.entry_price, price, -change, fees, reason))
        self.entry_fees *= 1 - share
        self.quantity = 0.0 if change == -held else held + change

    def order(self, signal: float, quoted: float, time: np.datetime64) -> None:
        """Fill what the signal asks for, at the open."""
        side = int(np.sign(signal))
        if self.quantity and side != np.sign(self.quantity):
            self.fill(-self.quantity, quoted, time, "signal")
        if side != self.stopped:
            self.stopped = 0
        if signal != self.standing and side and not self.stopped:
            change = signal * self.config.stake / quoted - self.quantity
            if change:
                self.fill(change, quoted, time, "signal")
        self.standing = signal

    def guard(self, at_open: float, best: float, worst: float, time: np.datetime64) -> None:
        """Leave at the stop or the target if the bar reached one; ``best`` and ``worst`` are its ends for this side."""
        side = int(np.sign(self.quantity))
        stop_loss, take_profit = self.config.stop_loss, self.config.take_profit
        stop = self.entry_price * (1 - side * stop_loss) if stop_loss is not None else -side * np.inf
        target = self.entry_price * (1 + side * take_profit) if take_profit is not None else side * np.inf
        reached: tuple[float, Reason] | None = None
        if side * at_open <= side * stop:
            reached = at_open, "stop_loss"
        elif side * at_open >= side * target:
            reached = at_open, "take_profit"
        elif side * worst <= side * stop:
            reached = stop, "stop_loss"
        elif side * best >= side * target:
            reached = target, "take_profit"
        if reached:
            self.fill(-self.quantity, reached[0], time, reached[1])
            self.stopped = side


def trade(candles: Candles, signal: Array, config: TradingConfig) -> Account:
    """Return the account after trading ``signal`` [symbol, bar], in [-1, 1] of ``max_position`` of the capital.

    ``signal[:, t]`` is decided at the close of t. Each symbol has stakes of its own; the cash is shared.

    Raises:
        DataError: If a bar or a signal cannot be traded on.
        ValueError: If the shapes do not fit.
    """
    candles.check()
    check_signal(signal, candles)
    slots = [_Slot(config, symbol) for symbol in candles.symbols]
    cash, turnover, long_value, gross_value = (np.zeros(candles.timestamp.size) for _ in range(4))
    for t, time in enumerate(candles.timestamp):
        for place, slot in enumerate(slots):
            opened, high, low, close = (
                float(values[place, t]) for values in (candles.open, candles.high, candles.low, candles.close)
            )
            if t >= config.delay_bars:
                slot.order(float(signal[place, t - config.delay_bars]), opened, time)
            if slot.quantity:
                slot.guard(opened, *((high, low) if slot.quantity > 0 else (low, high)), time)
            if t == candles.timestamp.size - 1 and slot.quantity:
                slot.fill(-slot.quantity, close, time, "end")
            turnover[t] += slot.turnover
            cash[t] += slot.cash
            long_value[t] += slot.quantity * close
            gross_value[t] += abs(slot.quantity) * close
    return Account(
        timestamp=candles.timestamp,
        capital=config.capital,
        cash=config.capital + cash,
        equity=config.capital + cash + long_value,
        turnover=np.diff(turnover, prepend=0.0),
        exposure=gross_value,
        cost=config.cost,
        trades=_ledger(slots),
    )


def _ledger(slots: Iterable[_Slot]) -> tuple[Trade, ...]:
    ended = (item for slot in slots for item in slot.trades)
    return tuple(sorted(ended, key=lambda item: (item.exit_time, item.symbol)))
