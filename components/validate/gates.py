"""The gates: each asks one question of the test zone and wants its confidence bound, not its value, to clear a line.

A number that is not finite fails its gate; too little history passes none.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.core.judge import (
    CAUSAL_METRICS,
    CHAMPION_METRICS,
    CONTROL_METRICS,
    SERVED_METRICS,
    GateConfig,
    JudgeConfig,
    Metric,
    ZoneName,
)
from components.core.verdict import GateResult, Outcome
from components.validate.case import Answer, Case, Unanswered
from components.validate.kinds import Table, kind_of
from components.validate.measures import Histories, Measured

TITLES: dict[Metric, str] = {
    "precision_lift": "When it says up, is it right more often than the market rises?",
    "auc": "Does it rank bars that rise above bars that fall?",
    "log_loss_skill": "Are its probabilities better than the base rate?",
    "net_sharpe": "Does trading it earn more than cash, after costs?",
    "timing_gain": "Does trading it beat holding the same symbols at the same average exposure?",
    "class_log_loss_skill": "Does it know more of what comes than the class now tells?",
    "class_accuracy_lift": "Is it right about as often as saying that nothing changes, or more?",
    "macro_f1_lift": "Does it know all classes, the rare ones too?",
    "class_ece": "Is it as sure as it is right?",
    "side_log_loss_skill": "Of the moves that came, does it know which way they went?",
    "score_error_skill": "Does it know more of what comes than the score now tells?",
    "score_correlation": "Does a higher score come when it says so?",
    "reconstruction_mse": "Does it still know the shape of the data?",
    "quantile_skill": "Does it know more of how far prices move than past volatility tells?",
    "median_correlation": "Do prices go where it says?",
    "hit_rate_lift": "Does it name the direction more often than always naming the same?",
    "quantile_calibration": "Do its quantiles hold what they promise?",
    "timing": "Are its weights higher when more comes, beyond holding as much all along?",
    "deflated_sharpe": "Is its Sharpe ratio more than the luck of the best of all that were tried?",
    "deflated_skill": "Is its skill more than the luck of the best of all that were tried?",
    "relative_sharpe": "Does it earn more than all symbols in equal parts, held, after costs?",
    "worst_regime": "Does it hold in the worst regime, too?",
    "planted_control": "Is the zone long enough to show a small skill?",
    "export_parity": "Is what is served what was judged?",
    "placebo": "Is its skill gone when the labels are shifted in time?",
    "feature_causality": "Is every feature made of what was known by then?",
    "answer_causality": "Does every answer stay when what came later is changed?",
    "fleet_discovery": "Would it stand out among all that were judged together, not by luck alone?",
    "champion_log_loss": "Is it not worse than the champion?",
    "champion_score_error": "Is it not worse than the champion?",
    "champion_quantile_loss": "Is it not worse than the champion?",
    "champion_sharpe": "Is it not worse than the champion?",
}


def evaluate(
    predictions: Table,
    config: JudgeConfig,
    *,
    bars_per_year: float,
    champion: Table | None = None,
    past: Table | None = None,
    trial_scores: tuple[float, ...] = (),
    causality: Mapping[Metric, Answer] | None = None,
    of: ZoneName = "test",
    parity: Answer | None = None,
) -> tuple[GateResult, ...]:
    """Return the answer of every gate about the zone ``of`` that applies; ``predictions`` are those of its rows.

    ``champion`` predicts rows of the same zone; ``past`` is the model's table of the training zone, for the kinds
    whose peers learn from it; ``trial_scores`` are those of all models that were looked at on days of the zone;
    ``parity`` is how far what is served is from the predictions, None of a family that serves nothing; ``causality``
    answers the gates that ask for more than a table, None where nobody could.
    """
    needs = {CHAMPION_METRICS: champion, SERVED_METRICS: parity, CAUSAL_METRICS: causality}
    left_out = {metric for metrics, needed in needs.items() if needed is None for metric in metrics}
    gates = tuple(gate for gate in config.gates if gate.zone == of and gate.metric not in left_out)
    config = config.model_copy(update={"gates": gates})
    kind = kind_of(predictions)
    zone = kind.zone(predictions)
    if broken := zone.defect():
        return tuple(unmeasured(gate, "fail", f"Fails closed: {broken}.") for gate in gates)
    configs = [_for_gate(config, gate) for gate in gates]
    lacks = [zone.lack(needed) for needed in configs]
    if all(lacks):
        return tuple(unmeasured(gate, "insufficient evidence", lack) for gate, lack in zip(gates, lacks, strict=True))
    case = Case(
        zone,
        champion=None if champion is None else kind.zone(champion),
        past=None if past is None else kind.zone(past),
        config=config,
        bars_per_year=bars_per_year,
        histories=Histories(zone, config, kind.block_length(zone, config)),
        trial_scores=trial_scores,
        parity=parity or Unanswered("fail", "Fails closed: nothing that is served was compared."),
        causality=causality or {},
    )
    return tuple(
        unmeasured(gate, "insufficient evidence", lack) if lack else _ask(gate, replace(case, config=needed))
        for gate, needed, lack in zip(gates, configs, lacks, strict=True)
    )


def _for_gate(config: JudgeConfig, gate: GateConfig) -> JudgeConfig:
    """Return the settings with the decision times that the gate needs."""
    return config.model_copy(update={"min_timestamps": gate.min_timestamps or config.min_timestamps})


def overall(results: tuple[GateResult, ...]) -> Outcome:
    """Return the verdict of all gates together; without any there is no evidence."""
    outcomes = {result.outcome for result in results}
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes == {"pass"} else "insufficient evidence"


def times_needed(result: GateResult, num_times: int) -> int | None:
    """Return how many decision times would settle an open gate if its value stayed; None if history cannot help.

    A bound's distance from its value shrinks with the square root of the history.
    """
    edge = result.lower if result.side == "above" else result.upper
    if result.outcome != "insufficient evidence" or result.value is None or edge is None:
        return None
    room = abs(result.value - result.bound)
    return math.ceil(num_times * (abs(result.value - edge) / room) ** 2) + 1 if room > 0 else None


def _ask(gate: GateConfig, case: Case[Any]) -> GateResult:
    questions = kind_of(case.zone.predictions).questions
    if gate.metric not in questions:
        reason = f"Fails closed: {gate.metric} says nothing of such predictions; ask {', '.join(questions)}."
        return unmeasured(gate, "fail", reason)
    answer = questions[gate.metric](case, gate)
    if isinstance(answer, Unanswered):
        return unmeasured(gate, answer.outcome, answer.reason)
    return _decide(gate, answer, case.config)


def _decide(gate: GateConfig, measured: Measured, config: JudgeConfig) -> GateResult:
    above = gate.side == "above"
    value, edge = measured.value, measured.lower if above else measured.upper
    if not (math.isfinite(value) and math.isfinite(edge)):
        return unmeasured(gate, "fail", f"Fails closed: the value or its bound is undefined. {measured.note}".strip())
    cleared = edge > gate.bound if above else edge <= gate.bound
    promising = gate.metric in CONTROL_METRICS or (value > gate.bound if above else value <= gate.bound)
    outcome: Outcome = "pass" if cleared else "insufficient evidence" if promising else "fail"
    is_interval = measured.lower < measured.upper
    sure = f", {'at least' if above else 'at most'} {edge:.4g} with {100 * config.confidence:.4g}% confidence"
    wish = f"must be {'above' if above else 'at most'} {gate.bound:g}"
    aside = f" ({measured.note})" if measured.note else ""
    return GateResult(
        metric=gate.metric,
        title=_title(gate),
        value=value,
        lower=measured.lower if is_interval and math.isfinite(measured.lower) else None,
        upper=measured.upper if is_interval and math.isfinite(measured.upper) else None,
        bound=gate.bound,
        zone=gate.zone,
        side=gate.side,
        outcome=outcome,
        reason=f"{value:.4g}{sure if is_interval else ''}; {wish}{aside}.",
    )


def _title(gate: GateConfig) -> str:
    return TITLES[gate.metric] if gate.zone == "test" else f"Sealed {gate.zone}: {TITLES[gate.metric]}"


def unmeasured(gate: GateConfig, outcome: Outcome, reason: str) -> GateResult:
    """Return the answer of a gate without a number."""
    return GateResult(
        metric=gate.metric,
        title=_title(gate),
        value=None,
        lower=None,
        upper=None,
        bound=gate.bound,
        zone=gate.zone,
        side=gate.side,
        outcome=outcome,
        reason=reason,
    )
