"""A bundle before the judge: what it says of the zones, who is heard beside it, and who was looked at before."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.family import Family
from components.core.files import digest_of, read_json
from components.core.judge import JudgeConfig, Metric
from components.core.run_context import RunContext
from components.core.span import Span
from components.core.trials import Trial, overlapping, record
from components.market.examples_manifest import require_same_forecasts
from components.validate.case import Answer
from components.validate.causality import answer_causality, feature_causality
from components.validate.kinds import Kind, Table, kind_asked, kind_of
from components.validate.parity import parity
from components.validate.returns import file_of
from components.validate.zone import Rows

TEST: Final = "test"
TRAIN: Final = "train"


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Everything that the gates are asked about; what costs something is computed once, when it is asked for.

    Anything that offers ``predict(bundle, examples, zone=, threads=)`` and returns one of the tables of
    ``components/market/predictions.py`` can be heard.
    """

    bundle: Bundle
    examples: Path
    run: RunContext
    config: JudgeConfig
    family: Family
    champion: Bundle | None
    threads: int

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the examples, if they are those of the bundle's own run.

        Raises:
            ArtifactError: If the bundle was trained on others, whose test zone may be another, or on other forecasts.
        """
        manifest = read_json(self.examples / "manifest.json")
        trained_on = self.bundle.manifest["data"].get("examples")
        if trained_on not in (None, manifest["digest"]):
            raise ArtifactError(
                f"{self.bundle.folder}: trained on examples {trained_on[:12]}, not on {manifest['digest'][:12]} in "
                f"{self.examples}. Judge it on the examples of its own run: only their test zone is sure to be unseen"
            )
        require_same_forecasts(self.bundle, manifest)
        return manifest

    def says(self, model: Bundle, zone: str) -> Table | None:
        """Return what a model says of a zone; None if there is no such zone."""
        if not self.manifest["zones"].get(zone, {}).get("rows"):
            return None
        table: Table = self.family.module("predict").predict(model, self.examples, zone=zone, threads=self.threads)
        return table

    @cached_property
    def _answer(self) -> Table | None:
        return self.says(self.bundle, TEST)

    @cached_property
    def kind(self) -> Kind:
        """Of the answers; without a test zone, of what the gates ask about."""
        return kind_of(self._answer) if self._answer else kind_asked(self.config.gates)

    @property
    def tested(self) -> Table:
        """What the bundle says of the test zone; nothing if there is none."""
        return self._answer or self.kind.nothing

    @cached_property
    def past(self) -> Table | None:
        """What it says of the training zone, whose labels are what peers learn from, for the kinds that have some."""
        return self.says(self.bundle, TRAIN) if self.kind.learns and self._answer else None

    @property
    def rival(self) -> Bundle | None:
        """The champion, if it is compared with."""
        return self.champion if self.config.compare_with_champion else None

    @cached_property
    def rival_says(self) -> Table | None:
        """What the champion says of the test zone, if it is asked."""
        return (self.says(self.rival, TEST) or self.kind.nothing) if self.rival else None

    @property
    def zone(self) -> Rows[Any]:
        """The test zone."""
        return self.kind.zone(self.tested)

    @property
    def decisions_per_year(self) -> float:
        """Decision times in a year of the examples."""
        return float(self.manifest["bars_per_year"]) / self.zone.bars_per_decision

    @property
    def past_zone(self) -> Rows[Any] | None:
        """The training zone, if peers learn from it."""
        return self.kind.zone(self.past) if self.past else None

    @cached_property
    def returns(self) -> bytes | None:
        """The file of what trading earned at each decision time of the test zone, where anything is traded."""
        return file_of(self.zone, self.config, bars_per_year=self.decisions_per_year)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All models that were looked at on days of the test zone, this one, which is written down, the last.

        Raises:
            ArtifactError: If the ledger was altered.
        """
        if not self.tested.label.size:
            return ()
        zone, past = self.zone, self.past_zone
        broken = zone.defect() or (past and past.defect())
        score = math.nan if broken else self.kind.trial_score(zone, past, self.config)
        trial = Trial(
            kind="judge",
            run_key=self.run.run_key,
            bundle=self.bundle.digest,
            recipe=digest_of(self.bundle.manifest["config"]),
            examples=self.manifest["digest"],
            span=Span.of_zone(self.manifest, TEST),
            num_times=zone.num_times,
            score=score if math.isfinite(score) else None,
            returns=sha256(self.returns).hexdigest() if self.returns is not None else None,
        )
        ledger = self.run.workspace.trials(self.bundle.manifest["family"], self.manifest["dataset"])
        return overlapping(record(ledger, trial), trial.span)

    @cached_property
    def parity(self) -> Answer | None:
        """How far what is served is from what is judged; None of a family that serves nothing."""
        return parity(self.bundle, self.examples, self.tested, self.family, threads=self.threads)

    @cached_property
    def causality(self) -> Mapping[Metric, Answer]:
        """Whether features and answers know what comes later."""
        say = partial(self.family.module("predict").predict, self.bundle, zone=TEST, threads=self.threads)
        answers = answer_causality(self.zone, say, self.examples, self.manifest, seed=self.config.seed)
        return {"feature_causality": feature_causality(self.manifest, self.family), "answer_causality": answers}
