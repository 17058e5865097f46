"""A step of the allocator over 1,000 daily rebalancings, all at once, against a loop over the days; losses must agree.

Two peers, in the same torch with the same network: the plain loop, which asks the network and trades day by day, and
one tuned by asking the network for all days first, so that only the money goes day by day.
"""

import measure

# isort: split
from collections.abc import Callable

import torch
from torch import Tensor

from components.families.pairs.config import ObjectiveConfig
from components.families.pairs.loss import portfolio_loss
from components.families.pairs.model import Allocator

DAYS, FEATURES, ROUNDS, REPEATS = 1000, 20, 7, 20
SYMBOLS = (2, 20, 100)
CONFIG = ObjectiveConfig(horizon_bars=1)
HIDDEN = (64, 32)
AT_ONCE, PLAIN, TUNED = "whole history at once", "day by day", "day by day, weights at once"

torch.set_num_threads(1)


def by_day(weights_of: Callable[[int], Tensor], growth: Tensor) -> Tensor:
    """Return the loss of a book that is traded one day at a time."""
    holdings, value, logs = torch.zeros_like(growth[0]), torch.ones(()), list[Tensor]()
    for day, grown in enumerate(growth):
        begun, wanted = value, weights_of(day)
        traded = (wanted - holdings / value).abs().sum()
        holdings = wanted * (value * (1 - 1e-4 * CONFIG.transaction_cost_bps * traded)) * grown
        value = holdings.sum()
        logs.append((value / begun).log())
        holdings, value = holdings / value, torch.ones(())  # only shares matter: the value cannot overflow
    grown_by = torch.stack(logs)
    return CONFIG.risk_penalty * grown_by.var(correction=0) - grown_by.mean()


class Job:
    """One portfolio: a forward and a backward pass over its history."""

    def __init__(self, num_symbols: int) -> None:
        torch.manual_seed(num_symbols)
        self.model = Allocator(HIDDEN, num_features=FEATURES)
        self.features = torch.randn(DAYS, num_symbols, FEATURES)
        self.growth = 1 + 0.01 * torch.randn(DAYS, num_symbols)
        self.losses: dict[str, float] = {}

    def step(self, name: str, times: int) -> None:
        """Take the gradient of the loss ``times`` times."""
        for _ in range(times):
            self.model.zero_grad()
            loss = self._loss(name)
            loss.backward()
            self.losses[name] = loss.item()

    def _loss(self, name: str) -> Tensor:
        if name == AT_ONCE:
            return portfolio_loss(self.model(self.features), self.growth, CONFIG)
        if name == PLAIN:
            return by_day(lambda day: self.model(self.features[day]), self.growth)
        weights = self.model(self.features)
        return by_day(lambda day: weights[day], self.growth)


def main() -> None:
    """Print day-steps per CPU second, ratios and losses."""
    for num_symbols in SYMBOLS:
        job = Job(num_symbols)
        times = max(1, REPEATS * SYMBOLS[0] // num_symbols)
        contenders = {
            AT_ONCE: measure.Contender(lambda job=job, times=times: job.step(AT_ONCE, times), rows=DAYS * times),
            PLAIN: measure.Contender(lambda job=job: job.step(PLAIN, 1), rows=DAYS, repeats=3),
            TUNED: measure.Contender(lambda job=job: job.step(TUNED, 1), rows=DAYS, repeats=3),
        }
        results = measure.measure(contenders, rounds=ROUNDS)
        measure.show(f"{num_symbols} symbols", results, against={AT_ONCE: PLAIN})
        print(f"  {AT_ONCE} / {TUNED}: {measure.ratio(results[AT_ONCE], results[TUNED]):.1f}x")
        print(f"  losses: {', '.join(f'{loss:.7f}' for loss in job.losses.values())}")


if __name__ == "__main__":
    main()
