"""The course of one training: rounds, evaluations, the kept weights, metrics, and checkpoints to go on from."""

# pyright: reportUnknownMemberType=false
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from components.core.errors import InterruptedRunError
from components.core.run_context import RunContext
from components.families.agents.config import TrainConfig
from components.families.agents.contract import Agent
from components.learning.checkpoint import Checkpoint, CheckpointStore, epoch_label, named
from components.learning.faults import checked_loss
from components.learning.journal import Journal
from components.learning.stopping import Stopping, copied_weights

if TYPE_CHECKING:
    from torch import Tensor

_REPORT_EVERY = timedelta(seconds=0.25)


@dataclass
class Position:
    """Where training stands: everything that is no tensor, as JSON."""

    rounds: int = 0
    """Rounds that are over."""
    evaluations: int = 0
    """Evaluations that are over."""
    steps_evaluated: int = 0
    """Steps that were over at the last of them."""
    num_lines: int = 0
    """Lines of metrics that were spooled."""
    rewards: list[float] = field(default_factory=list[float])
    """Mean reward of each round since the last evaluation."""
    best_evaluation: int = 0
    """The one whose weights are kept, from 1."""
    stopping: Stopping = field(default_factory=Stopping)
    history: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return the position that ``dataclasses.asdict`` wrote down."""
        read: dict[str, Any] = {**values, "stopping": Stopping(**values["stopping"])}
        return cls(**read)


class Course:
    """One training, from its start or from its newest checkpoint."""

    def __init__(
        self,
        agent: Agent,
        config: TrainConfig,
        store: CheckpointStore,
        run: RunContext,
        *,
        name: str,
        part: str = "",
    ) -> None:
        """Go on from the newest checkpoint in ``store``, if there is one.

        ``name`` is the key of the training, ``part`` that of an agent among several of one run.
        """
        self.agent, self.position = agent, Position()
        self.best_weights: dict[str, Tensor] = {}
        self._config, self._store, self._run = config, store, run
        self._reported = run.clock() - _REPORT_EVERY
        if (checkpoint := store.newest()) is not None:
            self.position = Position.of(dict(checkpoint.values["position"]))
            agent.load_state(checkpoint.group("agent"))
            self.best_weights = checkpoint.group("best")
            run.log.info("resumed after %d steps", agent.num_steps)
        first_step = agent.num_steps + 1
        self._journal = Journal(run, name, num_lines=self.position.num_lines, first_step=first_step, part=part)

    def close(self) -> None:
        """Close the files of events and metrics."""
        self._journal.close()

    @property
    def finished(self) -> bool:
        """Whether the last step is taken, patience has run out, or the caller has seen enough."""
        config, position = self._config, self.position
        if position.rewards:
            return False
        wanted = position.evaluations >= config.epochs if config.epochs else self.agent.num_steps >= config.max_steps
        over = wanted or position.stopping.over(config.stopping)
        return over or (position.evaluations > 0 and self._run.enough())

    def save(self) -> None:
        """Write a checkpoint of this very moment, between two rounds."""
        tensors = {**named("agent", self.agent.state()), **named("best", self.best_weights)}
        self.position.num_lines = self._journal.sync()
        losses = self.position.history.get("val_loss", [])
        label = epoch_label(self.position.evaluations, losses[-1] if losses else None)
        self._store.save(Checkpoint(tensors, {"position": asdict(self.position)}), label=label)

    def heed_stop(self) -> None:
        """Save and leave if the run was asked to stop.

        Raises:
            InterruptedRunError: If it was; the same run key goes on from here.
        """
        if self._run.stop:
            self.save()
            at = f"step {self.agent.num_steps}"
            raise InterruptedRunError(f"stopped at {at} and saved. Run again with run key {self._run.run_key} to go on")

    def learn(self) -> None:
        """Take the rounds that are left until the next evaluation.

        Raises:
            DivergedError: If a number of a round is not finite.
            InterruptedRunError: If the run was asked to stop.
        """
        config, position = self._config, self.position
        while self.agent.num_steps < position.steps_evaluated + config.evaluate_every_steps:
            metrics = self.agent.advance()
            place = f"step {self.agent.num_steps}"
            for name, value in metrics.items():
                checked_loss(value, place=f"{place}, {name}", lr=config.lr or 0.0)
            position.rounds += 1
            position.rewards.append(metrics["reward"])
            self._journal.write_step(self.agent.num_steps, {f"step/{name}": value for name, value in metrics.items()})
            self.heed_stop()
            if position.rounds % config.checkpoint_every_rounds == 0:
                self.save()
            self._report(metrics["reward"])

    def _report(self, reward: float) -> None:
        now = self._run.clock()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            done, total = self.agent.num_steps, self._config.total_steps
            self._run.progress(done=done, total=total, text=f"step {done}/{total}  reward {reward:.4f}")

    def close_evaluation(self, validation: Mapping[str, float], *, by_tag: Callable[[str], str]) -> None:
        """Record an evaluation, keep the policy if it is the best so far, say so, and save.

        ``validation`` holds ``loss`` and whatever else is worth a curve; ``by_tag`` names the curve of a number.

        Raises:
            DivergedError: If the validation loss is not finite.
        """
        position, config = self.position, self._config
        checked_loss(validation["loss"], place=f"evaluation {position.evaluations + 1}", lr=config.lr or 0.0)
        train_loss = -sum(position.rewards) / len(position.rewards)
        metrics = {"train_loss": train_loss, **{f"val_{name}": value for name, value in validation.items()}}
        for name, value in metrics.items():
            position.history.setdefault(name, []).append(value)
        position.evaluations += 1
        position.rewards, position.steps_evaluated = [], self.agent.num_steps
        position.stopping = position.stopping.advance(config.stopping, metrics)
        self._journal.write_epoch(self.agent.num_steps, {by_tag(name): value for name, value in metrics.items()})
        said = "  ".join(f"val {name} {value:.4f}" for name, value in validation.items())
        self._say(f"step {self.agent.num_steps}/{config.total_steps}  train loss {train_loss:.4f}  {said}")
        if position.stopping.gained or not config.stopping.restore_best:
            position.best_evaluation = position.evaluations
            self.best_weights = copied_weights(self.agent.policy)
        self.save()

    def _say(self, text: str) -> None:
        self._run.log.info("%s", text)
        self._run.progress(done=self.agent.num_steps, total=self._config.total_steps, line=text)

    def restore_best(self) -> int:
        """Put the kept weights into the policy and return their evaluation, from 1."""
        self.agent.policy.load_state_dict(self.best_weights)
        return self.position.best_evaluation
