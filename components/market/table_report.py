"""What the rules found in the tables beside the bars, as one section of the quality report; and the rules as a page."""

from collections.abc import Mapping
from html import escape

from components.core.page import DASH, table
from components.market.rules import PILLS
from components.market.table_catalogue import rule_of
from components.market.table_kinds import KINDS
from components.market.table_quality import UNKNOWN, TableQuality
from components.market.table_rules import TableFinding

_HEAD = ("Table", "Kind", "First day", "Last day", "Rows", "Clean", "Error", "Warning", "Note")


def render_tables(found: Mapping[str, TableQuality]) -> str:
    """Return the section; the keys are what the tables are called, such as the names of their files."""
    rows = [_counts(name, item) for name, item in found.items()]
    cards = "".join(_card(name, item) for name, item in found.items() if item.kind != UNKNOWN)
    words = (
        "Each row counts once, by the worst that touches it: an error marks what must not be learned from, a warning "
        "what may mislead, a note what is worth knowing. A clean row is touched by nothing. Rows stay where they are: "
        "whoever reads a table follows the remedy. Of a table of unknown kind nothing was asked."
    )
    return (
        f'<section><h2>Tables beside the bars</h2><p class="soft">{words}</p>{table(_HEAD, rows, numbers=7)}'
        f'<div class="grid" style="margin-top:16px"><div>{cards}</div></div></section>'
    )


def _counts(name: str, item: TableQuality) -> list[str]:
    days = item.span or (DASH, DASH)
    if item.kind == UNKNOWN:
        return [name, UNKNOWN, *days, f"{item.rows:,}", *[DASH] * 4]
    worst = [f"{item.worst[severity]:,}" for severity in PILLS]
    return [name, item.kind, *days, f"{item.rows:,}", f"{item.clean:,}", *worst]


def _card(name: str, item: TableQuality) -> str:
    chips = "".join(f"<li>{escape(title)}</li>" for title in item.absent)
    rest = f'<figcaption>Looked for and not found</figcaption><ul class="chips">{chips}</ul>' if chips else ""
    return f"<figure><h3>{escape(name)}</h3><figcaption>{_summary(item)}</figcaption>{_findings(item)}{rest}</figure>"


def _summary(item: TableQuality) -> str:
    share = f"{item.clean / item.rows:.1%}" if item.rows else DASH
    return escape(f"{item.kind}: {item.clean:,} of {item.rows:,} rows are clean ({share})")


def _findings(item: TableQuality) -> str:
    if not item.findings:
        return ""
    head = '<th scope="col">Rule</th><th scope="col">Severity</th><th scope="col">Column</th><th scope="col">First</th>'
    numbers = "".join(f'<th scope="col" class="num">{name}</th>' for name in ("Found", "Rows"))
    body = "".join(_row(finding) for finding in item.findings)
    return f'<table class="stack gates"><thead><tr>{head}{numbers}</tr></thead><tbody>{body}</tbody></table>'


def _row(finding: TableFinding) -> str:
    kind, pill = PILLS[finding.severity]
    examples = "<br>".join(escape(example) for example in finding.examples)
    return (
        f'<tr><th scope="row">{escape(finding.title)}<small>{escape(finding.remedy)}</small></th>'
        f'<td><span class="pill {kind}">{pill}</span></td>'
        f'<td data-name="Column"><code>{escape(finding.column)}</code></td><td data-name="First">{examples}</td>'
        f'<td class="num" data-name="Found">{finding.count:,}</td>'
        f'<td class="num" data-name="Rows">{len(finding.rows):,}</td></tr>'
    )


def markdown() -> str:
    """Return the page ``docs/table-rules.md``."""
    lines = [
        "# Rules of tables that are no bars",
        "",
        "What `qf probe data FILE` and the quality report ask of each kind of table. This page is written from",
        "`components/market/table_kinds.py` and `table_catalogue.py`; a test compares them.",
        "",
        "A table's kind is told by its columns; a table of none, or of several kinds, is asked nothing, and that is",
        "said. An error marks values that must not be learned from, a warning what may mislead, a note what is worth",
        "knowing. A row is clean if none of them touches it. Errors and warnings let `qf probe data` leave with 65.",
        "",
        "`qf probe data FILE --against OTHER` compares two sources instead: the names that one lacks; per symbol the",
        "days that both have, the share of equal closes, the factor between the others, and the days on which the",
        "returns are apart; and dividends and splits where one is a table of corporate actions.",
        "",
        "What no rule can see: that a publisher stopped to keep a series up (implied volatilities that their publisher",
        "calls stale are for tests only), that a series was estimated anew later (news sentiment is: what stands in it",
        "for a day was not known on it), and when a value became known (a day's news tone after the UTC day, a yield",
        "curve after the close).",
    ]
    for kind in KINDS:
        columns = ", ".join(f"`{column}`" for column in sorted(kind.columns))
        lines += ["", f"## {kind.name.capitalize()}", "", f"Told by {columns}.", ""]
        lines += ["| rule | severity | looks for | remedy |", "|---|---|---|---|"]
        rules = [rule_of(name) for name in kind.rules]
        lines += [f"| `{rule.name}` | {rule.severity} | {rule.title} | {rule.remedy} |" for rule in rules]
    return "\n".join(lines) + "\n"
