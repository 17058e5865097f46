"""The parts of the report below its first screen, each a piece of HTML; every text is escaped here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from components.core.page import DASH, table, text
from components.core.verdict import Verdict
from components.trading.backtest import Book
from components.trading.statistics import Array, wilson_interval
from components.validate.charts import Line, Scale, line_chart, number_ticks, reliability_chart
from components.validate.metrics import confusion, reliability
from components.validate.zone import Zone

PUBLISHED_TARGETS = {"precision": 0.7, "f1": 0.5}
"""Bands of the published system: text beside the numbers, never a gate."""


@dataclass(frozen=True)
class Findings:
    """Everything that the report shows."""

    verdict: Verdict
    title: str
    """Of the family."""
    zone: Zone
    book: Book
    baseline: Book
    usable: bool
    """False if the predictions are broken; then only the verdict is shown."""
    examples: Mapping[str, Any]
    """Manifest of the examples."""
    history: Mapping[str, Sequence[float]]
    """Losses by epoch, as far as the bundle holds them."""
    versions: Mapping[str, str]
    """Software and hardware that trained and judged."""

    def value(self, name: str) -> float | None:
        """Return a metric; None where it is undefined."""
        found = self.verdict.metrics.get(name)
        return found.value if found else None


def figure(title: str, caption: str, content: str) -> str:
    """Return a titled figure; ``caption`` and ``content`` are HTML."""
    return f"<figure><h3>{escape(title)}</h3><figcaption>{caption}</figcaption>{content}</figure>"


def _day_ticks(days: Array, stamps: list[str]) -> list[tuple[float, str]]:
    places = np.unique(np.linspace(0, days.size - 1, 4).round().astype(np.intp))
    return [(float(days[place]), stamps[place]) for place in places]


def _legend(model: str, peer: str) -> str:
    first = f'<span class="key"></span><span>{escape(model)}</span>'
    return f'{first}<span class="key peer"></span><span>{escape(peer)}</span>'


def equity_figures(findings: Findings) -> str:
    """Return equity and drawdown of the book, beside buying and holding."""
    book, baseline = findings.book, findings.baseline
    steps = np.arange(book.equity.size, dtype=np.float64)
    stamps = [str(stamp)[:10] for stamp in np.r_[book.timestamp[:1], book.timestamp].astype("datetime64[D]")]
    ticks = _day_ticks(steps, stamps)
    lines = [
        Line("model", steps, book.equity * 100, "model"),
        Line("hold", steps, baseline.equity * 100, "peer"),
    ]
    words = (
        f"Started with 100, the book ends at {book.equity[-1] * 100:.1f}; buying and holding all symbols ends at "
        f"{baseline.equity[-1] * 100:.1f}. Both after costs."
    )
    equity = line_chart(
        "equity", "Equity", words, lines, x_label="decision", x_ticks=ticks, y_text=lambda v: f"{v:g}", level=100.0
    )
    fall = Line("drawdown", steps, book.drawdown, "loss")
    deepest = f"At worst {text(float(book.drawdown.min()), '.1%')} below its highest value."
    drawdown = line_chart(
        "drawdown", "Drawdown", deepest, [fall], x_label="decision", x_ticks=ticks,
        y_text=lambda v: text(v, ".1%"), area=True, height=190,
    )  # fmt: skip
    caption = f"{escape(words)}<br>{_legend('model', 'buy and hold')}"
    below = f'<p class="soft">{escape("Drawdown of the model. " + deepest)}</p>'
    return figure("Equity on the test zone", caption, equity + below + drawdown)


def reliability_figure(findings: Findings) -> str:
    """Return how often bars rose, by predicted probability."""
    bins = reliability(findings.zone)
    inside = sum(item.lower <= item.probability <= item.upper for item in bins)
    words = (
        f"On the dashed line, what is said is what comes: {inside} of {len(bins)} bins agree within their 95% interval."
    )
    chart = reliability_chart("reliability", "Reliability", words, bins)
    return figure("Are the probabilities honest?", escape(words), chart)


def confusion_figure(findings: Findings) -> str:
    """Return the confusion matrix at the threshold."""
    found = confusion(findings.zone)

    def cell(count: int, kind: str, words: str) -> str:
        share = count / found.total if found.total else 0.0
        return f'<td class="{kind}" style="--share:{share:.3f}">{count:,}<small>{share:.1%} · {words}</small></td>'

    def row(name: str, *cells: str) -> str:
        return f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'

    threshold = text(findings.zone.predictions.threshold, ".3f")
    said = found.true_positive + found.false_positive
    words = f"It says up where the probability is at least {threshold}: on {said:,} of {found.total:,} rows."
    hits, alarms = cell(found.true_positive, "right", "right"), cell(found.false_positive, "wrong", "false alarm")
    misses, quiet = cell(found.false_negative, "wrong", "missed"), cell(found.true_negative, "right", "right")
    body = (
        '<table class="matrix"><tr><td></td><th scope="col">rose</th><th scope="col">did not rise</th></tr>'
        + row("said up", hits, alarms)
        + row("said nothing", misses, quiet)
        + "</table>"
    )
    return figure("What it said and what came", escape(words), body)


def training_figure(findings: Findings) -> str:
    """Return the losses by epoch; a sentence where the bundle holds none."""
    train, validation = (
        np.asarray(findings.history.get(key, ()), dtype=np.float64) for key in ("train_loss", "val_loss")
    )
    if not (train.size and train.size == validation.size and np.isfinite([train, validation]).all()):
        return figure("Training", "The bundle holds no training curve.", "")
    epochs = np.arange(1, train.size + 1, dtype=np.float64)
    best = int(validation.argmin())
    words = f"Validation loss is lowest in epoch {best + 1} of {train.size}: {validation[best]:.4f} nats."
    lines = [Line("validation", epochs, validation, "model"), Line("train", epochs, train, "peer")]
    step = Scale(1.0, max(2.0, float(train.size)), 0.0, 1.0)
    ticks = [tick for tick in number_ticks(step) if tick[0].is_integer()]
    chart = line_chart(
        "training", "Training", words, lines, x_label="epoch", x_ticks=ticks, y_text=lambda v: f"{v:.3f}"
    )
    return figure("Training", f"{escape(words)}<br>{_legend('validation loss', 'train loss')}", chart)


def metrics_table(findings: Findings) -> str:
    """Return classification metrics beside the published targets."""
    found = confusion(findings.zone)
    lower, upper = wilson_interval(found.true_positive, found.true_positive + found.false_positive)
    asides = {
        "precision": f"95% interval {lower:.3f} to {upper:.3f}, if rows were independent",
        "base_rate": "share of the bars that rose: precision of always saying up",
        "auc": "0.5 is chance",
        "log_loss": "nats; 0.693 is a coin",
        "threshold": "chosen before, on other data",
    }
    names = ("precision", "recall", "f1", "accuracy", "base_rate", "auc", "log_loss", "threshold")
    titles = {"f1": "F1", "auc": "AUC", "log_loss": "Log loss", "base_rate": "Base rate"}
    rows: list[list[str]] = []
    for name in names:
        value, target = findings.value(name), PUBLISHED_TARGETS.get(name)
        band = ""
        if target is not None:
            reached = value is not None and value > target
            band = f"above {target:g}: {'reached' if reached else 'not reached'}"
        rows.append([titles.get(name, name.capitalize()), asides.get(name, ""), band, text(value, ".4f")])
    return table(["Metric", "Meaning", "Published target", "Test zone"], rows, numbers=1)


def trading_table(findings: Findings) -> str:
    """Return what trading earned and paid, beside buying and holding."""
    names = {
        "total_return": ("Total return, after costs", "+.2%"),
        "sharpe": ("Sharpe ratio, annualised", "+.2f"),
        "max_drawdown": ("Deepest drawdown", ".1%"),
        "costs_paid": ("Costs paid, of the capital", ".2%"),
        "turnover": ("Turnover, times the capital", ".2f"),
        "break_even_cost": ("Break-even cost per side", ".3%"),
        "num_trades": ("Round trips", ",.0f"),
        "win_rate": ("Round trips that earned", ".1%"),
        "exposure": ("Capital at work, on average", ".1%"),
    }
    rows = [
        [title, text(findings.value(name), form), text(findings.value(f"hold_{name}"), form)]
        for name, (title, form) in names.items()
    ]
    return table(["Long or flat, equal stakes, filled at the next open", "Model", "Buy and hold"], rows, numbers=2)


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
        + f'<h2>Features</h2><div class="card"><ul class="chips">{chips}</ul></div>'
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
        ["Features", str(findings.examples.get("features_digest", DASH))],
        ["Champion", verdict.champion_digest or "none"],
        *([name, value] for name, value in findings.versions.items()),
    ]
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><code>{escape(item)}</code></td></tr>' for name, item in rows
    )
    return f'<div class="card"><table class="stack"><tbody>{body}</tbody></table></div>'
