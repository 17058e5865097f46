"""What the metrics and the report say of each regime."""

from collections.abc import Iterable

from components.core.page import table, text
from components.validate.sections import Findings
from components.validate.slices import Regime


def regime_metrics(regimes: Iterable[Regime]) -> dict[str, float]:
    """Return rows, skill and its one-sided bounds of each regime, by name."""
    numbers: dict[str, float] = {}
    for one in regimes:
        found = one.skill
        numbers |= {
            f"regime.{one.name}.rows": one.num_rows,
            f"regime.{one.name}.times": one.num_times,
            f"regime.{one.name}.skill": found.value,
            f"regime.{one.name}.lower": found.lower,
            f"regime.{one.name}.upper": found.upper,
        }
    return numbers


def regime_section(findings: Findings, regimes: Iterable[Regime], *, of: str, skill: str) -> str:
    """Return a table of the regimes: thirds, or classes, ``of`` something known at the decision."""
    rows: list[list[str]] = []
    for one in regimes:
        value, lower, upper = (
            text(findings.value(f"regime.{one.name}.{part}"), ".3f") for part in ("skill", "lower", "upper")
        )
        name, interval = one.name.replace("_", " "), f"{lower} to {upper}"
        rows.append([name, f"{one.num_times:,}", f"{one.num_rows:,}", value, interval])
    if not rows:
        return ""
    return f"<h2>Regimes of the test zone</h2>{table([of, 'Times', 'Rows', skill, 'Interval'], rows, numbers=4)}"
