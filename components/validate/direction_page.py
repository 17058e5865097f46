"""What directions show in the metrics and the report: a book that trades them, hits and misses, honesty."""

from dataclasses import dataclass, replace
from html import escape
from typing import Any, ClassVar, Self

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import table, text
from components.core.verdict import Measurement
from components.trading.backtest import Book, backtest, hold
from components.trading.statistics import wilson_interval
from components.validate import directions
from components.validate.charts import reliability_chart
from components.validate.loss_profit import loss_profit_correlation, loss_profit_section
from components.validate.measures import Histories, block_length
from components.validate.metrics import confusion, measure, measurements, reliability, roc
from components.validate.money_page import (
    bands,
    bands_table,
    equity_figure,
    months_table,
    rolling_figure,
    trading_table,
)
from components.validate.regime_page import regime_metrics, regime_section
from components.validate.sections import Findings, figure, training_figure
from components.validate.slices import Regime, regimes_of
from components.validate.zone import Zone

PUBLISHED_TARGETS = {"precision": 0.7, "f1": 0.5}
"""Bands of the published system: text beside the numbers, never a gate."""


@dataclass(frozen=True)
class DirectionEvidence:
    """A zone of directions, and what trading it brought."""

    loss_unit: ClassVar[str] = " nats"
    zone: Zone
    book: Book
    baseline: Book
    """Buying and holding."""
    bars_per_year: float
    usable: bool
    regimes: tuple[Regime, ...]
    """AUC in calm, usual and wild times."""

    @classmethod
    def of(cls, zone: Zone, _: Zone | None, config: JudgeConfig, *, bars_per_year: float) -> Self:
        """Return the evidence; broken predictions are not traded."""
        usable = not zone.defect()
        nothing = replace(zone.rows(np.zeros(0, dtype=np.intp)).predictions, threshold=1.0)
        traded = zone.predictions if usable else nothing
        books = backtest(traded, config.costs), hold(traded, config.costs)
        regimes = (
            regimes_of(directions.regimes(zone), Histories(zone, config, directions.block_length(zone, config)))
            if usable and zone.num_rows
            else ()
        )
        return cls(zone, *books, bars_per_year=bars_per_year, usable=usable, regimes=regimes)

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return what ``measure`` does, how profit goes with loss, and the regimes."""
        numbers = regime_metrics(self.regimes)
        if self.usable and self.zone.num_rows:
            numbers["loss_profit_correlation"] = loss_profit_correlation(self.zone, self.book)
        measured = measure(
            self.zone, self.book, self.baseline, name=name, bars_per_year=self.bars_per_year, usable=self.usable
        )
        return measured | measurements(numbers, name)

    def classification(self) -> dict[str, Any]:
        """Return the confusion matrix at the threshold, and the ROC curve over all thresholds."""
        found = confusion(self.zone)
        matrix = [[found.true_positive, found.false_negative], [found.false_positive, found.true_negative]]
        return {"confusion": {"categories": ["rose", "did not rise"], "matrix": matrix}, "roc": roc(self.zone)}

    def tiles(self, findings: Findings) -> list[tuple[str, str, str]]:
        """Return ranking, precision and money."""
        return [
            ("AUC", text(findings.value("auc"), ".3f"), f"{findings.edge('auc')}; chance is 0.500"),
            (
                "Precision",
                text(findings.value("precision"), ".3f"),
                f"base rate {text(findings.value('base_rate'), '.3f')}",
            ),
            ("Net Sharpe", text(findings.value("sharpe"), "+.2f"), f"{findings.edge('net_sharpe')}; after costs"),
            (
                "Net return",
                text(findings.value("total_return"), "+.1%"),
                f"hold {text(findings.value('hold_total_return'), '+.1%')}",
            ),
        ]

    def body(self, findings: Findings) -> str:
        """Return equity, hits, calibration, and the tables of metrics, costs, months, bands and regimes."""
        config = findings.verdict.judge
        costs, block = config.costs, block_length(self.zone, config.costs)
        found = bands(self.book, findings, config, block=block)
        return (
            f'<h2>Evidence</h2><div class="grid"><div>{equity_figure(self.book, self.baseline)}'
            f"{confusion_figure(self.zone)}</div>"
            f"<div>{rolling_figure(self.book, bars_per_year=self.bars_per_year)}"
            f"{reliability_figure(self.zone)}{training_figure(findings)}</div></div>"
            f"<h2>Classification on the test zone</h2>{metrics_table(self.zone, findings)}"
            f"<h2>Costs and turnover on the test zone</h2>{trading_table(findings)}"
            f'<p class="soft">Each side pays {costs.commission:.3%} commission and {costs.slippage:.3%} slippage.</p>'
            f"<h2>Gain by month on the test zone</h2>{months_table(self.book)}"
            f"<h2>Published bands</h2>{bands_table(found)}"
            f"{loss_profit_section(self.zone, self.book, findings)}"
            f"{regime_section(findings, self.regimes, of='Past volatility', skill='AUC')}"
        )


def reliability_figure(zone: Zone) -> str:
    """Return how often bars rose, by predicted probability."""
    bins = reliability(zone)
    inside = sum(item.lower <= item.probability <= item.upper for item in bins)
    words = (
        f"On the dashed line, what is said is what comes: {inside} of {len(bins)} bins agree within their 95% interval."
    )
    chart = reliability_chart(
        "reliability", "Reliability", words, bins, x_label="predicted probability", y_label="share that rose"
    )
    return figure("Are the probabilities honest?", escape(words), chart)


def confusion_figure(zone: Zone) -> str:
    """Return the confusion matrix at the threshold."""
    found = confusion(zone)

    def cell(count: int, kind: str, words: str) -> str:
        share = count / found.total if found.total else 0.0
        return f'<td class="{kind}" style="--share:{share:.3f}">{count:,}<small>{share:.1%} · {words}</small></td>'

    def row(name: str, *cells: str) -> str:
        return f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'

    threshold = text(zone.predictions.threshold, ".3f")
    said = found.true_positive + found.false_positive
    words = f"It says up where the probability is at least {threshold}: on {said:,} of {found.total:,} rows."
    hits, alarms = cell(found.true_positive, "right", "right"), cell(found.false_positive, "wrong", "false alarm")
    misses, quiet = cell(found.false_negative, "wrong", "missed"), cell(found.true_negative, "right", "right")
    body = (
        '<div class="scroll"><table class="matrix"><tr><td></td>'
        '<th scope="col">rose</th><th scope="col">did not rise</th></tr>'
        + row("said up", hits, alarms)
        + row("said nothing", misses, quiet)
        + "</table></div>"
    )
    return figure("What it said and what came", escape(words), body)


def metrics_table(zone: Zone, findings: Findings) -> str:
    """Return classification metrics beside the published targets."""
    found = confusion(zone)
    lower, upper = wilson_interval(found.true_positive, found.true_positive + found.false_positive)
    asides = {
        "precision": f"95% interval {lower:.3f} to {upper:.3f}, if rows were independent",
        "base_rate": "share of the bars that rose: precision of always saying up",
        "auc": "0.5 is chance",
        "log_loss": "nats; 0.693 is a coin",
        "mse": "of the probability: the Brier score; 0.25 is a coin",
        "mae": "of the probability; 0.5 is a coin",
        "threshold": "chosen before, on other data",
    }
    names = ("precision", "recall", "f1", "accuracy", "base_rate", "auc", "log_loss", "mse", "mae", "threshold")
    titles = {
        "f1": "F1",
        "auc": "AUC",
        "log_loss": "Log loss",
        "base_rate": "Base rate",
        "mse": "Squared error",
        "mae": "Absolute error",
    }
    rows: list[list[str]] = []
    for name in names:
        value, target = findings.value(name), PUBLISHED_TARGETS.get(name)
        band = ""
        if target is not None:
            reached = value is not None and value > target
            band = f"above {target:g}: {'reached' if reached else 'not reached'}"
        rows.append([titles.get(name, name.capitalize()), asides.get(name, ""), band, text(value, ".4f")])
    return table(["Metric", "Meaning", "Published target", "Test zone"], rows, numbers=1)
