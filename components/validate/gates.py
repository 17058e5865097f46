"""The gates: each asks one question of the test zone and wants its confidence bound, not its value, to clear a line.

A number that is not finite fails its gate; too little history passes none.
"""

import math

import numpy as np

from components.core.judge import GateConfig, JudgeConfig
from components.core.verdict import GateResult, Outcome
from components.market.predictions import Predictions
from components.validate import measures
from components.validate.measures import Measured
from components.validate.zone import Zone

TITLES = {
    "precision_lift": "When it says up, is it right more often than the market rises?",
    "auc": "Does it rank bars that rise above bars that fall?",
    "log_loss_skill": "Are its probabilities better than the base rate?",
    "net_sharpe": "Does trading it earn more than cash, after costs?",
    "placebo": "Is its skill gone when the labels are shifted in time?",
    "champion_log_loss": "Is it not worse than the champion?",
}

_NEED_SIGNALS = frozenset({"precision_lift", "net_sharpe"})


def evaluate(
    predictions: Predictions, config: JudgeConfig, *, bars_per_year: float, champion: Predictions | None = None
) -> tuple[GateResult, ...]:
    """Return the answer of every gate that applies; ``champion`` predicts rows of the same zone."""
    gates = [gate for gate in config.gates if gate.metric != "champion_log_loss" or champion is not None]
    zone = Zone(predictions)
    if broken := zone.defect():
        return tuple(_unmeasured(gate, "fail", f"Fails closed: {broken}.") for gate in gates)
    if zone.num_times < config.min_timestamps:
        return tuple(_unmeasured(gate, "insufficient evidence", _too_short(zone, config)) for gate in gates)
    block = measures.block_length(zone, config.costs)
    rival = Zone(champion) if champion is not None else zone
    return tuple(_ask(gate, zone, rival, config, bars_per_year=bars_per_year, block=block) for gate in gates)


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


def _too_short(zone: Zone, config: JudgeConfig) -> str:
    return (
        f"The test zone has {zone.num_times} decision times ({zone.num_rows} rows); "
        f"at least {config.min_timestamps} times are needed."
    )


def _ask(
    gate: GateConfig, zone: Zone, rival: Zone, config: JudgeConfig, *, bars_per_year: float, block: float
) -> GateResult:
    if gate.metric in _NEED_SIGNALS and zone.num_signals < config.min_signals:
        reason = f"It says up {zone.num_signals} times; at least {config.min_signals} such decisions are needed."
        return _unmeasured(gate, "insufficient evidence", reason)
    if gate.metric == "placebo":
        return _decide(gate, measures.placebo(zone, level=gate.bound, seed=config.seed), config)
    if gate.metric == "champion_log_loss":
        return _compare(gate, zone, rival, config, block=block)
    quantities = {
        "auc": lambda: measures.ranking(zone),
        "precision_lift": lambda: measures.precision_lift(zone),
        "log_loss_skill": lambda: measures.log_loss_skill(zone),
        "net_sharpe": lambda: measures.net_sharpe(zone, config.costs, bars_per_year=bars_per_year),
    }
    return _decide(gate, measures.bounded(quantities[gate.metric](), zone, config, block=block), config)


def _compare(gate: GateConfig, zone: Zone, rival: Zone, config: JudgeConfig, *, block: float) -> GateResult:
    if broken := rival.defect():
        return _unmeasured(gate, "fail", f"Fails closed: of the champion, {broken}.")
    mine, theirs = zone.in_common(rival)
    if mine.num_times < config.min_timestamps:
        return _unmeasured(gate, "insufficient evidence", f"In common with the champion: {_too_short(mine, config)}")
    if not np.array_equal(mine.predictions.label, theirs.predictions.label):
        return _unmeasured(gate, "fail", "Fails closed: the champion was shown other labels for the same bars.")
    return _decide(gate, measures.bounded(measures.excess_loss(mine, theirs), mine, config, block=block), config)


def _decide(gate: GateConfig, measured: Measured, config: JudgeConfig) -> GateResult:
    above = gate.side == "above"
    value, edge = measured.value, measured.lower if above else measured.upper
    if not (math.isfinite(value) and math.isfinite(edge)):
        return _unmeasured(gate, "fail", f"Fails closed: the value or its bound is undefined. {measured.note}".strip())
    cleared = edge > gate.bound if above else edge <= gate.bound
    promising = value > gate.bound if above else value <= gate.bound
    outcome: Outcome = "pass" if cleared else "insufficient evidence" if promising else "fail"
    is_interval = measured.lower < measured.upper
    sure = f", {'at least' if above else 'at most'} {edge:.4g} with {config.confidence:.0%} confidence"
    wish = f"must be {'above' if above else 'at most'} {gate.bound:g}"
    aside = f" ({measured.note})" if measured.note else ""
    return GateResult(
        metric=gate.metric,
        title=TITLES[gate.metric],
        value=value,
        lower=measured.lower if is_interval and math.isfinite(measured.lower) else None,
        upper=measured.upper if is_interval and math.isfinite(measured.upper) else None,
        bound=gate.bound,
        side=gate.side,
        outcome=outcome,
        reason=f"{value:.4g}{sure if is_interval else ''}; {wish}{aside}.",
    )


def _unmeasured(gate: GateConfig, outcome: Outcome, reason: str) -> GateResult:
    return GateResult(
        metric=gate.metric,
        title=TITLES[gate.metric],
        value=None,
        lower=None,
        upper=None,
        bound=gate.bound,
        side=gate.side,
        outcome=outcome,
        reason=reason,
    )
