"""Judge a bundle: predict the test zone, ask the gates, sign the verdict, write the report."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.family import Family
from components.core.files import atomic_file, digest_of, read_json, write_json
from components.core.judge import JudgeConfig
from components.core.run_context import RunContext
from components.core.verdict import VERDICT, GateResult, Outcome, Verdict, write
from components.validate.causality import answer_causality, feature_causality
from components.validate.gates import evaluate, overall
from components.validate.kinds import Kind, Table, kind_asked, kind_of
from components.validate.report import render
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
    threads: int = 1,
) -> Verdict:
    """Return the verdict; write ``verdict.json`` (signed), ``metrics.json`` and ``report.html`` to ``out``.

    Anything that offers ``predict(bundle, examples, zone=, threads=)`` and returns one of the tables of
    ``components/market/predictions.py`` can be judged. Of classes and scores the training zone is predicted too:
    its labels are what the peers of the gates learn from.
    The verdict is written last; the report is copied to the run's folder. Examples without a test
    zone give insufficient evidence.

    Raises:
        ArtifactError: If the bundle was trained on other examples, whose test zone may be another.
    """
    manifest = _manifest_of(bundle, examples)
    rival = champion if config.compare_with_champion else None
    heard = _hear(bundle, rival, examples, manifest, config=config, family=family, threads=threads)
    bars_per_year, zone = float(manifest["bars_per_year"]), heard.kind.zone(heard.tested)
    results = evaluate(heard.tested, config, bars_per_year=bars_per_year, champion=heard.champion, past=heard.past)
    say = partial(family.module("predict").predict, bundle, zone=TEST, threads=threads)
    results += (
        feature_causality(manifest, family),
        answer_causality(zone, say, examples, manifest, seed=config.seed),
    )
    past = heard.kind.zone(heard.past) if heard.past else None
    evidence = heard.kind.evidence(zone, past, config, bars_per_year=bars_per_year)
    outcome = overall(results)
    verdict = Verdict(
        verdict=outcome,
        reason=_reason(outcome, results, zone, itself=rival is not None and rival.digest == bundle.digest),
        gates=results,
        metrics=evidence.metrics(TEST),
        family=family.name,
        bundle_digest=bundle.digest,
        examples_digest=manifest["digest"],
        recipe_digest=digest_of(bundle.manifest["config"]),
        champion_digest=champion.digest if champion else None,
        judge=config,
        run_key=run.run_key,
        created=run.clock().isoformat(timespec="seconds"),
    )
    findings = Findings(
        verdict=verdict, title=family.title, zone=zone, evidence=evidence, usable=not zone.defect(),
        examples=manifest, history=_history(bundle), versions=_versions(bundle),
    )  # fmt: skip
    _publish(findings, out, run)
    return verdict


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


def _hear(
    bundle: Bundle,
    rival: Bundle | None,
    examples: Path,
    manifest: Mapping[str, Any],
    *,
    config: JudgeConfig,
    family: Family,
    threads: int,
) -> _Heard:
    """Return what bundle and rival say; without a test zone nothing, of the kind that the gates ask about."""

    def say(model: Bundle, zone: str) -> Table | None:
        if not manifest["zones"].get(zone, {}).get("rows"):
            return None
        table: Table = family.module("predict").predict(model, examples, zone=zone, threads=threads)
        return table

    tested = say(bundle, TEST)
    kind = kind_of(tested) if tested else kind_asked(config.gates)
    return _Heard(
        kind,
        tested=tested or kind.nothing,
        past=say(bundle, TRAIN) if kind.learns and tested else None,
        champion=(say(rival, TEST) or kind.nothing) if rival else None,
    )


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


def _publish(findings: Findings, out: Path, run: RunContext) -> None:
    """Write metrics and report, and last, signed, the verdict: once it is there, everything is."""
    verdict = findings.verdict
    write_json(out / "metrics.json", json.loads(verdict.model_dump_json())["metrics"])
    page = render(findings).encode()
    for path in (out / "report.html", run.folder / "report.html"):
        with atomic_file(path) as file:
            file.write(page)
    write(out / VERDICT, verdict, run.workspace.signing_key)
    run.log.info("%s: %s", verdict.verdict, verdict.reason)


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
    noted = {f"Trained: {key}": str(value) for key, value in bundle.manifest["notes"].items() if value}
    return {**noted, "Judged: python": platform.python_version(), "Judged: numpy": metadata.version("numpy")}
