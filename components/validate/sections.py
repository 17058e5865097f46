"""The parts of the report below its first screen that every kind of predictions shares; every text is escaped here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Protocol

import numpy as np

from components.core.page import DASH, table, text
from components.core.verdict import Measurement, Verdict
from components.trading.statistics import Array
from components.validate.attribution import Attribution
from components.validate.charts import Line, Scale, line_chart, number_ticks
from components.validate.zone import Rows

FORMS: dict[str, str] = {
    "precision_lift": "+.3f",
    "auc": ".3f",
    "log_loss_skill": "+.2%",
    "net_sharpe": "+.2f",
    "relative_sharpe": "+.2f",
    "timing_gain": "+.2%",
    "class_log_loss_skill": "+.2%",
    "class_accuracy_lift": "+.3f",
    "macro_f1_lift": "+.3f",
    "class_ece": ".3f",
    "side_log_loss_skill": "+.2%",
    "score_error_skill": "+.2%",
    "score_correlation": "+.3f",
    "reconstruction_mse": ".3f",
    "quantile_skill": "+.2%",
    "median_correlation": "+.3f",
    "hit_rate_lift": "+.3f",
    "quantile_calibration": ".3f",
    "timing": "+.3f",
    "deflated_sharpe": ".3f",
    "deflated_skill": ".3f",
    "worst_regime": ".3f",
    "planted_control": ".0%",
    "export_parity": ".2g",
    "placebo": ".3f",
    "fleet_discovery": ".3g",
    "champion_log_loss": "+.4f",
    "champion_score_error": "+.2%",
    "champion_quantile_loss": "+.2%",
    "champion_sharpe": "+.2f",
}


class Evidence(Protocol):
    """What one kind of predictions shows beside its gates."""

    loss_unit: ClassVar[str]
    """Of the training curve, after a space; empty if it has none."""

    def metrics(self, name: str) -> dict[str, Measurement]:
        """Return all metrics of the zone called ``name``, by name; only the counts if the predictions are broken."""
        ...

    def classification(self) -> dict[str, Any]:
        """Return what Kubeflow draws of usable predictions: ``confusion`` and ``roc``, as far as they make sense.

        ``confusion`` holds ``categories`` and ``matrix`` [came, said] of counts; ``roc`` lists ``fpr``, ``tpr`` and
        ``threshold``, from nothing said to all.
        """
        ...

    def tiles(self, findings: "Findings") -> Sequence[tuple[str, str, str]]:
        """Return the numbers of the first screen, each with a name before it and an aside after it."""
        ...

    def body(self, findings: "Findings") -> str:
        """Return figures and tables; asked only of usable predictions."""
        ...


@dataclass(frozen=True)
class Findings:
    """Everything that the report shows."""

    verdict: Verdict
    title: str
    """Of the family."""
    zone: Rows[Any]
    evidence: Evidence
    usable: bool
    """False if the predictions are broken; then only the verdict is shown."""
    examples: Mapping[str, Any]
    """Manifest of the examples."""
    attribution: Attribution | None
    """What each feature is worth, if it was measured."""
    history: Mapping[str, Sequence[float]]
    """Losses by epoch, as far as the bundle holds them."""
    versions: Mapping[str, str]
    """Software and hardware that trained and judged."""
    returns: bytes | None
    """What ``returns.file_of`` gives of the zone."""

    @property
    def shown(self) -> bool:
        """Whether there are predictions that can be drawn."""
        return self.usable and self.zone.num_rows > 0

    def value(self, name: str) -> float | None:
        """Return a metric; None where it is undefined."""
        found = self.verdict.metrics.get(name)
        return found.value if found else None

    def edge(self, metric: str) -> str:
        """Return the lower bound of a gate's number, in words."""
        gate = next((gate for gate in self.verdict.gates if gate.metric == metric), None)
        return f"at least {text(gate.lower, FORMS[metric])}" if gate and gate.lower is not None else "no bound"


def figure(title: str, caption: str, content: str) -> str:
    """Return a titled figure; ``caption`` and ``content`` are HTML."""
    return f"<figure><h3>{escape(title)}</h3><figcaption>{caption}</figcaption>{content}</figure>"


def day_ticks(days: Array, stamps: list[str], *, num_ticks: int = 4) -> list[tuple[float, str]]:
    """Return ticks from the first to the last of ``days``, with their stamps as text."""
    places = np.unique(np.linspace(0, days.size - 1, num_ticks).round().astype(np.intp))
    return [(float(days[place]), stamps[place]) for place in places]


