"""Which model answers now: the champion where it can be trusted, else the family's baseline, and why.

The pointer ``latest.json`` is read at every question, so a promotion or a rollback takes effect
without a restart. A model that cannot be used is never an error here: it is a reason.
"""

import importlib.util
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from components.core import family as families
from components.core.clock import Clock, system_clock
from components.core.errors import ArtifactError, EnvironmentMissingError, QuantfoundryError
from components.core.files import inside, read_json
from components.core.workspace import Workspace
from components.serving.loader import GRAPH, Array, Served, Windows, load

log = logging.getLogger(__name__)

Reason = Literal["trained", "no_model", "runtime_missing", "torch_missing", "load_failed", "too_old", "other_forecasts"]
Predict = Callable[[Windows], dict[str, Array]]

LATEST: Final = "latest.json"
RETRY_AFTER: Final = timedelta(minutes=1)
"""How long a model that did not load is left alone, unless the pointer changes before."""


@dataclass(frozen=True)
class Answer:
    """What answers now."""

    predict: Predict
    """Outputs by name, one entry per window of raw features, float32 [n, time, feature]."""
    reason: Reason
    """``trained``, or why it is the baseline."""
    version: int = 0
    """Number of the promoted version; 0 is the baseline."""
    served: Served | None = None
    """The model, if it is trained."""

    @property
    def digest(self) -> str:
        """Digest of the bundle; empty for the baseline."""
        return self.served.digest if self.served else ""


@dataclass(frozen=True)
class _Pointer:
    folder: str
    bundle: str
    version: int
    promoted: datetime

    @classmethod
    def read(cls, path: Path) -> "_Pointer":
        values = read_json(path)
        folder, bundle, version = values.get("folder"), values.get("bundle"), values.get("number")
        if not isinstance(folder, str) or not isinstance(bundle, str) or not isinstance(version, int):
            raise ArtifactError(f"{path}: names no folder, bundle and number. Promote the model again")
        try:
            promoted = datetime.fromisoformat(str(values.get("timestamp")))
        except ValueError:
            raise ArtifactError(f"{path}: timestamp {values.get('timestamp')!r:.60} is none") from None
        if promoted.tzinfo is None:
            raise ArtifactError(f"{path}: timestamp {values['timestamp']!r} has no time zone")
        return cls(folder, bundle, version, promoted)


class ModelSource:
    """The model of one family on one dataset, as it is promoted now."""

    def __init__(
        self,
        root: str,
        family: str,
        dataset: str,
        *,
        max_age: timedelta | None = None,
        clock: Clock = system_clock,
        baseline: Predict | None = None,
        forecast_source: str | None = None,
        threads: int = 1,
    ) -> None:
        """Name the model; ``max_age`` counts from its promotion, ``baseline`` is the family's own by default.

        ``forecast_source`` is what made the forecasts among the features that it will be given, if it reads any.

        Raises:
            UsageError: If there is no such family, or the dataset's name is none.
        """
        member = families.find(family)
        self._columns = tuple(column for names in member.columns.values() for column in names)
        self._outputs = tuple(output.name for output in member.outputs)
        self._name, self._folder = f"{member.name} on {dataset}", Workspace.at(root).model(member.name, dataset)
        self._baseline: Predict = baseline or member.module("baseline").predict
        self._max_age, self._clock, self._threads = max_age, clock, threads
        self._forecast_source = forecast_source
        self._served: Served | None = None
        self._failed: tuple[_Pointer, datetime, Reason, str] | None = None
        self._told: tuple[Any, ...] = ()
        self._lock = threading.Lock()

    def current(self) -> Answer:
        """Return what answers now; a change of it is logged once, with the reason."""
        with self._lock:
            try:
                answer, text = self._find()
            except (QuantfoundryError, OSError, ValueError) as error:  # an unreadable pointer
                answer, text = Answer(self._baseline, "load_failed"), str(error)
            self._tell(answer, text)
            return answer

    def _tell(self, answer: Answer, text: str) -> None:
        told = (answer.reason, answer.version, answer.digest, text)
        if told != self._told:
            self._told = told
            level = logging.INFO if answer.reason == "trained" else logging.WARNING
            log.log(level, "%s answers: %s. %s", self._name, answer.reason, text)

    def _find(self) -> tuple[Answer, str]:
        path = self._folder / LATEST
        if not path.exists():
            return Answer(self._baseline, "no_model"), f"{path} is not there: no model was promoted. Run the training"
        pointer = _Pointer.read(path)
        if self._max_age is not None and self._clock() - pointer.promoted > self._max_age:
            text = f"version {pointer.version} is of {pointer.promoted.isoformat()}, older than {self._max_age}"
            return Answer(self._baseline, "too_old"), f"{text}. Train it again"
        reason, text = self._load(pointer)
        if reason == "trained" and self._served is not None:
            if (theirs := self._served.forecast_source) != self._forecast_source:
                ours = f"the features have those by {self._forecast_source!r}"
                return Answer(self._baseline, "other_forecasts"), f"trained on forecasts by {theirs!r}, {ours}"
            return Answer(self._served.predict, reason, pointer.version, self._served), text
        return Answer(self._baseline, reason), text

    def _load(self, pointer: _Pointer) -> tuple[Reason, str]:
        """Have the pointer's model in ``_served``, or return why it cannot be."""
        if self._served is None or self._served.digest != pointer.bundle:
            now = self._clock()
            if self._failed and self._failed[0] == pointer and now - self._failed[1] < RETRY_AFTER:
                return self._failed[2:]
            self._served = None
            try:
                self._served = self._fitting(pointer)
            except (QuantfoundryError, OSError, ValueError, MemoryError) as error:
                reason = self._why(error, pointer)
                self._failed = (pointer, now, reason, str(error))
                return reason, str(error)
        self._failed = None
        return "trained", f"version {pointer.version}, bundle {pointer.bundle[:12]}"

    def _fitting(self, pointer: _Pointer) -> Served:
        served = load(inside(self._folder, pointer.folder), expect=pointer.bundle, threads=self._threads)
        for found, wanted, what in (
            (served.signature.columns, self._columns, "columns"),
            (served.signature.outputs, self._outputs, "outputs"),
        ):
            if found != wanted:
                raise ArtifactError(f"{pointer.folder}: its {what} are {found}, the family's {wanted}. Train it again")
        return served

    def _why(self, error: Exception, pointer: _Pointer) -> Reason:
        if isinstance(error, EnvironmentMissingError):
            return "runtime_missing"
        folder = self._folder / pointer.folder
        only_torch_reads_it = (folder / "weights.safetensors").is_file() and not (folder / GRAPH).is_file()
        return "torch_missing" if only_torch_reads_it and importlib.util.find_spec("torch") is None else "load_failed"
