"""What is odd about a table that is no bars, by the rules of its kind, and how many of its rows are clean."""

# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from components.market.probes import Finding, Report
from components.market.rules import Severity
from components.market.table_quality import SEVERITIES, UNKNOWN, assess_table
from components.market.table_rules import TableFinding

_WORDS: Final[Mapping[Severity, str]] = {"error": "an error", "warning": "a warning", "note": "only a note"}


def quirks(table: pa.Table, *, name: str) -> Report:
    """Return the errors and warnings of a table as findings, and its notes; of an unknown kind nothing is said.

    Raises:
        DataError: If a column cannot hold what its name says.
    """
    found = assess_table(table, name=name)
    if found.kind == UNKNOWN:
        return Report(name, (), ("the columns are of no known kind of table, so no quirk was looked for",))
    counts = ", ".join(f"{found.worst[severity]:,} with {words}" for severity, words in _WORDS.items())
    summary = f"{found.kind}, {found.rows:,} rows: {found.clean:,} clean, {counts}"
    told = {severity: [_told(item) for item in found.findings if item.severity == severity] for severity in SEVERITIES}
    checked = f"{len(found.absent)} rules of {found.kind} found nothing"
    return Report(name, (*told["error"], *told["warning"]), (checked,), (summary,), tuple(map(str, told["note"])))


def _told(item: TableFinding) -> Finding:
    row = int(item.rows[0]) + 1 if len(item.rows) else None
    of_rows = f" ({len(item.rows):,} rows)" if len(item.rows) not in (0, item.count) else ""
    problem = f"{item.title}: {item.count:,}{of_rows}, first {'; '.join(item.examples)}"
    check = item.rule if item.severity == "note" else f"{item.severity} {item.rule}"
    return Finding(check, item.column, row, problem, item.remedy)
