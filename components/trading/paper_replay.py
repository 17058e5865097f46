"""A feed of bars followed on paper, one bar at a time, with every bar's line in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.core.errors import UsageError
from components.trading.candles import Candles
from components.trading.paper_ledger import PaperLedger
from components.trading.paper_weights import WeightedAccount


@dataclass(frozen=True)
class Feed:
    """Bars, and what a model says after each of them."""

    candles: Candles
    weights: Sequence[Mapping[str, float]]
    """Of each bar, by symbol: the shares of the capital from the next open on."""

    def opens(self, bar: int) -> dict[str, float]:
        """Return the open of each symbol that has the bar."""
        prices = zip(self.candles.symbols, self.candles.open[:, bar].tolist(), strict=True)
        return {symbol: price for symbol, price in prices if np.isfinite(price)}


def replay(feed: Feed, account: WeightedAccount, ledger: PaperLedger) -> WeightedAccount:
    """Return the account after every bar that it has not decided on: filled at the open, decided after the close.

    The line of a bar is on the disk before the next bar comes. ``equity`` is marked at the open, before the fill.
    """
    for bar, time in enumerate(feed.candles.timestamp):
        if str(time.astype("datetime64[us]")) <= account.decided_at:
            continue
        opens = feed.opens(bar)
        equity = account.equity(opens)
        account, fills = account.fill(opens)
        account = account.decide(time, feed.weights[bar])
        told = {"fills": [fill.model_dump(mode="json") for fill in fills], "equity": equity}
        ledger.append({"bar": account.decided_at, **told, "account": account.model_dump(mode="json")})
    return account


def resumed(ledger: PaperLedger, opening: Mapping[str, Any], fresh: WeightedAccount, path: Path) -> WeightedAccount:
    """Return the account where the ledger left it; a new ledger gets ``opening`` as its first line.

    Raises:
        UsageError: If the ledger is of another model, or of other symbols, capital or costs.
    """
    fixed = {name: fresh.model_dump(mode="json")[name] for name in ("symbols", "capital", "costs")}
    if not ledger.entries:
        ledger.append({**opening, **fixed})
    first = {key: value for key, value in ledger.entries[0].items() if key != "previous"}
    if first != {**opening, **fixed}:
        odd = sorted(key for key in first if first[key] != {**opening, **fixed}.get(key))
        raise UsageError(f"{path}: was begun with another {', '.join(odd)}. Name another --account, or use the same")
    if len(ledger.entries) == 1:
        return fresh
    return WeightedAccount.parse(ledger.entries[-1]["account"], name=str(path))
