"""The page, of every kind and every answer: what it shows, and that anyone can read it."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_moves import make_moves
from report_page import Page

from components.core.judge import CLASS_GATES, QUANTILE_GATES, SCORE_GATES, CostConfig, JudgeConfig
from components.core.theme import STYLE
from components.core.verdict import Verdict
from components.trading.backtest import backtest
from components.validate.attribution import Attribution
from components.validate.attribution_page import attribution_figures
from components.validate.charts import Line, line_chart
from components.validate.judge import judge
from components.validate.shapley import Explanation

GATES = {
    "directions": {},
    "classes": {"gates": CLASS_GATES},
    "scores": {"gates": SCORE_GATES},
    "quantiles": {"gates": QUANTILE_GATES},
}


@pytest.fixture
def report(bench, make_zone, make_classes, make_scores) -> Callable[..., tuple[Verdict, Page]]:
    """Judge a skilful model of a kind; return the verdict and the page."""
    zones = {
        "directions": lambda: {"test": make_zone(skill=0.35)},
        "classes": lambda: {"test": make_classes(), "train": make_classes(num_times=600, seed=4)},
        "scores": lambda: {"test": make_scores(), "train": make_scores(num_times=600, seed=4)},
        "quantiles": lambda: {"test": make_moves(skill=0.4), "train": make_moves(skill=0.4, seed=4)},
    }

    def write(kind: str = "directions", /, tables: dict | None = None, **changed: object) -> tuple[Verdict, Page]:
        config = JudgeConfig(**{"bootstrap_samples": 100, **GATES[kind], **changed})
        bundle, said = bench.bundle(), tables or zones[kind]()
        verdict = judge(
            bundle, bench.examples(said["test"]), bench.folder / "out", bench.run, config=config,
            family=bench.family({bundle.digest: said}), champion=None,
        )  # fmt: skip
        return verdict, Page((bench.folder / "out" / "report.html").read_text(encoding="utf-8"))

    return write


@pytest.mark.promise("S4-91", "S2-62")
@pytest.mark.parametrize(("kind", "num_charts"), [("directions", 5), ("classes", 3), ("scores", 4), ("quantiles", 3)])
def test_every_page_is_whole_by_itself_and_says_its_charts_in_words(report, bench, kind: str, num_charts: int) -> None:
    _, page = report(kind)
    page.check()
    assert len([attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]) == num_charts
    html = (bench.folder / "out" / "report.html").read_bytes()
    assert b"url(" not in html
    assert b"@import" not in html
    assert html == (bench.run.folder / "report.html").read_bytes()


@pytest.mark.parametrize("kind", list(GATES))
def test_too_little_history_still_gives_a_whole_page(report, kind: str) -> None:
    verdict, page = report(kind, min_timestamps=5000)
    assert verdict.verdict == "insufficient evidence"
    page.check()
    assert "Insufficient evidence: it is not promoted" in page.text
    assert "at least 5000 times are needed" in page.text


def test_equity_is_shown_with_and_without_costs(report, make_zone) -> None:
    verdict, page = report()
    book = backtest(make_zone(skill=0.35), CostConfig())
    assert f"the book ends at {100 * (1 + book.net.sum()):.1f}" in page.text
    assert f"without costs it would be at {100 * (1 + book.gross.sum()):.1f}" in page.text
    assert "before costs" in page.text
    assert "Break-even cost per side" in page.text
    timing = next(gate.value for gate in verdict.gates if gate.metric == "timing_gain")
    assert "Gain by timing, a year, over holding as much all the time" in page.text
    assert f"{timing:+.2%}" in page.text


@pytest.mark.promise("S2-58")
def test_the_published_bands_stand_beside_their_intervals_and_decide_nothing(report) -> None:
    verdict, page = report()
    bands = page.text[page.text.index("Published bands") :]
    for words in ("above 1", "above 2", "above 55%", "less than 10%", "never gates"):
        assert words in bands
    gate = next(gate for gate in verdict.gates if gate.metric == "net_sharpe")
    assert f"{gate.lower:+.2f} to {gate.upper:+.2f}" in bands
    _, unsure = report(min_timestamps=5000)
    assert "reached, but nobody knows how surely" in unsure.text


def test_months_and_rolling_ratio_are_there_and_a_short_zone_says_why_not(report, make_zone) -> None:
    _, page = report()
    assert "Gain by month on the test zone" in page.text
    assert "Sharpe ratio of the last 63 decision times" in page.text
    _, short = report("directions", {"test": make_zone(skill=0.35, num_times=60)})
    short.check()
    assert "no two stretches of 63 decision times" in short.text


def test_without_a_served_graph_the_page_says_that_nothing_was_measured(report) -> None:
    assert "Not measured: it needs the served graph" in report()[1].text


def made_attribution(names: tuple[str, ...]) -> Attribution:
    worth = np.linspace(-0.01, 0.05, len(names))
    single = Explanation("AAA", "2024-10-25", "risk_on", 0.7, 0.4, names, np.full(len(names), 0.1), worth * 0)
    return Attribution(
        names, worth, worth - 0.03, worth + 0.03, loss=0.6, unit="nats", num_rows=200, num_times=190,
        decisions=(single, replace(single, day="2024-01-02")),
    )  # fmt: skip


def test_features_stand_by_worth_with_the_names_escaped() -> None:
    page = Page(attribution_figures(made_attribution(("none", "<b>some</b>", "most"))))
    assert "b" not in {tag for tag, _ in page.tags}
    assert page.texts.index("most") < page.texts.index("<b>some</b>") < page.texts.index("none")
    assert "the interval of 1 of 3 is above zero, and most is worth most" in page.text
    assert "AAA on 2024-10-25: risk on 0.700, where 0.400 is usual for it." in page.text
    assert len([attrs for _, attrs in page.tags if attrs.get("class") == "bar"]) == 9


def test_a_decision_shows_five_parts_and_says_the_rest() -> None:
    page = Page(attribution_figures(made_attribution(tuple("abcdefg"))))
    assert "The other 2 added +0.200." in page.text
    assert len([attrs for _, attrs in page.tags if attrs.get("class") == "bar"]) == 7 + 5 + 5


def test_a_line_breaks_where_there_is_no_number_and_so_does_its_band() -> None:
    x, y = np.arange(6.0), np.array([1.0, 2.0, np.nan, np.nan, 2.0, 1.0])
    chart = line_chart(
        "k", "t", "d", [Line("model", x, y, "model", band=(y - 1, y + 1))], x_label="x", y_label="y",
        x_ticks=[(0.0, "0")], y_text=str,
    )  # fmt: skip
    band, line = (next(re.finditer(rf'class="{style} model" d="([^"]+)"', chart))[1] for style in ("fill", "line"))
    assert (line.count("M"), line.count("L")) == (2, 2)
    assert (band.count("M"), band.count("Z")) == (2, 2)
    assert "nan" not in chart


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` or ``#rgb`` (WCAG 2.1)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_what_it_is_written_on(place: int) -> None:
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)", re.findall(r":root\{([^}]+)\}", STYLE)[place]))
    for ink in ("ink", "soft", "model", "peer", "fail"):
        for ground in ("paper", "card"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for answer in ("pass", "fail", "open"):
        assert contrast(colours[answer], colours[f"{answer}-wash"]) >= 4.5, answer
        assert contrast(colours["ink"], colours[f"{answer}-wash"]) >= 7, answer


def test_dark_is_for_screens_only_and_paper_gets_its_own_rules() -> None:
    assert "@media screen and (prefers-color-scheme:dark)" in STYLE
    assert STYLE.count("prefers-color-scheme") == 1
    assert "@media print" in STYLE
