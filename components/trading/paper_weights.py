"""A paper account by weights: the rule of ``allocation.py``, traded one bar at a time.

Paper only: there is no broker behind it. After a bar's close ``decide`` says which share of the initial capital each
symbol should be; at the next open ``fill`` brings every position there, at the open price plus costs. Replaying a zone
gives the equity of ``trade_allocations``.
"""

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from components.core.config import Config
from components.core.judge import CostConfig


class Fill(Config):
    """One order that was filled, on paper."""

    symbol: str
    quantity: float
    """Shares; negative if they were sold."""
    price: float
    """The open, without costs."""
    fee: float
    """Costs paid."""


class WeightedAccount(Config):
    """Cash and shares after everything that happened so far; each event returns the next account."""

    symbols: tuple[str, ...]
    """What may be traded."""
    capital: Annotated[float, Field(gt=0)]
    """Money at the start, which weights are shares of: gains are not reinvested."""
    costs: CostConfig
    """Charged on every fill."""
    cash: float
    """Money left; with symbols sold short, more than there was."""
    shares: dict[str, float] = Field(default_factory=dict)
    """Quantity owned by symbol, negative if short."""
    prices: dict[str, float] = Field(default_factory=dict)
    """Last open seen, by symbol; it marks a holding whose symbol has no open today."""
    wanted: dict[str, float] = Field(default_factory=dict)
    """Weights of the last decision, by symbol; a symbol without one is to be sold."""
    decided_at: str = ""
    """Start of the last bar decided on, ISO 8601 in UTC; empty before the first."""

    @classmethod
    def start(cls, symbols: Collection[str], *, capital: float, costs: CostConfig) -> Self:
        """Return an account that owns nothing but ``capital``."""
        return cls(symbols=tuple(symbols), capital=capital, costs=costs, cash=capital)

    def decide(self, timestamp: np.datetime64, weights: Mapping[str, float]) -> Self:
        """Return the account that wants these weights from the open after this bar on.

        Raises:
            ValueError: If the bar is not after the last one decided on, a symbol is a stranger, or weights are not
                finite or add up to more than the capital.
        """
        bar = str(timestamp.astype("datetime64[us]"))
        if bar <= self.decided_at:
            raise ValueError(f"bar {bar} is not after {self.decided_at}, which was decided already; go on after it")
        if strangers := sorted(weights.keys() - set(self.symbols)):
            raise ValueError(f"{', '.join(strangers)}: not in this account. It trades {', '.join(self.symbols)}")
        size = math.fsum(abs(weight) for weight in weights.values())
        if not size <= 1 + 1e-6:  # also if one is not a number
            raise ValueError(f"weights of {bar} add up to {size}, more than the capital")
        return self.model_copy(update={"wanted": dict(weights), "decided_at": bar})

    def fill(self, opens: Mapping[str, float]) -> tuple[Self, tuple[Fill, ...]]:
        """Return the account after its orders were filled at these opens, and the fills by symbol.

        A symbol without an open is left as it is.

        Raises:
            ValueError: If an open is not a finite number above zero.
        """
        for symbol, price in opens.items():
            if not (math.isfinite(price) and price > 0):
                raise ValueError(f"{symbol}: open {price} is no price; leave the symbol out until it trades again")
        shares, cash, fills = dict(self.shares), self.cash, list[Fill]()
        for symbol in sorted(opens.keys() & (shares.keys() | self.wanted.keys())):
            target = self.wanted.get(symbol, 0.0) * self.capital / opens[symbol]
            quantity = target - shares.pop(symbol, 0.0)
            if target:
                shares[symbol] = target
            if quantity:
                fee = self.costs.per_side * abs(quantity) * opens[symbol]
                cash -= quantity * opens[symbol] + fee
                fills.append(Fill(symbol=symbol, quantity=quantity, price=opens[symbol], fee=fee))
        changed = {"shares": shares, "cash": cash, "prices": {**self.prices, **opens}}
        return self.model_copy(update=changed), tuple(fills)

    def equity(self, opens: Mapping[str, float]) -> float:
        """Return cash plus holdings, marked at these opens, or the last ones seen."""
        prices = {**self.prices, **opens}
        return self.cash + math.fsum(held * prices[symbol] for symbol, held in self.shares.items())
