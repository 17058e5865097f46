"""The quality of what was read, and the page that a person reads about it."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.core.files import atomic_file
from components.core.run_context import RunContext
from components.market.checks import Rows
from components.market.quality import Assessment, assess
from components.market.quality_report import render
from components.market.synthetic import is_synthetic
from components.market.table_quality import assess_table

REPORT = "quality.html"


def assessed(
    run: RunContext,
    parts: Sequence[Rows],
    beside: Mapping[str, pa.Table],
    *,
    asof: datetime,
    page_at: Path,
    dataset: str,
    source: str,
    faults: str,
) -> tuple[Assessment, dict[str, Any]]:
    """Return the quality of the rows, and of them and the tables beside them the facts for the manifest.

    The page is there even if the rows are refused afterwards.
    """
    found = assess(parts, asof=asof)
    tables = {
        name: assess_table(table, name=name, market="24/5" if is_synthetic(source) else "XNYS")  # has no holidays
        for name, table in beside.items()
    }
    page = render(found, dataset=dataset, source=source, faults=faults, beside=tables).encode()
    for path in (run.folder / REPORT, page_at):
        with atomic_file(path) as file:
            file.write(page)
    run.log.info("quality score %.4f, report %s", found.score, run.folder / REPORT)
    for issue in found.issues() if not found.fit else ():
        run.log.warning("%s", issue)
    return found, found.facts() | {"beside": {name: item.facts() for name, item in tables.items()}}
