"""A paper account: the backtest's rule traded one bar at a time, with a ledger that survives a kill.

Paper only: there is no broker behind it. After a bar's close ``decide`` says which symbols to own;
at the next open ``fill`` buys a fixed stake of each new one and sells the others, at the open price
plus costs. Replaying a zone gives the equity of ``components/trading/backtest.py``.
"""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from components.core.config import Config
from components.core.errors import ArtifactError, RecipeError
from components.core.files import read_json, write_json
from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.backtest import panel
from components.trading.statistics import Array


class PaperAccount(Config):
    """Cash and shares after everything that happened so far; each event returns the next account."""

    symbols: tuple[str, ...]
    """What may be traded; each has one slot of ``capital / len(symbols)``."""
    capital: Annotated[float, Field(gt=0)]
    """Money at the start."""
    costs: CostConfig
    """Charged on every fill."""
    cash: float
    """Money left; it may fall below zero by the costs when every slot is invested."""
    shares: dict[str, float] = Field(default_factory=dict)
    """Quantity owned, by symbol."""
    prices: dict[str, float] = Field(default_factory=dict)
    """Last open seen, by symbol; it marks a holding whose symbol has no open today."""
    wanted: tuple[str, ...] = ()
    """Symbols to own from the next open on."""
    decided_at: str = ""
    """Start of the last bar decided on, ISO 8601 in UTC; empty before the first."""
    fees: float = 0.0
    """Costs paid so far."""
    num_fills: int = 0
    """Orders filled so far."""

    @classmethod
    def start(cls, symbols: Collection[str], *, capital: float, costs: CostConfig) -> Self:
        """Return an account that owns nothing but ``capital``."""
        return cls(symbols=tuple(symbols), capital=capital, costs=costs, cash=capital)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the account saved at ``path``.

        Raises:
            ArtifactError: If the file is missing or is no account.
        """
        try:
            return cls.parse(read_json(path), name=str(path))
        except RecipeError as error:
            raise ArtifactError(f"{error}. Restore the account from a backup or start a new one") from None

    def save(self, path: Path) -> None:
        """Write the account, whole or not at all."""
        write_json(path, self.model_dump(mode="json"))

    def decide(self, timestamp: np.datetime64, wanted: Collection[str]) -> Self:
        """Return the account that wants to own ``wanted`` from the open after this bar on.

        Raises:
            ValueError: If the bar is not after the last one decided on, or a symbol has no slot.
        """
        bar = str(timestamp.astype("datetime64[us]"))
        strangers = sorted(set(wanted) - set(self.symbols))
        if bar <= self.decided_at:
            raise ValueError(f"bar {bar} is not after {self.decided_at}, which was decided already; go on after it")
        if strangers:
            raise ValueError(f"{', '.join(strangers)}: no slot in this account. It trades {', '.join(self.symbols)}")
        return self.model_copy(update={"wanted": tuple(sorted(wanted)), "decided_at": bar})

    def fill(self, opens: Mapping[str, float]) -> Self:
        """Return the account after its orders were filled at these opens.

        An order for a symbol without an open waits for the next call.

        Raises:
            ValueError: If an open is not a finite number above zero.
        """
        for symbol, price in opens.items():
            if not (math.isfinite(price) and price > 0):
                raise ValueError(f"{symbol}: open {price} is no price; leave the symbol out until it trades again")
        shares, cash, fees, num_fills = dict(self.shares), self.cash, self.fees, self.num_fills
        orders = {symbol: -held for symbol, held in self.shares.items() if symbol not in self.wanted}
        stake = self.capital / len(self.symbols)
        orders |= {s: stake / opens[s] for s in self.wanted if s not in self.shares and s in opens}
        for symbol in sorted(orders.keys() & opens.keys()):
            traded = orders[symbol] * opens[symbol]
            fee = self.costs.per_side * abs(traded)
            cash, fees, num_fills = cash - traded - fee, fees + fee, num_fills + 1
            if orders[symbol] > 0:
                shares[symbol] = orders[symbol]
            else:
                del shares[symbol]
        changed = {"shares": shares, "cash": cash, "fees": fees, "num_fills": num_fills}
        return self.model_copy(update={**changed, "prices": {**self.prices, **opens}})

    def equity(self, opens: Mapping[str, float]) -> float:
        """Return cash plus holdings, marked at these opens, or the last ones seen."""
        prices = {**self.prices, **opens}
        return self.cash + math.fsum(held * prices[symbol] for symbol, held in self.shares.items())


def replay(account: PaperAccount, predictions: Predictions, *, state: Path | None = None) -> tuple[PaperAccount, Array]:
    """Return the account after trading every decision time in order, and its equity after each.

    Opens are rebuilt from the forward returns, as an index that starts at 1; as in the backtest, a
    row without a forward return is no decision. Bars up to ``account.decided_at`` are passed over,
    so a replay that was killed goes on from ``PaperAccount.load(state)``. Everything is sold at the end.

    Raises:
        ValueError: As in ``panel``.
    """
    times, want, forward = panel(predictions)
    index = np.cumprod(np.vstack([np.ones(forward.shape[1]), 1.0 + forward]), axis=0)
    equity: list[float] = []
    for t, time in enumerate(times):
        if str(time.astype("datetime64[us]")) <= account.decided_at:
            continue
        wanted = [predictions.symbols[code] for code in np.flatnonzero(want[t])]
        account = account.decide(time, wanted).fill(_opens(predictions.symbols, index[t]))
        last = _opens(predictions.symbols, index[t + 1])
        if t == times.size - 1:
            account = account.model_copy(update={"wanted": ()}).fill(last)
        if state is not None:
            account.save(state)
        equity.append(account.equity(last))
    return account, np.array(equity)


def _opens(symbols: tuple[str, ...], index: Array) -> dict[str, float]:
    return {symbol: float(price) for symbol, price in zip(symbols, index, strict=True)}
