"""What quantiles show in the metrics and the report: coverage of each level, and the loss in the course of time."""

import math
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Self

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import table, text
from components.core.verdict import Measurement
from components.trading.calibration import Bin
from components.validate import quantiles
from components.validate.charts import reliability_chart
from components.validate.measures import Histories, mean_of, value_of
from components.validate.metrics import measurements
from components.validate.quantiles import QuantileZone
from components.validate.regime_page import regime_metrics, regime_section
from components.validate.sections import Findings, figure, training_figure
from components.validate.slices import Regime, regimes_of
from components.validate.time_chart import means_over_time, time_figure


@dataclass(frozen=True)
class QuantileEvidence:
    """A zone of quantiles, and what the training zone teaches without a model."""

    loss_unit: ClassVar[str] = " past volatilities"
    zone: QuantileZone
    past: QuantileZone | None
    usable: bool
    regimes: tuple[Regime, ...]
    """Skill in the thirds of the past volatility; none without a training zone."""
    coverage: tuple[Bin, ...]
    """Of each level, the share of moves below its quantile, with bounds; none if nothing is usable."""

    @classmethod
    def of(cls, zone: QuantileZone, past: QuantileZone | None, config: JudgeConfig, *, bars_per_year: float) -> Self:
        """Return the evidence; a broken or empty training zone teaches nothing."""
        known = past if past is not None and past.num_rows and not past.defect() else None
        usable = not zone.defect()
        if not (usable and zone.num_rows):
            return cls(zone, known, usable=usable, regimes=(), coverage=())
        histories = Histories(zone, config, quantiles.block_length(zone, config))
        slices = regimes_of(quantiles.regimes(zone, known), histories) if known is not None else ()
        return cls(zone, known, usable=usable, regimes=slices, coverage=tuple(coverage(zone, histories)))

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return errors, hit rate and losses, each beside what needs no model; errors are log returns."""
        zone, table_ = self.zone, self.zone.predictions
        numbers: dict[str, float] = {"rows": zone.num_rows, "timestamps": zone.num_times}
        if self.usable and zone.num_rows:
            last = table_.label[:, -1]
            median = table_.quantile[:, -1, table_.levels.index(quantiles.MEDIAN)]
            peer = math.nan if self.past is None else quantiles.losses(zone, quantiles.usual(self.past)).mean()
            hit_rate = float(quantiles.hits(zone).mean())
            numbers |= {
                "quantile_loss": float(quantiles.losses(zone, zone.said).mean()),
                "peer_quantile_loss": float(peer),
                "mae": float(np.abs(last - median).mean()),
                "zero_mae": float(np.abs(last).mean()),
                "hit_rate": hit_rate,
                "base_hit_rate": hit_rate - value_of(quantiles.hit_rate_lift(zone), zone),
                "median_correlation": value_of(quantiles.correlation(zone), zone),
                "calibration_error": value_of(quantiles.calibration_error(zone), zone),
                **regime_metrics(self.regimes),
            }
        return measurements(numbers, name)

    def classification(self) -> dict[str, Any]:
        """Return nothing: quantiles are no classes."""
        return {}

    def tiles(self, findings: Findings) -> list[tuple[str, str, str]]:
        """Return rank correlation, hit rate, error and coverage."""
        value = findings.value
        return [
            ("Rank correlation", text(value("median_correlation"), "+.3f"), findings.edge("median_correlation")),
            ("Hit rate", text(value("hit_rate"), ".3f"), f"always the same {text(value('base_hit_rate'), '.3f')}"),
            ("Quantile loss", text(value("quantile_loss"), ".4f"), f"peer {text(value('peer_quantile_loss'), '.4f')}"),
            ("Off its levels", text(value("calibration_error"), ".3f"), "mean over the levels"),
        ]

    def body(self, findings: Findings) -> str:
        """Return coverage, losses in the course of time, and the table."""
        return (
            f'<h2>Evidence</h2><div class="grid"><div>{self._course_figure()}</div>'
            f"<div>{coverage_figure(self.coverage)}{training_figure(findings)}</div></div>"
            f"<h2>Moves on the test zone</h2>{metrics_table(findings)}"
            f"{regime_section(findings, self.regimes, of='Past volatility', skill='Skill')}"
        )

    def _course_figure(self) -> str:
        lines = {"model": means_over_time(self.zone, quantiles.losses(self.zone, self.zone.said))}
        words = f"Mean quantile loss, in past volatilities, in {lines['model'].size} parts of the zone."
        if self.past is not None:
            lines["peer"] = means_over_time(self.zone, quantiles.losses(self.zone, quantiles.usual(self.past)))
            lower = int(np.count_nonzero(lines["model"] < lines["peer"]))
            words += f" Lower than quantiles of the training zone by past volatility, the peer, in {lower} of them."
        return time_figure(
            self.zone, "Loss in the course of time", words, lines, key="course", unit="mean quantile loss"
        )


def coverage(zone: QuantileZone, histories: Histories) -> list[Bin]:
    """Return of each level the share of the moves at most its quantile, with its bounds."""
    below = quantiles.shares_below(zone)
    found = [histories.bounded(mean_of(zone, column)) for column in below.T]
    return [
        Bin(level, one.value, one.lower, one.upper, zone.num_rows)
        for level, one in zip(zone.predictions.levels, found, strict=True)
    ]


def coverage_figure(bins: tuple[Bin, ...]) -> str:
    """Return the share of moves below each quantile, by its level."""
    held, promised = bins[-1].share - bins[0].share, bins[-1].probability - bins[0].probability
    words = (
        f"On the dashed line, a quantile holds as many moves as its level says. {held:.1%} of the moves came between "
        f"the outermost two, which promise {promised:.0%}; bars hold 90% of the resampled histories."
    )
    chart = reliability_chart(
        "coverage", "Moves below each quantile", words, list(bins), x_label="level", y_label="share of moves below"
    )
    return figure("Is it as sure as it is right?", escape(words), chart)


def metrics_table(findings: Findings) -> str:
    """Return the metrics in words."""
    names = {
        "median_correlation": (
            "Rank correlation",
            "Spearman, of median and move at the last step, in past volatilities",
        ),
        "hit_rate": ("Hit rate", "median and move of one sign, at the last step"),
        "base_hit_rate": ("Hit rate of the base", "always the direction that is more frequent in this very zone"),
        "mae": ("Absolute error", "of the median at the last step, log return"),
        "zero_mae": ("Absolute error of no move", "log return"),
        "quantile_loss": ("Quantile loss", "mean over rows, steps and levels, in past volatilities"),
        "peer_quantile_loss": ("Quantile loss of the peer", "the training zone's quantiles by past volatility"),
        "calibration_error": ("Off its levels", "shares of moves below the quantiles, mean distance from the levels"),
    }
    rows = [[title, aside, text(findings.value(name), ".4f")] for name, (title, aside) in names.items()]
    return table(["Metric", "Meaning", "Test zone"], rows, numbers=1)
