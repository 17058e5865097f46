"""Judge a bundle: predict the test zone, ask the gates, sign the verdict, write the report."""

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from components.core.bundle import Bundle
from components.core.code import code_digest
from components.core.errors import ArtifactError
from components.core.family import Family
from components.core.files import digest_of, read_json
from components.core.judge import JudgeConfig, Metric
from components.core.lineage import EXAMPLES, carry
from components.core.recipe import HOLDOUT
from components.core.run_context import RunContext
from components.core.span import Span
from components.core.trials import Trial, overlapping, record
from components.core.verdict import GateResult, Measurement, Outcome, Verdict
from components.validate.attribution import attribute
from components.validate.case import Answer
from components.validate.causality import answer_causality, feature_causality
from components.validate.gates import evaluate, overall
from components.validate.holdout import Opening, ask_holdout
from components.validate.kinds import Kind, Table, kind_asked, kind_of
from components.validate.measures import Measured
from components.validate.parity import parity
from components.validate.population import population_drift
from components.validate.published import publish
from components.validate.returns import file_of
from components.validate.sections import Findings
from components.validate.zone import Rows

TEST, TRAIN = "test", "train"
HISTORY = "history.json"


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
) -> Verdict:
    """Return the verdict; write what ``publish`` does to ``out``.

    The manifests of the examples, and of what they were made of, are copied beside it. As in ``weigh``.
    """
    findings = weigh(
        bundle, examples, run, config=config, family=family, champion=champion, ledger_length=ledger_length,
        threads=threads,
    )  # fmt: skip
    carry(examples, EXAMPLES, out)
    publish(findings, bundle, out, run)
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
) -> Findings:
    """Return the verdict, unsigned, and everything behind it.

    Anything that offers ``predict(bundle, examples, zone=, threads=)`` and returns one of the tables of
    ``components/market/predictions.py`` can be judged. Of classes and scores the training zone is predicted too:
    its labels are what the peers of the gates learn from.
    Before any gate is asked, the bundle is written into the ledger of trials; before the holdout is, which is when
    every other gate has passed, into that of the openings: whoever weighs the same again adds nothing to either.
    Examples without a test zone give insufficient evidence. ``ledger_length`` is that of the promotions whose
    champion this is.

    Raises:
        ArtifactError: If the bundle was trained on other examples, whose test zone may be another, or if a
            ledger was altered.
    """
    manifest = _manifest_of(bundle, examples)
    rival = champion if config.compare_with_champion else None
    say = partial(_say, family=family, examples=examples, manifest=manifest, threads=threads)
    heard = _hear(bundle, rival, say, config=config)
    bars_per_year = float(manifest["bars_per_year"])
    returns = file_of(heard.zone, config, bars_per_year=bars_per_year)
    trials = _record(bundle, heard, manifest, run, config=config, returns=returns)
    same = parity(bundle, examples, heard.tested, family, threads=threads)
    causality = _causality(bundle, heard, manifest, examples, config=config, family=family, threads=threads)
    results = _ask(
        bundle, heard, say, trials=trials, same=same, causality=causality, manifest=manifest, run=run, config=config
    )
    zone = heard.zone
    evidence = heard.kind.evidence(zone, heard.past_zone, config, bars_per_year=bars_per_year)
    worth, drift = None, dict[str, Measurement]()
    if not zone.defect() and isinstance(same, Measured):
        worth = attribute(bundle, examples, zone=TEST, seed=config.seed, threads=threads)
        drift = population_drift(examples, zone=TEST, seed=config.seed)
    outcome = overall(results)
    verdict = Verdict(
        verdict=outcome,
        reason=_reason(outcome, results, zone, itself=rival is not None and rival.digest == bundle.digest),
        gates=results,
        metrics=evidence.metrics(TEST) | (worth.measurements(TEST) if worth else {}) | drift,
        family=family.name,
        dataset=manifest["dataset"],
        bundle_digest=bundle.digest,
        recipe_digest=digest_of(bundle.manifest["config"]),
        examples_digest=manifest["digest"],
        features_digest=manifest["features_digest"],
        snapshot_digest=manifest["snapshot_digest"],
        snapshot_seal=manifest["snapshot_seal"],
        code_digest=code_digest(),
        python=platform.python_version(),
        numpy=metadata.version("numpy"),
        champion_digest=champion.digest if champion else None,
        ledger_length=ledger_length,
        num_trials=len(trials),
        judge=config,
        run_key=run.run_key,
        created=run.clock().isoformat(timespec="seconds"),
    )
    return Findings(
        verdict=verdict, title=family.title, zone=zone, evidence=evidence, usable=not zone.defect(),
        examples=manifest, attribution=worth, history=_history(bundle), versions=_versions(bundle),
        returns=returns,
    )  # fmt: skip


