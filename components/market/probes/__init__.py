"""Probes: faults that no accuracy figure shows, planted on purpose or found, each with its row and remedy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One column that lies, the first row where it does, and what to do."""

    check: str
    """What was looked for, such as ``look-ahead``."""
    column: str
    row: int | None
    """Place in the table that was probed: 1 is its first row. None where no single row is at fault."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        place = f"row {self.row}, " if self.row is not None else ""
        return f"{self.check}: {place}column {self.column!r}: {self.problem}. {self.remedy}"


@dataclass(frozen=True)
class Report:
    """What a probe found, and what it looked at: a probe that saw nothing is not clean."""

    name: str
    """The table, view or family."""
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    summary: tuple[str, ...] = ()
    """What to read first."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and no fault."""
