"""Make the verdict of a promoted version again, from the bars on, and compare every number.

Bars come from the store by their digest, or again from a synthetic market; features and examples are made anew; the
kept bundle is judged by the recorded judge against the recorded champion. Nothing is registered, signed or promoted.
"""
# pyright: reportUnknownVariableType=false

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import cast

from components.assemble.examples import assemble
from components.core import family as families
from components.core.bundle import Bundle
from components.core.code import code_digest
from components.core.errors import ArtifactError
from components.core.files import read_json
from components.core.lineage import EXAMPLES, SNAPSHOT
from components.core.registry import ModelHistory, Promotion
from components.core.run_context import RunContext
from components.core.verdict import Verdict
from components.core.workspace import Workspace
from components.features.materialize import features_of
from components.ingest.snapshot import ingest
from components.market.snapshot import read_manifest, read_snapshot
from components.market.synthetic import is_synthetic
from components.validate.judge import weigh

WHERE_AND_WHEN = {"code_digest", "python", "numpy", "snapshot_seal"}
"""What a verdict says of the place and the hour: another machine may say something else, and the numbers not."""


@dataclass(frozen=True)
class Comparison:
    """One number, or one answer, then and now."""

    name: str
    recorded: object
    again: object

    @property
    def difference(self) -> float | None:
        """How far apart two numbers are; None where either is none."""
        if isinstance(self.recorded, float) and isinstance(self.again, float):
            return abs(self.recorded - self.again)
        return None


@dataclass(frozen=True)
class Replay:
    """What came of it."""

    recorded: Verdict
    again: Verdict | None
    """None if the examples could not be made again: on others nothing may be judged."""
    changed: tuple[Comparison, ...]
    """What is not the same: of the verdict, or of the examples' manifest if those differ."""
    compared: tuple[Comparison, ...]
    """Every number of the gates and of the metrics."""
    notes: tuple[str, ...]
    """What is known to be different here: code, Python, numpy."""

    @property
    def same(self) -> bool:
        """Whether everything came out as it was recorded."""
        return self.again is not None and not self.changed


def replay(workspace: Workspace, history: ModelHistory, promotion: Promotion, folder: Path) -> Replay:
    """Judge a promoted version again; ``folder`` is filled with what is made on the way.

    Raises:
        ArtifactError: If its bundle, verdict, snapshot or champion is gone or was altered.
    """
    recorded, bundle = promotion.verdict(workspace.verify_key), promotion.load()
    run = {"root": str(folder / "root"), "run_key": "replay"}
    member, examples = families.find(recorded.family), folder / "examples"
    features_of(_snapshot(workspace, promotion, recorded, folder, run), folder / "features")
    recipe = member.config.parse(bundle.manifest["config"], name=str(bundle.folder)).canonical()
    assemble(str(folder / "features"), member.name, recipe, out=str(examples), **run)
    manifest = read_json(examples / "manifest.json")
    if manifest["digest"] != recorded.examples_digest:
        changed = _differences(_leaves(read_json(promotion.evidence / EXAMPLES)), _leaves(manifest))
        return Replay(recorded, None, changed, (), _notes(recorded))
    again = weigh(
        bundle,
        examples,
        RunContext("replay", recorded.run_key, workspace, clock=lambda: datetime.fromisoformat(recorded.created)),
        config=recorded.judge,
        family=member,
        champion=_champion(history, recorded),
        ledger_length=recorded.ledger_length,
    ).verdict
    then, now = (_leaves(verdict.model_dump(mode="json", exclude=WHERE_AND_WHEN)) for verdict in (recorded, again))
    measured = [name for name, value in then.items() if isinstance(value, float) and not name.startswith("judge.")]
    compared = tuple(Comparison(name, then[name], now.get(name)) for name in measured)
    return Replay(recorded, again, _differences(then, now), compared, _notes(recorded))


def _snapshot(
    workspace: Workspace, promotion: Promotion, recorded: Verdict, folder: Path, run: Mapping[str, str]
) -> Path:
    """Return the folder of the bars: the store's, or, of a synthetic market, one that is made again."""
    kept = workspace.snapshots(recorded.dataset) / recorded.snapshot_digest
    if not kept.exists():
        manifest = read_manifest(promotion.evidence / SNAPSHOT)
        if not is_synthetic(manifest["source"]):
            raise ArtifactError(f"{kept}: the snapshot is gone. Restore it from a backup")
        kept = folder / "snapshot"
        ingest(
            manifest["source"],
            symbols=",".join(manifest["symbols"]),
            asof=manifest["asof"],
            dataset=recorded.dataset,
            faults="quarantine" if "quarantine" in manifest else "refuse",
            layout="",
            max_restated=1.0,
            context="",
            options="",
            out=str(kept),
            quality=str(folder / "quality.html"),
            **run,
        )
    digest = read_snapshot(kept)[1]["digest"]
    if digest != recorded.snapshot_digest:
        raise ArtifactError(f"{kept}: snapshot {digest[:12]}, the verdict names {recorded.snapshot_digest[:12]}")
    return kept


def _champion(history: ModelHistory, recorded: Verdict) -> Bundle | None:
    if recorded.champion_digest is None:
        return None
    for promotion in history.promoted:
        if promotion.bundle == recorded.champion_digest:
            return promotion.load()
    raise ArtifactError(f"champion {recorded.champion_digest[:12]} is no version of {history.family}")


def _notes(recorded: Verdict) -> tuple[str, ...]:
    found = {"code": code_digest(), "Python": platform.python_version(), "numpy": metadata.version("numpy")}
    named = {"code": recorded.code_digest, "Python": recorded.python, "numpy": recorded.numpy}
    return tuple(
        f"{key} was {named[key]:.12}, here it is {found[key]:.12}" for key in named if named[key] != found[key]
    )


def _leaves(value: object, name: str = "") -> dict[str, object]:
    """Return every leaf of a JSON document by its dotted name; a gate is named by its metric."""
    if isinstance(value, dict):
        items = [(f"{name}.{key}".lstrip("."), item) for key, item in cast("dict[str, object]", value).items()]
    elif isinstance(value, list):
        items = [(f"{name}.{_place(item, place)}", item) for place, item in enumerate(cast("list[object]", value))]
    else:
        return {name: value}
    return {leaf: found for key, item in items for leaf, found in _leaves(item, key).items()}


def _place(item: object, place: int) -> str:
    if not isinstance(item, dict) or "metric" not in item:
        return str(place)
    gate = cast("dict[str, object]", item)
    return " ".join(str(gate[key]) for key in ("metric", "zone") if key in gate)


def _differences(then: Mapping[str, object], now: Mapping[str, object]) -> tuple[Comparison, ...]:
    names = [*then, *(name for name in now if name not in then)]
    return tuple(Comparison(name, then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name))