@dataclass(frozen=True)
class _Heard:
    """What the models say."""

    kind: Kind
    tested: Table
    """Of the test zone."""
    past: Table | None
    """Of the training zone, if peers learn from it."""
    champion: Table | None
    """The champion, of the test zone, if it is asked."""

    @property
    def zone(self) -> Rows[Any]:
        """The test zone."""
        return self.kind.zone(self.tested)

    @property
    def past_zone(self) -> Rows[Any] | None:
        """The training zone, if peers learn from it."""
        return self.kind.zone(self.past) if self.past else None


def _say(
    model: Bundle, zone: str, *, family: Family, examples: Path, manifest: Mapping[str, Any], threads: int
) -> Table | None:
    """Return what a model says of a zone; None if there is no such zone."""
    if not manifest["zones"].get(zone, {}).get("rows"):
        return None
    table: Table = family.module("predict").predict(model, examples, zone=zone, threads=threads)
    return table


def _hear(
    bundle: Bundle, rival: Bundle | None, say: Callable[[Bundle, str], Table | None], *, config: JudgeConfig
) -> _Heard:
    """Return what bundle and rival say; without a test zone nothing, of the kind that the gates ask about."""
    tested = say(bundle, TEST)
    kind = kind_of(tested) if tested else kind_asked(config.gates)
    return _Heard(
        kind,
        tested=tested or kind.nothing,
        past=say(bundle, TRAIN) if kind.learns and tested else None,
        champion=(say(rival, TEST) or kind.nothing) if rival else None,
    )


def _record(
    bundle: Bundle, heard: _Heard, manifest: Mapping[str, Any], run: RunContext,
    *, config: JudgeConfig, returns: bytes | None,
) -> tuple[Trial, ...]:  # fmt: skip
    """Write down that the bundle is looked at, before any gate is asked; return all trials on days of the zone."""
    if not heard.tested.label.size:
        return ()
    zone, past = heard.zone, heard.past_zone
    score = math.nan if zone.defect() or (past and past.defect()) else heard.kind.trial_score(zone, past, config)
    trial = Trial(
        kind="judge",
        run_key=run.run_key,
        bundle=bundle.digest,
        recipe=digest_of(bundle.manifest["config"]),
        examples=manifest["digest"],
        span=Span.of_zone(manifest, TEST),
        num_times=zone.num_times,
        score=score if math.isfinite(score) else None,
        returns=sha256(returns).hexdigest() if returns is not None else None,
    )
    ledger = run.workspace.trials(bundle.manifest["family"], manifest["dataset"])
    return overlapping(record(ledger, trial), trial.span)


def _causality(
    bundle: Bundle, heard: _Heard, manifest: Mapping[str, Any], examples: Path,
    *, config: JudgeConfig, family: Family, threads: int,
) -> Mapping[Metric, Answer]:  # fmt: skip
    """Return whether features and answers know what comes later."""
    say = partial(family.module("predict").predict, bundle, zone=TEST, threads=threads)
    return {
        "feature_causality": feature_causality(manifest, family),
        "answer_causality": answer_causality(heard.zone, say, examples, manifest, seed=config.seed),
    }


def _ask(
    bundle: Bundle,
    heard: _Heard,
    say: Callable[[Bundle, str], Table | None],
    *,
    trials: tuple[Trial, ...],
    same: Answer | None,
    manifest: Mapping[str, Any],
    run: RunContext,
    config: JudgeConfig,
    causality: Mapping[Metric, Answer],
) -> tuple[GateResult, ...]:
    """Return the answers of the gates about the test zone, and then of those about the holdout."""
    bars_per_year = float(manifest["bars_per_year"])
    scores = tuple(trial.score for trial in trials if trial.score is not None)
    results = evaluate(
        heard.tested, config, bars_per_year=bars_per_year, champion=heard.champion, past=heard.past,
        trial_scores=scores, parity=same, causality=causality,
    )  # fmt: skip
    return results + ask_holdout(
        lambda: say(bundle, HOLDOUT) or heard.kind.nothing,
        Opening.of(bundle, manifest, config, run_key=run.run_key),
        run.workspace.holdouts(bundle.manifest["family"], manifest["dataset"]),
        config, passed=overall(results) == "pass", bars_per_year=bars_per_year, past=heard.past,
    )  # fmt: skip


def _manifest_of(bundle: Bundle, examples: Path) -> dict[str, Any]:
    """Return the manifest of the examples, if they are those of the bundle's own run."""
    manifest = read_json(examples / "manifest.json")
    trained_on = bundle.manifest["data"].get("examples")
    if trained_on not in (None, manifest["digest"]):
        raise ArtifactError(
            f"{bundle.folder}: trained on examples {trained_on[:12]}, not on {manifest['digest'][:12]} in {examples}. "
            "Judge it on the examples of its own run: only their test zone is sure to be unseen"
        )
    return manifest


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
