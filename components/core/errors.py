"""One tree of errors. A message names the file, row and field at fault, and the remedy.

The exit codes follow sysexits.h: a caller, a CronJob or a Kubeflow task decides by them
whether trying again can help.
"""

DONE = 0
OVER_BUDGET = 2
USAGE = 64
BAD_DATA = 65
RESUMABLE = 75


class QuantfoundryError(Exception):
    """Root of all errors that the product raises on purpose."""

    exit_code = BAD_DATA


class UsageError(QuantfoundryError):
    """The command line asks for something that does not exist."""

    exit_code = USAGE


class DataError(QuantfoundryError):
    """Market data that cannot be trusted."""

    def __init__(
        self,
        problem: str,
        *,
        file: str,
        remedy: str,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        """Build a message that names file, row (1-based, header excluded), column and remedy."""
        place = [file]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {problem}. {remedy}")
        self.file, self.row, self.column, self.remedy = file, row, column, remedy


class RecipeError(QuantfoundryError):
    """A recipe that does not parse or does not validate."""


class ArtifactError(QuantfoundryError):
    """A file of ours that is missing, altered or of a format this version cannot read."""


class PromotionRefusedError(QuantfoundryError):
    """No passing, untampered verdict for exactly this bundle."""


class LedgerRaceError(QuantfoundryError):
    """Another writer appended first; read the ledger again and decide anew."""

    exit_code = RESUMABLE


class BusyError(QuantfoundryError):
    """Another process holds the lock."""

    exit_code = RESUMABLE


class InterruptedRunError(QuantfoundryError):
    """Stopped by a signal after saving; the same run key resumes."""

    exit_code = RESUMABLE


class SourceUnreachableError(QuantfoundryError):
    """The place that data comes from does not answer, or not in full; trying again later can help."""

    exit_code = RESUMABLE


class ServerUnreachableError(QuantfoundryError):
    """A server that runs things for us does not answer, or is too busy to; trying again later can help."""

    exit_code = RESUMABLE


class EnvironmentMissingError(QuantfoundryError):
    """A package, device or service that the step needs is not there."""


class ForecasterDeviceError(QuantfoundryError):
    """The forecaster is asked to run on a device that it refuses."""


class ForecasterTooSlowError(QuantfoundryError):
    """The forecaster would take longer than its step may."""


class PlanError(QuantfoundryError):
    """What a pipeline will ask of the cluster has no bound, or no price."""


class OverBudgetError(QuantfoundryError):
    """A run can cost more than it may."""

    exit_code = OVER_BUDGET
