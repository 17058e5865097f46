"""What allocations show in the metrics and the report: a book that trades them, and what the weights knew."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import table, text
from components.core.verdict import Measurement
from components.trading.allocation import hold_all, trade_allocations
from components.trading.backtest import Book
from components.validate import allocations
from components.validate.loss_profit import loss_profit_correlation, loss_profit_section
from components.validate.measures import Histories, value_of
from components.validate.metrics import measurements
from components.validate.money_page import (
    bands,
    bands_table,
    equity_figure,
    months_table,
    rolling_figure,
    trading_table,
)
from components.validate.regime_page import regime_metrics, regime_section
from components.validate.sections import Findings, training_figure
from components.validate.slices import Regime, regimes_of
from components.validate.zone import AllocationZone


@dataclass(frozen=True)
class AllocationEvidence:
    """A zone of allocations, and what trading it brought."""

    loss_unit: ClassVar[str] = ""
    zone: AllocationZone
    book: Book
    baseline: Book
    """Buying and holding."""
    bars_per_year: float
    usable: bool
    regimes: tuple[Regime, ...]
    """Timing in calm, usual and wild times."""

    @classmethod
    def of(cls, zone: AllocationZone, _: AllocationZone | None, config: JudgeConfig, *, bars_per_year: float) -> Self:
        """Return the evidence; broken predictions are not traded."""
        usable = not zone.defect()
        traded = zone if usable else zone.rows(np.zeros(0, dtype=np.intp))
        books = (trade(traded.predictions, config.costs) for trade in (trade_allocations, hold_all))
        regimes = (
            regimes_of(allocations.regimes(zone), Histories(zone, config, allocations.block_length(zone, config)))
            if usable and zone.num_rows
            else ()
        )
        return cls(zone, *books, bars_per_year=bars_per_year, usable=usable, regimes=regimes)

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return what the weights knew and earned, the error of the expected return, and the regimes."""
        zone, said = self.zone, self.zone.predictions
        numbers: dict[str, float] = {"rows": zone.num_rows, "timestamps": zone.num_times}
        if self.usable and zone.num_rows:
            error = said.expected_return - said.label
            numbers |= {
                "timing": value_of(allocations.timing(zone), zone),
                "mse": float((error**2).mean()),
                "mae": float(np.abs(error).mean()),
                "zero_mse": float((said.label**2).mean()),
                "loss_profit_correlation": loss_profit_correlation(zone, self.book),
                **self.book.summary(bars_per_year=self.bars_per_year),
                **regime_metrics(self.regimes),
            }
            held = self.baseline.summary(bars_per_year=self.bars_per_year)
            numbers |= {f"hold_{key}": number for key, number in held.items()}
        return measurements(numbers, name)

    def classification(self) -> dict[str, Any]:
        """Return nothing: weights are no classes."""
        return {}

    def tiles(self, findings: Findings) -> list[tuple[str, str, str]]:
        """Return timing, money and the error of the expected return."""
        value = findings.value
        return [
            ("Timing", text(value("timing"), "+.3f"), f"{findings.edge('timing')}; holding is 0"),
            ("Net Sharpe", text(value("sharpe"), "+.2f"), f"{findings.edge('net_sharpe')}; after costs"),
            ("Net return", text(value("total_return"), "+.1%"), f"hold {text(value('hold_total_return'), '+.1%')}"),
            ("Return's error", text(value("mse"), ".3g"), f"squared; saying 0 has {text(value('zero_mse'), '.3g')}"),
        ]

    def body(self, findings: Findings) -> str:
        """Return equity, the rolling ratio, and the tables of costs, months, bands, errors and regimes."""
        config = findings.verdict.judge
        found = bands(self.book, findings, config, block=allocations.block_length(self.zone, config))
        return (
            f'<h2>Evidence</h2><div class="grid"><div>{equity_figure(self.book, self.baseline)}</div>'
            f"<div>{rolling_figure(self.book, bars_per_year=self.bars_per_year)}{training_figure(findings)}</div></div>"
            f"{self.held(findings)}"
            f"<h2>Costs and turnover on the test zone</h2>"
            f"{trading_table(findings, how='By weights, filled at the next open')}"
            f"<h2>Gain by month on the test zone</h2>{months_table(self.book)}"
            f"<h2>Published bands</h2>{bands_table(found)}"
            f"{self.errors(findings)}"
            f"{regime_section(findings, self.regimes, of='Past volatility', skill='Timing')}"
        )

    def held(self, findings: Findings) -> str:
        """Return what was held of the symbols."""
        return f"<h2>Weights and returns on the test zone</h2>{weights_table(self.zone, findings)}"

    def errors(self, findings: Findings) -> str:
        """Return how the error of the expected return goes with the money."""
        return loss_profit_section(self.zone, self.book, findings)


def weights_table(zone: AllocationZone, findings: Findings) -> str:
    """Return what was held and what is known of the returns."""
    weight = zone.predictions.weight
    rows = [
        ["Correlation of weight and return inside symbols", text(findings.value("timing"), "+.4f")],
        ["Rows held long", f"{np.mean(weight > 0):.1%}"],
        ["Rows held short", f"{np.mean(weight < 0):.1%}"],
        ["Largest weight, of the capital", f"{np.abs(weight).max():.2%}"],
        ["Squared error of the expected return", text(findings.value("mse"), ".4g")],
        ["Squared error of expecting none", text(findings.value("zero_mse"), ".4g")],
    ]
    return table(["Number", "Test zone"], rows, numbers=1)
