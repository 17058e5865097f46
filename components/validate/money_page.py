"""What the report shows of the book that trades directions: equity, ratios, months, bands and costs."""

import numpy as np

from components.core.judge import JudgeConfig
from components.core.page import DASH, table, text
from components.trading.backtest import Book
from components.trading.statistics import Array
from components.validate.charts import Line, line_chart
from components.validate.course import (
    ROLLING_TIMES,
    Band,
    drawdown_interval,
    monthly_gains,
    rolling_sharpe,
    win_interval,
)
from components.validate.sections import FORMS, Findings, day_ticks, figure, keyed

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Year")
ANSWERS = {
    "shown": "reached, and so is the whole interval",
    "reached": "reached, but the interval reaches out of it",
    "unbounded": "reached, but nobody knows how surely",
    "not reached": "not reached",
}


def _ticks(book: Book, places: Array) -> list[tuple[float, str]]:
    """Return ticks for places that count decision times, from 1; 0 is before the first."""
    days = book.timestamp.astype("datetime64[D]")[np.maximum(places.astype(np.intp) - 1, 0)]
    return day_ticks(places, [str(day) for day in days])


def equity_figure(book: Book, baseline: Book) -> str:
    """Return equity with and without costs, beside buying and holding, and the drawdown, as HTML."""
    steps = np.arange(book.equity.size, dtype=np.float64)
    before = np.concatenate([[1.0], 1.0 + np.cumsum(book.gross)])
    ticks = _ticks(book, steps)
    lines = [
        Line("model", steps, book.equity * 100, "model"),
        Line("model before costs", steps, before * 100, "gross"),
        Line("hold", steps, baseline.equity * 100, "peer"),
    ]
    words = (
        f"Started with 100, the book ends at {book.equity[-1] * 100:.1f}, without costs it would be at "
        f"{before[-1] * 100:.1f}; buying and holding all symbols ends at {baseline.equity[-1] * 100:.1f}, after costs."
    )
    equity = line_chart(
        "equity",
        "Equity",
        words,
        lines,
        x_label="decision",
        y_label="capital",
        x_ticks=ticks,
        y_text=lambda v: f"{v:g}",
        level=100.0,
    )
    fall = Line("drawdown", steps, book.drawdown, "loss")
    deepest = f"At worst {text(-float(book.drawdown.min()), '.1%')} below its highest value."
    drawdown = line_chart(
        "drawdown", "Drawdown", deepest, [fall], x_label="decision", y_label="below the highest value", x_ticks=ticks,
        y_text=lambda v: text(v, ".1%"), area=True, height=190,
    )  # fmt: skip
    key = keyed(model="model, after costs", gross="before costs", peer="buy and hold")
    below = f'<p class="soft">Drawdown of the model, after costs. {deepest}</p>'
    return figure("Equity on the test zone", f"{words}<br>{key}", equity + below + drawdown)


def rolling_figure(book: Book, *, bars_per_year: float) -> str:
    """Return the rolling Sharpe ratio with its pointwise band; a sentence where the zone is too short for one."""
    found = rolling_sharpe(book.net, bars_per_year=bars_per_year)
    title = f"Sharpe ratio of the last {ROLLING_TIMES} decision times"
    if found is None or not np.isfinite(found.sharpe).any():
        return figure(title, f"The book has no two stretches of {ROLLING_TIMES} decision times that earn or lose.", "")
    line = Line("model", found.last + 1, found.sharpe, "model", band=(found.lower, found.upper))
    known = np.isfinite(found.sharpe)
    above = np.count_nonzero(found.lower[known] > 0)
    words = (
        f"After costs, annualised. The band is the 95% interval of each point by itself, as if gains were "
        f"independent: it lies above 0 at {above:,} of {np.count_nonzero(known):,} points. Neighbours share most of "
        "their days."
    )
    chart = line_chart(
        "rolling", title, words, [line], x_label="last decision of the stretch", y_label="Sharpe ratio, annualised",
        x_ticks=_ticks(book, line.x), y_text=lambda v: text(v, "g"), level=0.0,
    )  # fmt: skip
    return figure(title, f"{words}<br>{keyed(model='model')}", chart)


def months_table(book: Book) -> str:
    """Return the gain of each month, in percent of the initial capital."""
    years, gains = monthly_gains(book)
    head = "".join(f'<th scope="col" class="num">{name}</th>' for name in ("", *MONTHS))

    def cell(gain: float) -> str:
        kind = "num minus" if gain < 0 else "num"
        return f'<td class="{kind}">{text(100 * gain, "+.1f")}</td>'

    rows = "".join(
        f'<tr><th scope="row">{year}</th>{"".join(map(cell, row))}</tr>'
        for year, row in zip(years, gains.tolist(), strict=True)
    )
    return (
        '<div class="card" tabindex="0" role="region" aria-label="Gain by month"><table class="months">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="soft">In percent of the initial capital, after costs, by the month of the decision; stakes do not '
        "grow, so months add up to the year.</p>"
    )


def bands(book: Book, findings: Findings, config: JudgeConfig, *, block: float) -> list[Band]:
    """Return the lines that the published systems drew, beside what was measured and how sure that is."""
    gate = next((gate for gate in findings.verdict.gates if gate.metric == "net_sharpe"), None)
    sharpe, edges = findings.value("sharpe"), (gate.lower, gate.upper) if gate else (None, None)
    win, fall = findings.value("win_rate"), findings.value("max_drawdown")
    low, high = drawdown_interval(book.net, config, block=block)
    return [
        Band("Sharpe ratio", "acceptable: above 1", "+.2f", sharpe, *edges, above=1.0),
        Band("Sharpe ratio", "good: above 2", "+.2f", sharpe, *edges, above=2.0),
        Band("Round trips that earned", "above 55%", ".1%", win, *win_interval(book), above=0.55),
        Band("Deepest drawdown", "less than 10%", ".1%", None if fall is None else -fall, -high, -low, below=0.1),
    ]


def bands_table(found: list[Band]) -> str:
    """Return the bands with what was measured; they are text and never gates."""
    rows = [
        [band.name, band.words, ANSWERS[band.answer], text(band.value, band.form),
         DASH if band.lower is None or band.upper is None
         else f"{text(band.lower, band.form)} to {text(band.upper, band.form)}"]
        for band in found
    ]  # fmt: skip
    aside = (
        '<p class="soft">Lines that the published systems drew: text, never gates. Intervals: of the Sharpe ratio the '
        "gate's; of round trips 95%, if they were independent; of the drawdown what 90% of the resampled histories "
        "show.</p>"
    )
    return table(["Number", "Published band", "Answer", "Test zone", "Interval"], rows, numbers=2) + aside


def trading_table(findings: Findings, *, how: str = "Long or flat, equal stakes, filled at the next open") -> str:
    """Return what trading earned and paid, beside buying and holding, and what was earned by timing alone."""
    names = {
        "total_return": ("Total return, after costs", "+.2%"),
        "sharpe": ("Sharpe ratio, annualised", "+.2f"),
        "sortino": ("Sortino ratio, annualised", "+.2f"),
        "calmar": ("Calmar ratio", "+.2f"),
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
    gate = next((gate for gate in findings.verdict.gates if gate.metric == "timing_gain"), None)
    if gate is not None:
        title = "Gain by timing, a year, over holding as much all the time"
        rows.append([title, text(gate.value, FORMS["timing_gain"]), DASH])
    return table([how, "Model", "Buy and hold"], rows, numbers=2)
