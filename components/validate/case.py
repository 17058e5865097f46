"""What a question is asked of, and what it may be answered with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from components.core.judge import GateConfig, JudgeConfig, Metric
from components.core.verdict import Outcome
from components.validate.measures import Histories, Measured, Quantity, bounded
from components.validate.zone import Rows

Z = TypeVar("Z", bound=Rows[Any])


@dataclass(frozen=True)
class Unanswered:
    """Why there is no number."""

    outcome: Outcome
    reason: str
    """A sentence."""


Answer = Measured | Unanswered


@dataclass(frozen=True)
class Case(Generic[Z]):
    """A test zone before the judge."""

    zone: Z
    champion: Z | None
    """Predictions of the champion for rows of the same zone."""
    past: Z | None
    """The training zone: what a peer without a model could have learnt from."""
    config: JudgeConfig
    bars_per_year: float
    histories: Histories
    """Resampled histories of the zone."""
    trial_scores: tuple[float, ...]
    """Scores, as ``Kind.trial_score`` gives them, of all models that were looked at on these days, this one included.

    Those with an undefined score, which nobody would choose, are left out; empty is alone.
    """
    parity: Answer
    """How far what is served is from what is judged."""

    causality: Mapping[Metric, Answer]
    """Whether features and answers know what comes later, by metric."""

    def measure(self, quantity: Quantity) -> Measured:
        """Return the quantity with its bounds."""
        return self.histories.bounded(quantity)

    def line(self, metric: Metric, default: float) -> float:
        """Return the bound of the gate about ``metric``, ``default`` if none asks about it."""
        return next((gate.bound for gate in self.config.gates if gate.metric == metric), default)

    def against_champion(self, excess: Callable[[Z, Z], Quantity]) -> Answer:
        """Return by how much the challenger is worse, on the rows that both predicted."""
        if self.champion is None:
            return Unanswered("fail", "Fails closed: there is no champion to compare with.")
        if broken := self.champion.defect():
            return Unanswered("fail", f"Fails closed: of the champion, {broken}.")
        mine, theirs = self.zone.in_common(self.champion)
        if lack := mine.lack_of_times(self.config):
            return Unanswered("insufficient evidence", f"In common with the champion: {lack}")
        if not mine.same_labels(theirs):
            return Unanswered("fail", "Fails closed: the champion was shown other labels for the same bars.")
        return bounded(excess(mine, theirs), mine, self.config, block=self.histories.block)

    def with_past(self, answer: Callable[[Z], Answer]) -> Answer:
        """Return the answer of who is given the training zone, that peers learn from, if it is there and sound."""
        if self.past is None or not self.past.num_rows:
            return Unanswered("fail", "Fails closed: there is no training zone for a peer to learn from.")
        if broken := self.past.defect():
            return Unanswered("fail", f"Fails closed: in the training zone, {broken}.")
        return answer(self.past)

    def against_peers(self, skill: Callable[[Z, Z], Quantity]) -> Answer:
        """Return by how much the model is better than what the training zone alone teaches."""
        return self.with_past(lambda past: self.measure(skill(self.zone, past)))


Ask = Callable[[Case[Any], GateConfig], Answer]
Questions = Mapping[Metric, Ask]
