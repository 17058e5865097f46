"""A loss in the course of time: its means over parts of a zone, drawn as lines."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import numpy as np

from components.trading.statistics import Array
from components.validate.charts import Line, line_chart
from components.validate.sections import day_ticks, figure, keyed
from components.validate.zone import Rows

NUM_PARTS: Final = 48


def means_over_time(zone: Rows[Any], rows: Array) -> Array:
    """Return the means of the rows over parts of equally many decision times."""
    edges = np.array_split(np.arange(zone.num_times), min(NUM_PARTS, zone.num_times))
    totals, counts = zone.per_time(rows), zone.rows_per_time
    return np.array([totals[part].sum() / counts[part].sum() for part in edges])


def time_figure(
    zone: Rows[Any],
    title: str,
    words: str,
    lines: Mapping[str, Array],
    *,
    key: str,
    unit: str,
    heading: str = "",
    level: float | None = None,
) -> str:
    """Return a figure of one or two lines by name, the model's first, each of ``means_over_time``.

    ``heading`` stands above it, else the title; lines are named in the caption where there are two.
    """
    drawn = [
        Line(name, np.arange(part.size, dtype=np.float64), part, style)
        for (name, part), style in zip(lines.items(), ("model", "peer"), strict=False)
    ]
    edges = np.array_split(zone.times, drawn[0].x.size)
    ticks = day_ticks(drawn[0].x, [str(part[0])[:10] for part in edges])
    chart = line_chart(
        key, title, words, drawn, x_label="decision", y_label=unit, x_ticks=ticks, y_text=lambda v: f"{v:.3g}",
        level=level,
    )  # fmt: skip
    named = f"<br>{keyed(**dict(zip(('model', 'peer'), lines, strict=True)))}" if len(lines) > 1 else ""
    return figure(heading or title, escape(words) + named, chart)
