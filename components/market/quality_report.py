"""What the quality gate found, as one self-contained HTML page for a person."""

from collections.abc import Mapping
from html import escape

import numpy as np

from components.core.page import DASH, page, table, text, tiles
from components.market.calendars import TITLES
from components.market.quality import Assessment
from components.market.rules import MIN_SCORE, PILLS, REFUSED, RULES, Hits
from components.market.table_quality import TableQuality
from components.market.table_report import render_tables

NUM_SYMBOLS = 30
NUM_EXAMPLES = 3
_ACTION = {"row": "row set aside", "symbol": "symbol set aside", "nothing": "kept"}


def render(
    found: Assessment, *, dataset: str, source: str, faults: str, beside: Mapping[str, TableQuality] | None = None
) -> str:
    """Return the page; ``faults`` is what ingest does with faulty rows: refuse or quarantine.

    ``beside`` holds the quality of the tables that lie beside the bars, by file name.
    """
    kind, headline, words = _verdict(found, faults)
    body = (
        f'<p class="over">Quality of <code>{escape(source)}</code></p><h1>{escape(dataset)}</h1>'
        f'<div class="verdict {kind}" role="status"><b>{escape(headline)}</b><p>{escape(words)}</p></div>'
        f"{_tiles(found)}{_rules(found)}{_symbols(found)}{_examples(found)}{_clean(found)}"
        f"{render_tables(beside) if beside else ''}"
        "<footer><p>The score is the share of the expected bars that are there and that neither an error nor a "
        "warning touches; a note costs nothing, and a symbol that is set aside counts as nothing. Expected are the "
        f"bars of the file, each counted once, and those that the calendar ({escape(TITLES[found.calendar])}) "
        "misses.</p></footer>"
    )
    return page(f"Quality {found.score:.3f} · {dataset}", body)


def _verdict(found: Assessment, faults: str) -> tuple[str, str, str]:
    rows = int(np.count_nonzero(found.rows_set_aside))
    symbols = sum(bool(item.set_aside) for item in found.symbols)
    if not found.fit:
        return "fail", f"✕ Not fit for use: score {found.score:.3f}", f"At least {MIN_SCORE} is wanted."
    if not rows:
        return "pass", f"✓ Fit for use: score {found.score:.3f}", "No row has to be set aside."
    what = f"{rows:,} rows" + (
        f", those of {symbols:,} whole symbol{'s' * (symbols > 1)} among them," if symbols else ""
    )
    if faults == "quarantine":
        words = f"{what} were set aside with their reasons, in quarantine.parquet beside the bars; the others go on."
        return "open", f"✓ Fit for use: score {found.score:.3f}, after quarantine", words
    refused = REFUSED & found.counts().keys()
    end = "the first of them ends the run" if refused else "they stay: no single row shows the fault"
    words = f"With --faults quarantine, {what} would be set aside. With --faults refuse {end}."
    return "open", f"! Score {found.score:.3f}, with faulty rows", words


def _tiles(found: Assessment) -> str:
    rows = len(found.data.symbol)
    aside = int(np.count_nonzero(found.rows_set_aside))
    lacking = sum(item.num_lacking for item in found.symbols)
    whole = sum(bool(item.set_aside) for item in found.symbols)
    return tiles(
        [
            ("Score", text(found.score, ".4f"), f"at least {MIN_SCORE} is wanted"),
            ("Rows", f"{rows:,}", f"{len(found.symbols):,} symbols"),
            ("Rows set aside", f"{aside:,}", text(aside / rows if rows else None, ".3%")),
            ("Symbols set aside", f"{whole:,}", "with all their rows"),
            ("Bars missing", f"{lacking:,}", f"by {TITLES[found.calendar]}"),
        ]
    )


def _rules(found: Assessment) -> str:
    counts = found.counts()
    if not counts:
        return ""
    rows: list[str] = []
    for name, count in counts.items():
        rule = RULES[name]
        kind, pill = PILLS[rule.severity]
        symbols = np.unique(np.concatenate([hits.symbol for hits in found.hits if hits.rule.name == name])).size
        rows.append(
            f'<tr><th scope="row">{escape(rule.title)}<small>{escape(rule.remedy)}</small></th>'
            f'<td><span class="pill {kind}">{pill}</span></td><td data-name="Action">{_ACTION[rule.scope]}</td>'
            f'<td class="num" data-name="Found">{count:,}</td><td class="num" data-name="Symbols">{symbols:,}</td></tr>'
        )
    head = '<th scope="col">Rule</th><th scope="col">Severity</th><th scope="col">Action</th>' + "".join(
        f'<th scope="col" class="num">{name}</th>' for name in ("Found", "Symbols")
    )
    return (
        '<h2>What was found</h2><div class="card"><table class="stack gates">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _symbols(found: Assessment) -> str:
    worst = found.worst()
    if not worst:
        return "<h2>Symbols</h2><p>Every symbol scores 1: no error, no warning, no bar missing.</p>"
    rows = [
        [
            item.symbol,
            "; ".join(RULES[name].title if name in RULES else "Score too low" for name in item.set_aside) or DASH,
            text(item.score, ".4f"),
            f"{item.num_rows:,}",
            f"{item.num_faulty:,}",
            f"{item.num_lacking:,}",
        ]
        for item in worst[:NUM_SYMBOLS]
    ]
    rest = len(found.symbols) - len(worst)
    words = f"{len(worst):,} symbols lose score, {min(len(worst), NUM_SYMBOLS)} are listed; {rest:,} score 1."
    head = ["Symbol", "Set aside for", "Score", "Rows", "Rows touched", "Bars missing"]
    return f'<h2>The worst symbols</h2><p class="soft">{words}</p>{table(head, rows, numbers=4)}'


def _spread(hits: Hits) -> list[int]:
    """Return places of examples, of different symbols where there are."""
    _, first = np.unique(hits.symbol, return_index=True)
    places = sorted(int(place) for place in first[:NUM_EXAMPLES])
    return places if len(places) == NUM_EXAMPLES else list(range(min(NUM_EXAMPLES, len(hits.row))))


def _examples(found: Assessment) -> str:
    rows: list[list[str]] = []
    for hits in found.hits:
        for place in _spread(hits):
            item = found.finding(hits, place)
            where = DASH if item.row is None else f"{item.row:,}"
            title = RULES[item.rule].title
            rows.append([title, item.symbol, item.time.replace("T", " "), item.column, where, item.value])
    if not rows:
        return ""
    head = ["Rule", "Symbol", "Time, UTC", "Column", "Row", "Value"]
    return f"<h2>Examples</h2>{table(head, rows, numbers=2)}"


def _clean(found: Assessment) -> str:
    broken = found.counts()
    chips = "".join(f"<li>{escape(rule.title)}</li>" for name, rule in RULES.items() if name not in broken)
    return f'<h2>Looked for and not found</h2><div class="card"><ul class="chips">{chips}</ul></div>'
