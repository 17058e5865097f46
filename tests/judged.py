"""Bundles and verdicts as the judge would give them, without training anything."""

import json
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import family as families
from components.core.bundle import Bundle
from components.core.files import digest_of
from components.core.judge import CHAMPION_METRICS, SERVED_METRICS, GateConfig, JudgeConfig
from components.core.lineage import EXAMPLES
from components.core.registry import ModelHistory
from components.core.verdict import VERDICT, GateResult, Verdict, write
from components.core.workspace import Workspace
from components.promote.demands import demanded


def make_bundle(folder: Path, weight: int, *, family: str = "price_action", config: Any = None) -> Bundle:
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes([weight] * 64))
    config = config or {"train": {"lr": 0.1}}
    return bundles.seal(folder, family=family, config=config, schema={}, data={}, notes={})


def answer(gate: GateConfig) -> GateResult:
    """Return the answer of a gate that passes by a hundredth."""
    up = 1 if gate.side == "above" else -1
    shared = {name: getattr(gate, name) for name in GateConfig.model_fields if name in GateResult.model_fields}
    value, edge = gate.bound + 0.02 * up, gate.bound + 0.01 * up
    ends = {"lower": min(value, edge), "upper": max(value, edge)}
    return GateResult(**shared, title="Is it?", value=value, **ends, outcome="pass", reason="because")


def make_verdict(bundle: Bundle, dataset: str, before: ModelHistory | None = None, /, **changes: Any) -> Verdict:
    """Return a pass by the family's own judge, given after ``before``; ``changes`` replaces fields."""
    champion = before.champion if before else None
    judge: JudgeConfig = changes.get("judge", demanded(str(bundle.manifest["family"])))
    serves = bool(families.find(str(bundle.manifest["family"])).outputs)
    left_out = (CHAMPION_METRICS if not champion else frozenset()) | (SERVED_METRICS if not serves else frozenset())
    gates = [gate for gate in judge.gates if gate.metric not in left_out]
    fields: dict[str, Any] = {
        "verdict": "pass", "reason": "because", "gates": tuple(answer(gate) for gate in gates),
        "metrics": {}, "family": bundle.manifest["family"], "dataset": dataset, "bundle_digest": bundle.digest,
        "recipe_digest": digest_of(bundle.manifest["config"]), "examples_digest": "e" * 64,
        "features_digest": "f" * 64, "snapshot_digest": "a" * 64, "snapshot_seal": "b" * 64, "code_digest": "c" * 64,
        "python": "3.11", "numpy": "2", "champion_digest": champion.bundle if champion else None,
        "ledger_length": before.length if before else 0, "judge": judge, "run_key": "k",
        "created": "2026-01-05T12:00:00+00:00",
    }  # fmt: skip
    return Verdict(**(fields | changes))


def lay_down(folder: Path, verdict: Verdict, workspace: Workspace) -> Path:
    """Write a verdict, signed, and what lies beside it; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EXAMPLES).write_text(json.dumps({"digest": verdict.examples_digest}))
    write(folder / VERDICT, verdict, workspace.signing_key)
    return folder