def keyed(**lines: str) -> str:
    """Return what each line of a chart is, by its style, as HTML."""
    return " ".join(
        f'<span class="keyed"><span class="key {style}"></span>{escape(name)}</span>' for style, name in lines.items()
    )


def training_figure(findings: Findings) -> str:
    """Return the losses by epoch; a sentence where the bundle holds none."""
    train, validation = (
        np.asarray(findings.history.get(key, ()), dtype=np.float64) for key in ("train_loss", "val_loss")
    )
    if not (train.size and train.size == validation.size and np.isfinite([train, validation]).all()):
        return figure("Training", "The bundle holds no training curve.", "")
    epochs = np.arange(1, train.size + 1, dtype=np.float64)
    best = int(validation.argmin())
    unit = findings.evidence.loss_unit
    lowest = f"{validation[best]:.4f}{unit}"
    words = f"Validation loss is lowest in epoch {best + 1} of {train.size}: {lowest}."
    lines = [Line("validation", epochs, validation, "model"), Line("train", epochs, train, "peer")]
    step = Scale(1.0, max(2.0, float(train.size)), 0.0, 1.0)
    ticks = [tick for tick in number_ticks(step) if tick[0].is_integer()]
    chart = line_chart(
        "training",
        "Training",
        words,
        lines,
        x_label="epoch",
        y_label=f"loss,{unit}" if unit else "loss",
        x_ticks=ticks,
        y_text=lambda v: f"{v:.3f}",
    )
    return figure("Training", f"{escape(words)}<br>{keyed(model='validation loss', peer='train loss')}", chart)


def data_section(findings: Findings) -> str:
    """Return source, symbols, zones and features."""
    examples = findings.examples
    zones: Mapping[str, Mapping[str, Any]] = examples.get("zones", {})
    ordered = sorted(zones.items(), key=lambda item: str(item[1].get("first", "")))
    strip = "".join(
        f'<span class="{escape(name)}" style="--share:{int(zone.get("timestamps", 1))}" title="{escape(name)}"></span>'
        for name, zone in ordered
    )
    rows = [
        [name, str(zone.get("first", DASH))[:10], str(zone.get("last", DASH))[:10], *(
            f"{int(zone[key]):,}" if key in zone else DASH for key in ("timestamps", "rows")
        )]
        for name, zone in ordered
    ]  # fmt: skip
    symbols = [str(name) for name in examples.get("symbols", ())]
    listed = ", ".join(symbols[:12]) + (f" and {len(symbols) - 12:,} more" if len(symbols) > 12 else "")  # noqa: PLR2004
    chips = "".join(f"<li><code>{escape(str(name))}</code></li>" for name in examples.get("columns", ()))
    return (
        f"<p>Source <code>{escape(str(examples.get('source', DASH)))}</code>, {len(symbols):,} symbols: "
        f"{escape(listed)}. Windows of {escape(str(examples.get('window', DASH)))} bars, cut by time only: nothing "
        "was fitted on the test zone.</p>"
        f'<div class="strip" aria-hidden="true">{strip}</div>'
        + table(["Zone", "First bar", "Last bar", "Times", "Rows"], rows, numbers=2)
        + f'<h3>Features</h3><div class="card"><ul class="chips">{chips}</ul></div>'
    )


def origin_table(findings: Findings) -> str:
    """Return digests, versions and the run: what it takes to find or repeat this."""
    verdict = findings.verdict
    rows = [
        ["Run", verdict.run_key],
        ["Judged", verdict.created],
        ["Bundle", verdict.bundle_digest],
        ["Recipe", verdict.recipe_digest],
        ["Examples", verdict.examples_digest],
        ["Features", verdict.features_digest],
        *([["Forecasts by", verdict.forecast_source]] if verdict.forecast_source else []),
        ["Snapshot", verdict.snapshot_digest],
        ["Champion", verdict.champion_digest or "none"],
        ["Judged: code", verdict.code_digest],
        ["Trials", f"{verdict.num_trials:,} models were judged on days of this test zone so far, with this one"],
        *([name, value] for name, value in findings.versions.items()),
    ]
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><code>{escape(item)}</code></td></tr>' for name, item in rows
    )
    return f'<div class="card"><table class="stack"><tbody>{body}</tbody></table></div>'
