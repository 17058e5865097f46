"""What scores show in the metrics and the report: what came after each score, and errors in the course of time."""

import math
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Self

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import table, text
from components.core.verdict import Measurement
from components.trading.calibration import Bin
from components.validate import scores
from components.validate.charts import reliability_chart
from components.validate.measures import Histories
from components.validate.metrics import measurements
from components.validate.regime_page import regime_metrics, regime_section
from components.validate.sections import Findings, figure, training_figure
from components.validate.slices import Regime, regimes_of
from components.validate.time_chart import means_over_time, time_figure
from components.validate.zone import ScoreZone

NUM_BINS = 10


@dataclass(frozen=True)
class ScoreEvidence:
    """A zone of scores, and what the training zone teaches without a model."""

    loss_unit: ClassVar[str] = ""
    zone: ScoreZone
    past: ScoreZone | None
    usable: bool
    regimes: tuple[Regime, ...]
    """Skill in the thirds of the score now; none without a training zone."""

    @classmethod
    def of(cls, zone: ScoreZone, past: ScoreZone | None, config: JudgeConfig, *, bars_per_year: float) -> Self:
        """Return the evidence; a broken or empty training zone teaches nothing."""
        known = past if past is not None and past.num_rows and not past.defect() else None
        usable = not zone.defect()
        regimes = (
            regimes_of(scores.regimes(zone, known), Histories(zone, config, scores.block_length(zone, config)))
            if usable and zone.num_rows and known is not None
            else ()
        )
        return cls(zone, known, usable=usable, regimes=regimes)

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return errors and correlation, each beside what needs no model."""
        zone, table_ = self.zone, self.zone.predictions
        numbers: dict[str, float] = {"rows": zone.num_rows, "timestamps": zone.num_times}
        if self.usable and zone.num_rows:
            line = math.nan if self.past is None else float(scores.peer_errors(zone, self.past)[1].mean())
            with np.errstate(invalid="ignore", divide="ignore"):
                correlation = float(scores.correlation(zone).of(np.ones((1, zone.num_times)))[0])
            numbers |= {
                "test_recon_mse": float(table_.error.mean()),
                "test_health_correlation": correlation,
                "mse": float(scores.squared_errors(zone).mean()),
                "mae": float(np.abs(table_.score - table_.label).mean()),
                "unchanged_mse": float(((table_.now - table_.label) ** 2).mean()),
                "line_mse": line,
                "mean_mse": float(table_.label.var()),
                **regime_metrics(self.regimes),
            }
        return measurements(numbers, name)

    def classification(self) -> dict[str, Any]:
        """Return nothing: scores are no classes."""
        return {}

    def tiles(self, findings: Findings) -> list[tuple[str, str, str]]:
        """Return correlation, error and reconstruction."""
        value = findings.value
        return [
            (
                "Rank correlation",
                text(value("test_health_correlation"), "+.3f"),
                findings.edge("score_correlation"),
            ),
            ("Squared error", text(value("mse"), ".4f"), f"no change {text(value('unchanged_mse'), '.4f')}"),
            ("Absolute error", text(value("mae"), ".3f"), "scores lie in 0 to 1"),
            ("Reconstruction", text(value("test_recon_mse"), ".3f"), "training mean is 1"),
        ]

    def body(self, findings: Findings) -> str:
        """Return what came after each score, errors in the course of time, and the table."""
        return (
            f'<h2>Evidence</h2><div class="grid"><div>{course_figure(self.zone)}{reconstruction_figure(self.zone)}'
            f"</div><div>{curve_figure(self.zone)}{training_figure(findings)}</div></div>"
            f"<h2>Scores on the test zone</h2>{metrics_table(findings)}"
            f"{regime_section(findings, self.regimes, of='Score now', skill='Skill')}"
        )


def curve(zone: ScoreZone) -> list[Bin]:
    """Return bins of like scores with the mean of what came and its quartiles."""
    said, came = zone.predictions.score, zone.predictions.label
    parts = [part for part in np.array_split(np.argsort(said, kind="stable"), NUM_BINS) if part.size]
    middle = [np.quantile(came[part], [0.25, 0.75]) for part in parts]
    return [
        Bin(float(said[part].mean()), float(came[part].mean()), float(low), float(high), part.size)
        for part, (low, high) in zip(parts, middle, strict=True)
    ]


def curve_figure(zone: ScoreZone) -> str:
    """Return the mean of what came, by what was said."""
    bins = curve(zone)
    words = (
        f"On the dashed line, the score that is said is the one that comes. After the lowest tenth of the scores "
        f"{bins[0].share:.2f} came on average, after the highest {bins[-1].share:.2f}; bars hold the middle half."
    )
    chart = reliability_chart(
        "curve", "What came after each score", words, bins, x_label="score said", y_label="score that came"
    )
    return figure("What came after each score", escape(words), chart)


def course_figure(zone: ScoreZone) -> str:
    """Return the squared error in the course of time, beside that of saying that nothing changes."""
    same = (zone.predictions.now - zone.predictions.label) ** 2
    model, peer = means_over_time(zone, scores.squared_errors(zone)), means_over_time(zone, same)
    words = (
        f"Mean squared error, {zone.predictions.horizon} bars ahead, in {model.size} parts of the zone: lower than "
        f"saying that nothing changes in {int(np.count_nonzero(model < peer))} of them."
    )
    lines = {"model": model, "no change": peer}
    return time_figure(zone, "Error in the course of time", words, lines, key="course", unit="mean squared error")


def reconstruction_figure(zone: ScoreZone) -> str:
    """Return the error of the reconstruction in the course of time."""
    parts = means_over_time(zone, zone.predictions.error)
    words = (
        f"Squared error of the reconstruction, where 1, dashed, is that of the training mean: between "
        f"{parts.min():.2f} and {parts.max():.2f}."
    )
    return time_figure(
        zone, "Reconstruction", words, {"model": parts}, key="reconstruction", unit="squared training deviations",
        heading="Does it still know the data?", level=1.0,
    )  # fmt: skip


def metrics_table(findings: Findings) -> str:
    """Return the metrics in words."""
    names = {
        "test_health_correlation": ("Rank correlation", "Spearman, all rows together"),
        "mse": ("Squared error", "mean over the rows"),
        "unchanged_mse": ("Squared error of no change", "always saying the score now"),
        "line_mse": ("Squared error of the line", "from the score now, as fitted on the training zone"),
        "mean_mse": ("Squared error of the mean", "of this very zone, which nobody could know"),
        "mae": ("Absolute error", "mean over the rows"),
        "test_recon_mse": ("Reconstruction error", "in squared training deviations; 1 is the training mean"),
    }
    rows = [[title, aside, text(findings.value(name), ".4f")] for name, (title, aside) in names.items()]
    return table(["Metric", "Meaning", "Test zone"], rows, numbers=1)
