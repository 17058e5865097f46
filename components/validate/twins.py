"""A fleet of twins before the judge: each gets a signed verdict of its own, and has to stand out among all of them.

Source: Benjamini and Yekutieli (2001): twins share their days, so no independence is assumed.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.core import bundle as bundles
from components.core import family as families
from components.core import registry
from components.core.bundle import Bundle
from components.core.errors import DataError
from components.core.family import Family
from components.core.files import atomic_file, read_json, write_json
from components.core.judge import GateConfig, JudgeConfig
from components.core.page import page, table, text
from components.core.run_context import RunContext, open_run
from components.core.verdict import GateResult, Measurement, Outcome, Verdict
from components.validate.fleet import LEVEL, Discovery, Twin, discoveries
from components.validate.gates import TITLES
from components.validate.hearing import TEST, TRAIN
from components.validate.judge import Standing, judge
from components.validate.published import REPORT

THREADS: Final = 1
ASKED: Final = "the rank correlation of forecast and move"
DISCOVERY: Final = GateConfig(metric="fleet_discovery", bound=LEVEL, side="below")
"""Of all twins that stand out, one in twenty at most may be without skill."""
BUNDLE, JUDGED, FLEET = "bundle", "judged", "fleet.json"
"""Folders of each twin: its bundle, its verdict with what lies beside it; and the file about all of them."""
Columns = Sequence[tuple[str, str, str]]
"""Of a page about many models: title, name of the number, form."""

_COLUMNS: Final[Columns] = (
    ("p", "p_value", ".3g"), ("adjusted", "adjusted", ".3g"), ("MAE", "mae", ".4f"), ("hit rate", "hit_rate", ".3f"),
    ("regime accuracy", "regime_accuracy", ".3f"), ("put/call extremes", "pcr_extreme_accuracy", ".3f"),
    ("gamma zones", "gamma_zone_accuracy", ".3f"), ("saved of foundation", "ab_foundation_saved", "+.2%"),
    ("saved of no model", "ab_unchanged_saved", "+.2%"),
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """One twin to be judged."""

    ticker: str
    bundle: Bundle
    examples: Path
    metrics: Mapping[str, float]
    """Of the test zone, as the family appraises it."""


def validate_twins(
    shards: Sequence[str],
    examples: str,
    *,
    family: str,
    recipe: str,
    out: str,
    report: str,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Write the bundle and the signed verdict of each twin below ``out`` and one page about all to ``report``.

    Returns the counts of the outcomes, and means of the metrics.
    """
    with open_run("validate", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe").judge
        folder = Path(out)
        fleet = [bundles.load(Path(shard)) for shard in shards]
        candidates = [it for shard in fleet for it in candidates_of(shard, Path(examples), folder, member)]
        if not candidates:
            raise DataError("no stock has a twin", file=examples, remedy=f"The logs say why: {run.folder / 'logs'}")
        found = standings(candidates, member, config)
        told: dict[str, Any] = {}
        for candidate, standing, discovery in found:
            verdict = judged(candidate, standing, config, member, out=folder, run=run)
            told[candidate.ticker] = told_of(candidate, discovery, verdict)
        outcomes = [twin["outcome"] for twin in told.values()]
        counts = {name: outcomes.count(name) for name in ("pass", "fail", "insufficient evidence")}
        write_json(folder / FLEET, {"twins": told, "outcomes": counts, "level": LEVEL})
        for target in (Path(report), run.folder / REPORT):
            with atomic_file(target) as file:
                file.write(fleet_page(member.title, told, counts, columns=_COLUMNS, asked=ASKED).encode())
        run.record(outcomes=counts, twins=told, folder=str(folder))
        return {"metrics": {**means_of(told), **{f"num_{name.replace(' ', '_')}": n for name, n in counts.items()}}}


def candidates_of(shard: Bundle, examples: Path, out: Path, member: Family) -> list[Candidate]:
    """Return the twins of a shard, each as a bundle of its own below ``out``."""
    found: list[Candidate] = []
    for ticker in shard.manifest["schema"]["tickers"]:
        bundle = member.module("fleet").single(shard, ticker, out / ticker / BUNDLE)
        metrics = member.module("appraise").appraise(bundle, examples / ticker, zone=TEST, threads=THREADS)
        found.append(Candidate(ticker, bundle, examples / ticker, metrics))
    return found


def standings(
    candidates: Sequence[Candidate], member: Family, config: JudgeConfig
) -> list[tuple[Candidate, Standing, Discovery]]:
    """Return where each twin stands among all, by one p-value each, adjusted for how many there are."""
    predict = member.module("predict").predict

    def twin(it: Candidate) -> Twin:
        said = (predict(it.bundle, it.examples, zone=zone, threads=THREADS) for zone in (TEST, TRAIN))
        return Twin(it.ticker, *said)

    found = discoveries([twin(candidate) for candidate in candidates], config)
    return [
        (candidate, _standing(candidate, discovery), discovery)
        for candidate, discovery in zip(candidates, found, strict=True)
    ]


def _standing(candidate: Candidate, discovery: Discovery) -> Standing:
    known = math.isfinite(discovery.adjusted)
    outcome: Outcome = "insufficient evidence" if not known else "pass" if discovery.discovered else "fail"
    reason = f"{discovery.adjusted:.3g}, p {discovery.p_value:.3g} by itself; must be at most {LEVEL:g}."
    result = GateResult(
        metric=DISCOVERY.metric,
        title=TITLES[DISCOVERY.metric],
        value=discovery.adjusted if known else None,
        lower=None,
        upper=None,
        bound=LEVEL,
        side="below",
        outcome=outcome,
        reason=reason if known else "Too few days to ask whether it would stand out.",
    )
    metrics = {name: Measurement(zone=TEST, value=value) for name, value in candidate.metrics.items()}
    return Standing(DISCOVERY, result, metrics)


def judged(
    candidate: Candidate, standing: Standing, config: JudgeConfig, member: Family, *, out: Path, run: RunContext
) -> Verdict:
    """Return the verdict of one twin, signed below ``out``; it competes with the champion of its own stock."""
    dataset = str(read_json(candidate.examples / "manifest.json")["dataset"])
    history = registry.history(run.workspace, member.name, dataset)
    folder = out / candidate.ticker / JUDGED
    folder.mkdir(parents=True, exist_ok=True)
    return judge(
        candidate.bundle,
        candidate.examples,
        folder,
        run,
        config=config,
        family=member,
        champion=history.champion.load() if history.champion else None,
        ledger_length=history.length,
        threads=THREADS,
        standing=standing,
    )


def told_of(candidate: Candidate, discovery: Discovery, verdict: Verdict) -> dict[str, Any]:
    """Return what is told of one twin, as JSON."""
    known = {"p_value": discovery.p_value, "adjusted": discovery.adjusted}
    return {
        "outcome": verdict.verdict,
        "reason": verdict.reason,
        "bundle": candidate.bundle.digest,
        "dataset": verdict.dataset,
        **{name: value for name, value in known.items() if math.isfinite(value)},
        **candidate.metrics,
    }


def means_of(told: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean over the twins of each number that any of them has."""
    names = {name for twin in told.values() for name, value in twin.items() if isinstance(value, float)}
    values = {name: [twin[name] for twin in told.values() if name in twin] for name in sorted(names)}
    return {f"mean_{name}": sum(each) / len(each) for name, each in values.items()}


def fleet_page(
    title: str, told: Mapping[str, Mapping[str, Any]], counts: Mapping[str, int], *, columns: Columns, asked: str
) -> str:
    """Return the page about many models: what was measured of each on its test zone, and what was decided.

    ``asked`` is the number that the p-values are of, in words. Columns that no model has a number for are left out.
    """
    columns = [column for column in columns if any(column[1] in one for one in told.values())]
    head = ("model", "verdict", "why", *(name for name, _, _ in columns))
    rows = [
        (ticker, str(twin["outcome"]), str(twin["reason"]), *(text(twin.get(key), form) for _, key, form in columns))
        for ticker, twin in sorted(told.items())
    ]
    said = ", ".join(f"{number} {name}" for name, number in counts.items())
    aside = (
        f"<h1>{title}</h1><p>{len(told)} model{'' if len(told) == 1 else 's'}: {said}. A p-value is that of {asked}; "
        f"adjusted, it must be at most {LEVEL:g} (Benjamini and Yekutieli).</p>"
    )
    return page(title, aside + table(head, rows, numbers=len(columns)))
