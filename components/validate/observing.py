"""The champion on days that came after all that it was judged on: what it is worth there, and how the market moved.

It looks at the champion alone. Days that it looks at may be sealed to the next model: what is learned here chooses
no model, only when to train one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.core import family as families
from components.core import registry
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, DataError
from components.core.family import Family
from components.core.files import read_json, write_json
from components.core.judge import GateConfig, JudgeConfig
from components.core.lineage import EXAMPLES
from components.core.recipe import HOLDOUT
from components.core.registry import Promotion
from components.core.run_context import RunContext, open_run
from components.core.span import Span
from components.core.verdict import Verdict
from components.learning.examples import read_examples
from components.market.examples_manifest import examples_digest
from components.validate.gates import evaluate
from components.validate.hearing import TEST, TRAIN
from components.validate.kinds import Table, kind_of
from components.validate.steadiness import steadiness

OBSERVED: Final = "observed.json"
THREADS: Final = 1


def observe(examples: str, *, family: str, dataset: str, out: str, root: str, run_key: str) -> dict[str, Any]:
    """Write what is seen of the champion to ``out`` and return it; without a champion, that there is none.

    Raises:
        SystemExit: With 65 if examples, champion or its verdict cannot be trusted, or do not belong together.
    """
    with open_run("observe", root=root, run_key=run_key) as run:
        member = families.find(family)
        champion = registry.history(run.workspace, member.name, dataset).champion
        facts: dict[str, Any] = {"family": member.name, "dataset": dataset, "champion": None}
        if champion is not None:
            facts |= observed(champion, Path(examples), member, run)
        write_json(Path(out) / OBSERVED, facts)
        run.record(**facts)
        return facts


def observed(champion: Promotion, examples: Path, member: Family, run: RunContext) -> dict[str, Any]:
    """Return the champion's facts, its ``skill`` then and since, and the ``drift`` of its features.

    Raises:
        ArtifactError, DataError: As in ``observe``.
        PromotionRefusedError: If its verdict was altered.
    """
    bundle, verdict = champion.load(), champion.verdict(run.workspace.verify_key)
    here = read_json(examples / "manifest.json")
    _require_same_question(bundle, here)
    watched = _Watched(bundle, verdict, _judged_on(champion, verdict), member, examples)
    data = read_examples(examples)
    times = data.panel.timestamps
    live, training = times > _moment(watched.last), _within(times, Span.of_zone(watched.judged, TRAIN))
    found = steadiness(data, training=training, live=live, seed=verdict.judge.seed)
    return {
        "champion": {"version": champion.version, "bundle": champion.bundle, "promoted": champion.entry["at"]},
        "judged_until": watched.last,
        "newest": str(times[-1]),
        "num_live_times": int(live.sum()),
        "examples": here["digest"],
        "skill": watched.skill(),
        "drift": _plain(asdict(found)),
    }


def _judged_on(champion: Promotion, verdict: Verdict) -> Mapping[str, Any]:
    """Return the manifest of the examples that the champion was judged on, as its verdict names it."""
    manifest = read_json(champion.evidence / EXAMPLES)
    if examples_digest(manifest) != verdict.examples_digest:
        raise ArtifactError(f"{champion.evidence / EXAMPLES}: is not what the verdict names. Restore it from a backup")
    return manifest


def _require_same_question(bundle: Bundle, manifest: Mapping[str, Any]) -> None:
    asked = bundle.manifest["config"]["data"]["horizon"]
    if manifest["horizon"] != asked:
        raise DataError(
            f"labels are {manifest['horizon']} bars ahead, the champion was asked about {asked}",
            file="examples",
            remedy="Give the parameter recipe the champion's own data.horizon",
        )


@dataclass(frozen=True)
class _Watched:
    """A champion, and what it is asked about on which examples."""

    bundle: Bundle
    verdict: Verdict
    judged: Mapping[str, Any]
    """Manifest of the examples that it was judged on."""
    member: Family
    examples: Path
    """Those of today."""

    def says(self, zone: str) -> Table:
        table: Table = self.member.module("predict").predict(self.bundle, self.examples, zone=zone, threads=THREADS)
        return table

    @property
    def last(self) -> str:
        """The last time that it was judged on, or trained."""
        return max(Span.of_zone(self.judged, zone).last for zone in self.judged["zones"])

    def skill(self) -> list[dict[str, Any]]:
        """Return each question of the sealed holdout, as it was answered ``then`` and on the live days ``now``."""
        table, past = self.says(TEST), None
        live = _rows_of(table, table.timestamp > _moment(self.last))
        if kind_of(table).learns:
            table = self.says(TRAIN)
            past = _rows_of(table, _within(table.timestamp, Span.of_zone(self.judged, TRAIN)))
        config, bars_per_year = self.verdict.judge, float(self.judged["bars_per_year"])
        then = {gate.metric: gate for gate in self.verdict.gates if gate.zone == HOLDOUT}
        asked = [gate for gate in config.gates if gate.zone == HOLDOUT]
        now = [evaluate(live, _alone(gate, config), bars_per_year=bars_per_year, past=past)[0] for gate in asked]
        return [
            {"then": then[gate.metric].model_dump(mode="json"), "now": answer.model_dump(mode="json")}
            for gate, answer in zip(asked, now, strict=True)
        ]


def _alone(gate: GateConfig, config: JudgeConfig) -> JudgeConfig:
    """Return settings for one question of the live days, which need not hold every class."""
    return config.model_copy(
        update={"gates": (gate.model_copy(update={"zone": TEST}),), "min_rows_per_class": 0}
    )  # fmt: skip


def _rows_of(table: Table, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Table:
    rows: Table = kind_of(table).zone(table).rows(np.flatnonzero(chosen)).predictions
    return rows


def _plain(value: Any) -> Any:
    """Return it as JSON has it: null where a number is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _moment(text: str) -> np.datetime64:
    return np.datetime64(datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None), "us")


def _within(times: np.ndarray[Any, np.dtype[np.datetime64]], span: Span) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return (times >= _moment(span.first)) & (times <= _moment(span.last))
