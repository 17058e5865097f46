"""What a verdict must be before it lets anything in: consistent with itself, and asked by a judge strict enough."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from components.core import family as families
from components.core.bundle import Bundle
from components.core.errors import PromotionRefusedError
from components.core.files import digest_of
from components.core.judge import CHAMPION_METRICS, SERVED_METRICS, GateConfig, JudgeConfig
from components.core.verdict import GateResult, Verdict
from components.market.columns import FORECASTS_BY

MORE_IS_STRICTER = ("confidence", "min_timestamps", "min_signals", "min_rows_per_class")
COSTS = ("commission", "slippage")
SAMPLES_SHARE = 0.5
"""Of the family's resamples: fewer make a bound noisier, not laxer; half of them by a factor of 1.4."""
_COMPARED = {"gates", "costs", "bootstrap_samples", "compare_with_champion", *MORE_IS_STRICTER}
_EVIDENCE = {"bound", "min_timestamps"}
"""Fields of a gate that say how much is asked; the others say what."""


def check_binding(bundle: Bundle, verdict: Verdict, *, family: str, dataset: str) -> None:
    """Refuse a verdict that was given for something else.

    Raises:
        PromotionRefusedError: If it binds another bundle, family, dataset, recipe, examples or source of forecasts.
    """
    trained_on = bundle.manifest["data"].get("examples", verdict.examples_digest)
    recipe = digest_of(bundle.manifest["config"])
    for what, judged, asked in (
        ("bundle", verdict.bundle_digest[:12], bundle.digest[:12]),
        ("family", bundle.manifest["family"], family),
        ("family", verdict.family, family),
        ("dataset", verdict.dataset, dataset),
        ("recipe", verdict.recipe_digest[:12], recipe[:12]),
        ("examples", verdict.examples_digest[:12], trained_on[:12]),
        ("forecasts by", verdict.forecast_source, bundle.manifest["data"].get(FORECASTS_BY)),
    ):
        if judged != asked:
            raise PromotionRefusedError(f"the verdict is for {what} {judged}, not {asked}. Judge this bundle")


def check_passed(verdict: Verdict) -> None:
    """Ask every gate of a passing verdict again whether its own numbers pass.

    Raises:
        PromotionRefusedError: If the verdict is no pass, does not answer exactly what its judge asked, or a gate's
            numbers do not clear its bound.
    """
    if verdict.verdict != "pass":
        raise PromotionRefusedError(f"the verdict is {verdict.verdict!r}; only 'pass' is promoted")
    asked = Counter(_named(gate) for gate in verdict.judge.gates if _applies(gate, verdict))
    answered = Counter(_named(gate) for gate in verdict.gates)
    if not answered or asked != answered:
        odd = sorted(str(dict(gate)["metric"]) for gate in (asked - answered) + (answered - asked))
        raise PromotionRefusedError(
            f"the verdict says pass, but what was asked is not what was answered: {', '.join(odd)}. Judge again"
        )
    for gate in verdict.gates:
        if gate.outcome != "pass" or not _cleared(gate):
            raise PromotionRefusedError(
                f"the verdict says pass, but gate {gate.metric} does not: {gate.outcome}, value {gate.value}, between "
                f"{gate.lower} and {gate.upper}, must be {gate.side} {gate.bound:g}. Judge again"
            )


def _applies(gate: GateConfig, verdict: Verdict) -> bool:
    if gate.metric in CHAMPION_METRICS:
        return verdict.champion_digest is not None and verdict.judge.compare_with_champion
    return gate.metric not in SERVED_METRICS or bool(families.find(verdict.family).outputs)


def _named(gate: GateConfig | GateResult) -> tuple[tuple[str, Any], ...]:
    """Return what a question and its answer have in common."""
    shared = GateConfig.model_fields.keys() & GateResult.model_fields.keys()
    return tuple((name, getattr(gate, name)) for name in sorted(shared))


def _cleared(gate: GateResult) -> bool:
    """Return whether the decisive end of the interval clears the bound; a number without interval is its own."""
    exact = gate.lower is None and gate.upper is None
    edge = gate.value if exact else gate.lower if gate.side == "above" else gate.upper
    if gate.value is None or edge is None:
        return False
    if gate.lower is not None and gate.upper is not None and gate.lower > gate.upper:
        return False
    return edge > gate.bound if gate.side == "above" else edge <= gate.bound


def demanded(family: str) -> JudgeConfig:
    """Return the judge that a family's recipes have unless they change it."""
    judge: JudgeConfig = families.find(family).config.model_fields["judge"].get_default(call_default_factory=True)
    return judge


def shortfalls(verdict: Verdict) -> list[str]:
    """Return in which ways the judge asked less than its family demands; empty if in none.

    Stricter is welcome. A setting that is neither stricter nor laxer, such as the seed, must be the family's: who
    may choose it can throw the dice again.
    """
    judge, family = verdict.judge, demanded(verdict.family)
    return [*_missing(judge, family), *_laxer(judge, family, has_champion=verdict.champion_digest is not None)]


def _missing(judge: JudgeConfig, family: JudgeConfig) -> Iterator[str]:
    asked = {_question(gate): gate for gate in judge.gates}
    for wanted in family.gates:
        gate = asked.get(_question(wanted))
        if gate is None:
            yield f"gate {wanted.metric} is not asked, or not on the same side"
            continue
        laxer = gate.bound < wanted.bound if wanted.side == "above" else gate.bound > wanted.bound
        if laxer:
            yield f"gate {wanted.metric} asks for {gate.side} {gate.bound:g}, not {wanted.bound:g}"
        found, needed = _evidence(gate, judge), _evidence(wanted, family)
        if found < needed and (found, needed) != (judge.min_timestamps, family.min_timestamps):
            yield f"gate {wanted.metric} wants {found} decision times, not {needed}"


def _laxer(judge: JudgeConfig, family: JudgeConfig, *, has_champion: bool) -> Iterator[str]:
    for name in MORE_IS_STRICTER:
        if getattr(judge, name) < getattr(family, name):
            yield f"{name} is {getattr(judge, name)}, not {getattr(family, name)}"
    for name in COSTS:
        if getattr(judge.costs, name) < getattr(family.costs, name):
            yield f"costs.{name} is {getattr(judge.costs, name)}, not {getattr(family.costs, name)}"
    if judge.bootstrap_samples < SAMPLES_SHARE * family.bootstrap_samples:
        yield f"bootstrap_samples is {judge.bootstrap_samples}, less than half of {family.bootstrap_samples}"
    if has_champion and family.compare_with_champion and not judge.compare_with_champion:
        yield "the champion was not compared with"
    for name in sorted(JudgeConfig.model_fields.keys() - _COMPARED):
        if getattr(judge, name) != getattr(family, name):
            yield f"{name} is {getattr(judge, name)}, not {getattr(family, name)}"


def _question(gate: GateConfig) -> tuple[tuple[str, Any], ...]:
    return tuple((name, getattr(gate, name)) for name in sorted(GateConfig.model_fields.keys() - _EVIDENCE))


def _evidence(gate: GateConfig, judge: JudgeConfig) -> int:
    """Return the decision times that a gate wants: its own number, if gates have one, else the judge's."""
    own: int | None = gate.model_dump().get("min_timestamps")
    return judge.min_timestamps if own is None else own
