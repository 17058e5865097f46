"""What is asked of directions; ``measures.py`` says how each number is computed."""

from collections.abc import Callable
from typing import Any

from components.core.judge import GateConfig, JudgeConfig
from components.trading.backtest import backtest
from components.trading.statistics import sharpe_ratio
from components.validate import measures
from components.validate.case import Answer, Ask, Case, Questions, Unanswered
from components.validate.measures import Quantity
from components.validate.zone import Zone


def block_length(zone: Zone, config: JudgeConfig) -> float:
    """Return the mean block of the bootstrap, in decision times."""
    return measures.block_length(zone, config.costs)


def trial_score(zone: Zone, _: object, config: JudgeConfig) -> float:
    """Return the Sharpe ratio of one decision time to the next, after costs; NaN if nothing varies."""
    return sharpe_ratio(backtest(zone.predictions, config.costs).net, periods_per_year=1.0)


def _with_signals(quantity: Callable[[Case[Zone]], Quantity]) -> Ask:
    def ask(case: Case[Any], _: GateConfig) -> Answer:
        said, wanted = case.zone.num_signals, case.config.min_signals
        if said < wanted:
            reason = f"It says up {said} times; at least {wanted} such decisions are needed."
            return Unanswered("insufficient evidence", reason)
        return case.measure(quantity(case))

    return ask


def _net_sharpe(case: Case[Zone]) -> Quantity:
    return measures.net_sharpe(case.zone, case.config.costs, bars_per_year=case.bars_per_year)


QUESTIONS: Questions = {
    "precision_lift": _with_signals(lambda case: measures.precision_lift(case.zone)),
    "auc": lambda case, _: case.measure(measures.ranking(case.zone)),
    "log_loss_skill": lambda case, _: case.measure(measures.log_loss_skill(case.zone)),
    "net_sharpe": _with_signals(_net_sharpe),
    "placebo": lambda case, gate: measures.placebo(case.zone, level=gate.bound, seed=case.config.seed),
    "feature_causality": lambda case, _: case.causality["feature_causality"],
    "answer_causality": lambda case, _: case.causality["answer_causality"],
    "champion_log_loss": lambda case, _: case.against_champion(measures.excess_loss),
}
