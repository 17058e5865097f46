"""The section of the quality report on tables that are no bars."""

from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa

from components.market.table_quality import assess_table
from components.market.table_report import markdown, render_tables

TONE = pa.table({"date": ["2024-01-01", "2024-01-03"], "news_sentiment": [0.1, None]})
VOID = frozenset({"br"})


class Balance(HTMLParser):
    """Fails where a tag closes that is not the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_section_tells_counts_remedies_and_what_was_not_found() -> None:
    section = render_tables({"news.parquet": assess_table(TONE, name="news.parquet")})
    assert section.startswith("<section>")
    assert section.endswith("</section>")
    for words in (
        "news sentiment: 1 of 2 rows are clean (50.0%)", "Day of the calendar without a row", "2024-01-02",
        "Carry the last value, and say so", "Empty cell", "<li>Row with the key of an earlier one</li>",
    ):  # fmt: skip
        assert words in section
    balance = Balance()
    balance.feed(section)
    assert not balance.open


def test_an_unknown_kind_is_listed_and_names_are_escaped() -> None:
    table = pa.table({"list": ["<b>"], "symbol": ["<i>"], "name": ["x"], "sector": ["<script>"]})
    section = render_tables(
        {"<u>": assess_table(pa.table({"x": [1]}), name="x"), "list": assess_table(table, name="list")}
    )
    assert '<td data-name="Kind">unknown</td>' in section
    assert "&lt;u&gt;" in section
    assert "&lt;b&gt; &lt;i&gt; &lt;script&gt;" in section
    assert not any(tag in section for tag in ("<b>", "<i>", "<u>", "<script>"))


def test_the_page_of_the_rules_is_written_from_them(top: Path) -> None:
    page = (top / "docs" / "table-rules.md").read_text()
    assert page == markdown(), "write docs/table-rules.md anew from table_report.markdown()"
