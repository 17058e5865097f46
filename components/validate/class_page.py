"""What classes show in the metrics and the report: hits and misses by class, honesty, the course of time."""

import math
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Self

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import table, text
from components.core.verdict import Measurement
from components.trading.calibration import reliability_curve
from components.trading.statistics import Array
from components.validate import classes
from components.validate.charts import lane_chart, reliability_chart
from components.validate.measures import Histories
from components.validate.metrics import measurements
from components.validate.regime_page import regime_metrics, regime_section
from components.validate.sections import Findings, day_ticks, figure, keyed, training_figure
from components.validate.slices import Regime, regimes_of
from components.validate.zone import ClassZone

NUM_BINS = 5


@dataclass(frozen=True)
class ClassEvidence:
    """A zone of classes, and what the training zone teaches without a model."""

    loss_unit: ClassVar[str] = " nats"
    zone: ClassZone
    past: ClassZone | None
    usable: bool
    regimes: tuple[Regime, ...]
    """Skill against the transitions in the rows of each class now; none without a training zone."""

    @classmethod
    def of(cls, zone: ClassZone, past: ClassZone | None, config: JudgeConfig, *, bars_per_year: float) -> Self:
        """Return the evidence; a broken training zone teaches nothing."""
        known, usable = None if past is None or past.defect() else past, not zone.defect()
        regimes = (
            regimes_of(classes.regimes(zone, known), Histories(zone, config, classes.block_length(zone, config)))
            if usable and zone.num_rows and known is not None
            else ()
        )
        return cls(zone, known, usable=usable, regimes=regimes)

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return accuracy, F1, losses and calibration, and of each class how often it came, was said and was hit."""
        zone = self.zone
        numbers: dict[str, float] = {"rows": zone.num_rows, "timestamps": zone.num_times}
        if self.usable and zone.num_rows:
            numbers |= self._overall() | _by_name(zone) | regime_metrics(self.regimes)
        return measurements(numbers, name)

    def _overall(self) -> dict[str, float]:
        zone, label = self.zone, self.zone.predictions.label
        all_times = np.ones((1, zone.num_times))
        known = math.nan if self.past is None else float(classes.transition_losses(zone, self.past).mean())
        return {
            "test_accuracy": float((zone.said == label).mean()),
            "unchanged_accuracy": float((zone.predictions.now == label).mean()),
            "test_f1_macro": float(classes.f1_of_each(*hits_and_counts(zone)).mean()),
            "log_loss": float(classes.losses(zone).mean()),
            "transition_log_loss": known,
            "frequency_log_loss": float(classes.frequency_loss(zone.num_came)),
            "ece": float(classes.calibration_error(zone).of(all_times)[0]),
        }

    def classification(self) -> dict[str, Any]:
        """Return the confusion matrix; a curve has no meaning for several classes."""
        matrix = confusion(self.zone).astype(int).tolist()
        return {"confusion": {"categories": list(self.zone.predictions.classes), "matrix": matrix}}

    def tiles(self, findings: Findings) -> list[tuple[str, str, str]]:
        """Return accuracy, F1, loss and calibration, each beside what needs no model."""
        value = findings.value
        guess = 1 / self.zone.num_classes if self.zone.num_classes else None
        return [
            ("Accuracy", text(value("test_accuracy"), ".3f"), f"no change {text(value('unchanged_accuracy'), '.3f')}"),
            ("Macro F1", text(value("test_f1_macro"), ".3f"), f"guessing {text(guess, '.3f')}"),
            ("Log loss", text(value("log_loss"), ".3f"), f"no model {text(value('transition_log_loss'), '.3f')}"),
            ("Calibration error", text(value("ece"), ".3f"), "0 is honest"),
        ]

    def body(self, findings: Findings) -> str:
        """Return the course of time, hits, calibration, and the tables."""
        return (
            f'<h2>Evidence</h2><div class="grid"><div>{timeline_figure(self.zone)}{matrix_figure(self.zone)}</div>'
            f"<div>{reliability_figure(self.zone)}{training_figure(findings)}</div></div>"
            f"<h2>Each class on the test zone</h2>{class_table(self.zone, findings)}"
            f"<h2>All classes on the test zone</h2>{metrics_table(findings)}"
            f"{regime_section(findings, self.regimes, of='Class now', skill='Skill')}"
        )


def confusion(zone: ClassZone) -> Array:
    """Return the rows [class that came, class said]."""
    pairs = np.bincount(zone.predictions.label * zone.num_classes + zone.said, minlength=zone.num_classes**2)
    return pairs.reshape(zone.num_classes, zone.num_classes).astype(np.float64)


def hits_and_counts(zone: ClassZone) -> tuple[Array, Array, Array]:
    """Return for each class the rows on which it was said rightly, was said, and came."""
    found = confusion(zone)
    return found.diagonal(), found.sum(axis=0), found.sum(axis=1)


def _by_name(zone: ClassZone) -> dict[str, float]:
    names, found = zone.predictions.classes, confusion(zone)
    hit, said, came = hits_and_counts(zone)
    numbers: dict[str, float] = {}
    for code, name in enumerate(names):
        numbers |= {
            f"rows.{name}": came[code],
            f"precision.{name}": hit[code] / said[code] if said[code] else math.nan,
            f"recall.{name}": hit[code] / came[code] if came[code] else math.nan,
            f"f1.{name}": float(classes.f1_of_each(hit, said, came)[code]),
        }
        numbers |= {f"confusion.{name}.{other}": found[code, place] for place, other in enumerate(names)}
    return numbers


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def timeline_figure(zone: ClassZone) -> str:
    """Return when each class came and when it was said; of several symbols, the class that most of them had."""
    came, said = (classes.by_class(zone, codes).argmax(axis=1) for codes in (zone.predictions.label, zone.said))
    whose = " for most symbols" if zone.num_rows > zone.num_times else ""
    agree = int(np.count_nonzero(came == said))
    words = (
        f"Said{whose} at each decision time, and what came {zone.predictions.horizon} bars later: the same at "
        f"{agree:,} of {zone.num_times:,} times."
    )
    steps, stamps = np.arange(zone.num_times, dtype=np.float64), [str(stamp)[:10] for stamp in zone.times]
    ticks = day_ticks(steps, stamps, num_ticks=3)  # the names of the lanes leave room for no more
    lanes = [_spoken(name) for name in zone.predictions.classes]
    chart = lane_chart("timeline", "Timeline", words, lanes, came=came, said=said, x_label="decision", x_ticks=ticks)
    key = keyed(came="came, above", model="said, below")
    return figure("What came and what it said", f"{escape(words)}<br>{key}", chart)


def matrix_figure(zone: ClassZone) -> str:
    """Return how often each class was said, for each class that came."""
    names, found = [escape(_spoken(name)) for name in zone.predictions.classes], confusion(zone)
    head = "".join(f'<th scope="col" style="text-align:center">{name}</th>' for name in names)
    rows: list[str] = []
    for code, name in enumerate(names):
        cells: list[str] = []
        for place, count in enumerate(found[code]):
            share = count / found[code].sum() if found[code].sum() else 0.0
            kind = "right" if code == place else "wrong"
            cells.append(
                f'<td class="{kind}" style="--share:{share:.3f};padding:9px 2px;font-size:.95rem">{int(count):,}'
                f"<small>{share:.0%}</small></td>"
            )
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')
    words = (
        "Rows: the class that came, and the share of its rows. Columns: the class said. On the diagonal, it is right."
    )
    body = f'<div class="scroll"><table class="matrix"><tr><td></td>{head}</tr>{"".join(rows)}</table></div>'
    return figure("Which class it takes for which", escape(words), body)


def reliability_figure(zone: ClassZone) -> str:
    """Return how often the likeliest class came, by its probability."""
    confidence = zone.predictions.probability.max(axis=1)
    bins = reliability_curve(confidence, zone.said == zone.predictions.label, num_bins=NUM_BINS)
    inside = sum(item.lower <= item.probability <= item.upper for item in bins)
    words = (
        f"On the dashed line, it is as sure as it is right: {inside} of {len(bins)} bins agree within their 95% "
        "interval, drawn as if rows were independent."
    )
    chart = reliability_chart(
        "reliability",
        "Reliability",
        words,
        bins,
        x_label="probability of the class that it says",
        y_label="share that came",
    )
    return figure("Are the probabilities honest?", escape(words), chart)


def class_table(zone: ClassZone, findings: Findings) -> str:
    """Return what each class says of the model."""
    _, said, came = hits_and_counts(zone)
    rows = [
        [_spoken(name), f"{came[code]:,.0f}", f"{came[code] / zone.num_rows:.1%}", f"{said[code]:,.0f}", *(
            text(findings.value(f"{metric}.{name}"), ".3f") for metric in ("precision", "recall", "f1")
        )]
        for code, name in enumerate(zone.predictions.classes)
    ]  # fmt: skip
    return table(["Class", "Rows", "Share", "Said", "Precision", "Recall", "F1"], rows, numbers=6)


def metrics_table(findings: Findings) -> str:
    """Return the metrics of all classes together, in words."""
    names = {
        "test_accuracy": ("Accuracy", "share of the rows on which the likeliest class came"),
        "unchanged_accuracy": ("Accuracy of no change", "always saying the class now"),
        "test_f1_macro": ("Macro F1", "mean over the classes, rare ones like common ones"),
        "log_loss": ("Log loss", "nats"),
        "transition_log_loss": ("Log loss of the transitions", "the class now, and what followed it in training"),
        "frequency_log_loss": ("Log loss of the frequencies", "how often each class comes in this very zone"),
        "ece": ("Calibration error", "mean distance of confidence and accuracy"),
    }
    rows = [[title, aside, text(findings.value(name), ".4f")] for name, (title, aside) in names.items()]
    return table(["Metric", "Meaning", "Test zone"], rows, numbers=1)
