"""What portfolios show in the metrics and the report: the book, beside the same symbols in equal parts, held."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import table, text
from components.core.verdict import Measurement
from components.validate import allocations
from components.validate.allocation_page import AllocationEvidence
from components.validate.measures import value_of
from components.validate.metrics import measurements
from components.validate.portfolios import equal_parts
from components.validate.regime_page import regime_metrics
from components.validate.sections import Findings
from components.validate.zone import AllocationZone, PortfolioZone


@dataclass(frozen=True)
class PortfolioEvidence(AllocationEvidence):
    """A zone of splits, and what trading them brought."""

    zone: PortfolioZone

    @classmethod
    def of(cls, zone: AllocationZone, _: AllocationZone | None, config: JudgeConfig, *, bars_per_year: float) -> Self:
        """Return the evidence, whose baseline is that of the gates; broken predictions are not traded."""
        found = super().of(zone, None, config, bars_per_year=bars_per_year)
        return replace(found, baseline=equal_parts(zone, config)) if found.usable else found

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return what the splits knew and earned, beside holding equal parts, and the regimes."""
        zone = self.zone
        numbers: dict[str, float] = {"rows": zone.num_rows, "timestamps": zone.num_times}
        if self.usable and zone.num_rows:
            ours, held = (book.summary(bars_per_year=self.bars_per_year) for book in (self.book, self.baseline))
            gained = self.book.net - self.baseline.net
            spread = float(gained.std(ddof=1)) if gained.size > 1 else 0.0
            numbers |= {
                "timing": value_of(allocations.timing(zone), zone),
                "relative_return": float(gained.sum()),
                "relative_sharpe": float(gained.mean() / spread * self.bars_per_year**0.5) if spread else float("nan"),
                **ours,
                **regime_metrics(self.regimes),
                **{f"hold_{key}": number for key, number in held.items()},
            }
        return measurements(numbers, name)

    def tiles(self, findings: Findings) -> list[tuple[str, str, str]]:
        """Return timing, and money beside equal parts that are held."""
        value = findings.value
        return [
            ("Timing", text(value("timing"), "+.3f"), f"{findings.edge('timing')}; holding is 0"),
            ("Sharpe over holding", text(value("relative_sharpe"), "+.2f"), f"{findings.edge('relative_sharpe')}"),
            (
                "Net return",
                text(value("total_return"), "+.1%"),
                f"equal parts {text(value('hold_total_return'), '+.1%')}",
            ),
            ("Net Sharpe", text(value("sharpe"), "+.2f"), f"equal parts {text(value('hold_sharpe'), '+.2f')}"),
        ]

    def held(self, findings: Findings) -> str:
        """Return which share each symbol had."""
        return f"<h2>Splits of the test zone</h2>{splits_table(self.zone)}"

    def errors(self, findings: Findings) -> str:
        """Return nothing: no return is expected of a symbol."""
        return ""


def splits_table(zone: PortfolioZone) -> str:
    """Return which share of the capital each symbol had."""
    said = zone.predictions
    shares = [said.weight[said.symbol == code] for code in range(len(said.symbols))]
    rows = [
        [name, *(f"{number:.1%}" for number in (part.mean(), part.min(), part.max(), part.std()))]
        for name, part in zip(said.symbols, shares, strict=True)
        if np.size(part)
    ]
    return table(["Symbol", "Mean share", "Lowest", "Highest", "Deviation"], rows, numbers=4)
