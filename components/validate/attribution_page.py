"""What the report shows of the worth of the features: on the whole zone, and for two single decisions."""

from html import escape

import numpy as np

from components.core.page import text
from components.validate.attribution import Attribution
from components.validate.charts import bar_chart
from components.validate.sections import figure
from components.validate.shapley import Explanation

NUM_PARTS = 5
"""Features that a single decision is shown with."""
TWO_SIGMA = 2.0

CAVEAT = (
    "Each feature's values were taken from another time of the same symbol. Features that move together share their "
    "worth, so a small bar does not say that a feature could be left out; a bar at or below zero is worth nothing on "
    "this zone. Whiskers hold 90% of the resampled histories."
)


def attribution_figures(found: Attribution | None) -> str:
    """Return what the features are worth in all, and what they added to single decisions, as HTML."""
    if found is None:
        return figure("What each feature is worth", "Not measured: it needs the served graph and a test zone.", "")
    singles = "".join(map(decision_figure, found.decisions, ("newest", "surest")))
    return f'<div class="grid"><div>{worth_figure(found)}</div><div>{singles}</div></div>'


def worth_figure(found: Attribution) -> str:
    """Return by how much the loss rises without the news of each feature."""
    order = np.argsort(-found.worth, kind="stable")
    surely = int(np.count_nonzero(found.lower > 0))
    names = [found.features[int(place)] for place in order]
    words = (
        f"Rise of the mean loss, {found.loss:.4f} {found.unit}, if a feature's news are taken away: the interval of "
        f"{surely} of {len(names)} is above zero, and {names[0]} is worth most. Measured on the served graph, "
        f"{found.num_rows:,} windows at {found.num_times:,} decision times of the test zone."
    )
    chart = bar_chart(
        "worth", "Worth of the features", words, names,
        values=found.worth[order], lower=found.lower[order], upper=found.upper[order],
        x_label=f"rise of the loss, {found.unit}",
    )  # fmt: skip
    return figure("What each feature is worth", escape(words), f'{chart}<p class="soft">{escape(CAVEAT)}</p>')


def decision_figure(found: Explanation, which: str) -> str:
    """Return what the features added to one decision, the largest parts first."""
    order = np.argsort(-np.abs(found.added), kind="stable")[:NUM_PARTS]
    names, rest = [found.features[int(place)] for place in order], len(found.features) - order.size
    others = (
        f" The other {rest} added {text(float(found.added.sum() - found.added[order].sum()), '+.3f')}." if rest else ""
    )
    words = (
        f"{found.symbol} on {found.day}: {found.said.replace('_', ' ')} {found.value:.3f}, where {found.usual:.3f} is "
        f"usual for it.{others} Whiskers are two standard errors over the windows compared with."
    )
    room = TWO_SIGMA * found.error[order]
    chart = bar_chart(
        f"decision-{which}", f"The {which} decision", words, names,
        values=found.added[order], lower=found.added[order] - room, upper=found.added[order] + room,
        x_label=f"added to {found.said.replace('_', ' ')}",
    )  # fmt: skip
    return figure(f"Why it said so: the {which} decision", escape(words), chart)
