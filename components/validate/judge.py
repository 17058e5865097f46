"""Judge a bundle: predict the test zone, ask the gates, sign the verdict, write the report."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from components.core.bundle import Bundle
from components.core.code import code_digest
from components.core.family import Family
from components.core.files import digest_of, read_json
from components.core.judge import GateConfig, JudgeConfig
from components.core.lineage import EXAMPLES, carry
from components.core.recipe import HOLDOUT
from components.core.run_context import RunContext
from components.core.verdict import GateResult, Measurement, Outcome, Verdict
from components.market.columns import FORECASTS_BY
from components.validate.attribution import attribute
from components.validate.gates import evaluate, overall
from components.validate.hearing import TEST, Hearing
from components.validate.holdout import Opening, ask_holdout
from components.validate.measures import Measured
from components.validate.population import population_drift
from components.validate.published import publish
from components.validate.sections import Findings
from components.validate.zone import Rows

HISTORY = "history.json"


@dataclass(frozen=True)
class Standing:
    """What is known of a bundle among others, beside what it is asked by itself."""

    gate: GateConfig
    result: GateResult
    metrics: Mapping[str, Measurement]


def judge(
    bundle: Bundle,
    examples: Path,
    out: Path,
    run: RunContext,
    *,
    config: JudgeConfig,
    family: Family,
    champion: Bundle | None,
    ledger_length: int = 0,
    threads: int = 1,
    standing: Standing | None = None,
) -> Verdict:
    """Return the verdict; write what ``publish`` does to ``out``.

    The manifests of the examples, and of what they were made of, are copied beside it. Of a bundle with a
    ``standing`` nothing is written to the run's folder, which belongs to all. As in ``weigh``.
    """
    findings = weigh(
        bundle, examples, run, config=config, family=family, champion=champion, ledger_length=ledger_length,
        threads=threads, standing=standing,
    )  # fmt: skip
    carry(examples, EXAMPLES, out)
    publish(findings, bundle, out, run, kept=run.folder if standing is None else out)
    return findings.verdict


def weigh(
    bundle: Bundle,
    examples: Path,
    run: RunContext,
    *,
    config: JudgeConfig,
    family: Family,
    champion: Bundle | None,
    ledger_length: int = 0,
    threads: int = 1,
    standing: Standing | None = None,
) -> Findings:
    """Return the verdict, unsigned, and everything behind it.

    A ``standing`` is one gate more.

    Before any gate is asked, the bundle is written into the ledger of trials; before the holdout is, which is when
    every other gate has passed, into that of the openings: whoever weighs the same again adds nothing to either.
    Examples without a test zone give insufficient evidence. ``ledger_length`` is that of the promotions whose
    champion this is.

    Raises:
        ArtifactError: If the bundle was trained on other examples, whose test zone may be another, or if a
            ledger was altered.
    """
    hearing = Hearing(
        bundle=bundle, examples=examples, run=run, config=config, family=family, champion=champion, threads=threads
    )
    results = _ask(hearing, standing)
    evidence = hearing.kind.evidence(hearing.zone, hearing.past_zone, config, bars_per_year=hearing.decisions_per_year)
    metrics, worth = evidence.metrics(TEST), None
    if not hearing.zone.defect() and isinstance(hearing.parity, Measured):
        worth = attribute(bundle, examples, zone=TEST, seed=config.seed, threads=threads)
        metrics |= worth.measurements(TEST) if worth else {}
        metrics |= population_drift(examples, zone=TEST, seed=config.seed)
    if standing is not None:
        metrics |= standing.metrics
        config = config.model_copy(update={"gates": (*config.gates, standing.gate)})
    return Findings(
        verdict=_verdict(hearing, results, metrics, config=config, ledger_length=ledger_length),
        title=family.title, zone=hearing.zone, evidence=evidence, usable=not hearing.zone.defect(),
        examples=hearing.manifest, attribution=worth, history=_history(bundle), versions=_versions(bundle),
        returns=hearing.returns,
    )  # fmt: skip


def _ask(hearing: Hearing, standing: Standing | None) -> tuple[GateResult, ...]:
    """Return the answers of the gates about the test zone, and then of those about the holdout."""
    bundle, config, manifest = hearing.bundle, hearing.config, hearing.manifest
    bars_per_year = hearing.decisions_per_year
    scores = tuple(trial.score for trial in hearing.trials if trial.score is not None)
    results = evaluate(
        hearing.tested, config, bars_per_year=bars_per_year, champion=hearing.rival_says, past=hearing.past,
        trial_scores=scores, parity=hearing.parity, causality=hearing.causality,
    )  # fmt: skip
    results += () if standing is None else (standing.result,)
    return results + ask_holdout(
        lambda: hearing.says(bundle, HOLDOUT) or hearing.kind.nothing,
        Opening.of(bundle, manifest, config, run_key=hearing.run.run_key),
        hearing.run.workspace.holdouts(bundle.manifest["family"], manifest["dataset"]),
        config, passed=overall(results) == "pass", bars_per_year=bars_per_year, past=hearing.past,
    )  # fmt: skip


def _verdict(
    hearing: Hearing,
    results: tuple[GateResult, ...],
    metrics: dict[str, Measurement],
    *,
    config: JudgeConfig,
    ledger_length: int,
) -> Verdict:
    """Return the verdict, bound to everything that it was made of; ``config`` holds all that was asked."""
    bundle, manifest, rival, outcome = hearing.bundle, hearing.manifest, hearing.rival, overall(results)
    itself = rival is not None and rival.digest == bundle.digest
    return Verdict(
        verdict=outcome,
        reason=_reason(outcome, results, hearing.zone, itself=itself),
        gates=results,
        metrics=metrics,
        family=hearing.family.name,
        dataset=manifest["dataset"],
        bundle_digest=bundle.digest,
        recipe_digest=digest_of(bundle.manifest["config"]),
        examples_digest=manifest["digest"],
        features_digest=manifest["features_digest"],
        forecast_source=manifest.get(FORECASTS_BY),
        snapshot_digest=manifest["snapshot_digest"],
        snapshot_seal=manifest["snapshot_seal"],
        code_digest=code_digest(),
        python=platform.python_version(),
        numpy=metadata.version("numpy"),
        champion_digest=hearing.champion.digest if hearing.champion else None,
        ledger_length=ledger_length,
        num_trials=len(hearing.trials),
        judge=config,
        run_key=hearing.run.run_key,
        created=hearing.run.clock().isoformat(timespec="seconds"),
    )


def _reason(outcome: Outcome, results: Sequence[GateResult], zone: Rows[Any], *, itself: bool) -> str:
    """Return the verdict in plain words: what was seen, and what stands in the way."""
    seen = "The examples have no test zone, so nothing was judged." if not zone.num_rows else (
        f"Judged on {zone.num_rows:,} predictions at {zone.num_times:,} decision times, "
        f"{str(zone.times[0])[:10]} to {str(zone.times[-1])[:10]}, that no part of the training saw."
    )  # fmt: skip
    note = " This bundle is the champion itself." if itself else ""
    if outcome == "pass":
        return f"All {len(results)} gates passed. {seen}{note}"
    blocking = [gate for gate in results if gate.outcome == outcome]
    words, answer = {
        "fail": ("failed", "No"),
        "insufficient evidence": ("could not be answered with enough confidence", "Not shown"),
    }[outcome]
    distinct = {gate.reason: gate for gate in reversed(blocking)}
    told = [f"{gate.title} {answer}: {gate.reason}" for gate in list(distinct.values())[::-1][:2]]
    if len(blocking) > 1 and len(distinct) == 1:
        told = [blocking[0].reason]
    return f"{len(blocking)} of {len(results)} gates {words}. {' '.join(told)} {seen}{note}"


def _history(bundle: Bundle) -> Mapping[str, Sequence[float]]:
    return read_json(bundle.path(HISTORY)) if HISTORY in bundle.manifest["files"] else {}


def _versions(bundle: Bundle) -> dict[str, str]:
    notes = {**bundle.manifest["notes"], "advice": "; ".join(bundle.manifest["notes"].get("advice", ()))}
    noted = {f"Trained: {key}": str(value) for key, value in notes.items() if value}
    return {**noted, "Judged: python": platform.python_version(), "Judged: numpy": metadata.version("numpy")}
