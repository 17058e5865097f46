"""The gate drill: bad models are planted before the real judge and the real promote step; one good one must pass."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from components.core import family as families
from components.core.errors import QuantfoundryError, UsageError
from components.core.family import Family
from components.core.judge import JudgeConfig
from components.core.recipe import RecipeConfig
from components.core.verdict import GateResult, Verdict
from pipelines.calibration import RECIPE
from pipelines.proving import Ground

FAMILY: Final = "price_action"
MARKS: Final = {"pass": ".", "fail": "X", "insufficient evidence": "?"}

Wanted = Literal["promoted", "refused"]


class BarrenFieldError(QuantfoundryError):
    """A plant that could not be made as bad, or as good, as it must be: nothing was tried."""


def named(gate: GateResult) -> str:
    """Return the name of a gate: a metric is asked once for each zone."""
    return gate.metric if gate.zone == "test" else f"{gate.metric} of the {gate.zone}"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What became of one plant."""

    plant: str
    story: str
    """What is wrong with it, in a few words."""
    wanted: Wanted
    verdict: Verdict | None
    """None if the judge refused to judge."""
    outcome: str
    """What the promote step said, or ``refused`` if it never came to that."""
    refusal: str
    """Who refused it and why, where it was no gate."""
    meant_gate: str = ""
    """The gate that must be among those that decided, if it matters: to be refused by accident is not enough."""
    meant_words: str = ""
    """Words of the refusal that it must have met, likewise."""

    @property
    def caught_by(self) -> list[str]:
        """Return who refused it, or else the gates that decided its verdict."""
        if self.refusal or self.verdict is None:
            return [self.refusal] if self.refusal else []
        return [named(gate) for gate in self.verdict.gates if gate.outcome == self.verdict.verdict != "pass"]

    @property
    def held(self) -> bool:
        """Whether it went as it must."""
        if self.wanted == "promoted":
            return self.outcome == "promoted"
        caught = self.caught_by
        meant = self.meant_words in self.refusal if self.meant_words else bool(caught)
        return self.outcome == "refused" and meant and (not self.meant_gate or self.meant_gate in caught)

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON."""
        gates = {named(gate): gate.outcome for gate in self.verdict.gates} if self.verdict else {}
        return {
            "plant": self.plant, "story": self.story, "wanted": self.wanted, "outcome": self.outcome,
            "verdict": self.verdict.verdict if self.verdict else None, "gates": gates, "caught_by": self.caught_by,
            "meant_gate": self.meant_gate,
            "meant_words": self.meant_words, "held": self.held,
        }  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """All attempts."""

    attempts: tuple[Attempt, ...]

    @property
    def held(self) -> bool:
        """Whether every bad model was refused and the good one promoted."""
        return all(attempt.held for attempt in self.attempts)

    def text(self) -> str:
        """Return plants down, gates across, as a person reads it."""
        metrics = self._metrics()
        width = max(len(attempt.plant) for attempt in self.attempts)
        numbers = " ".join(f"{number:>2}" for number in range(1, len(metrics) + 1))
        lines = [f"{'plant':<{width}}  {numbers}  outcome   as it must  caught by"]
        for attempt in self.attempts:
            said = attempt.facts()["gates"]
            marks = " ".join(f"{MARKS.get(said.get(metric, ''), ' '):>2}" for metric in metrics)
            held = "yes" if attempt.held else "NO"
            caught = ", ".join(attempt.caught_by[:3]) + (" ..." if len(attempt.caught_by) > 3 else "")  # noqa: PLR2004
            lines.append(f"{attempt.plant:<{width}}  {marks}  {attempt.outcome:<8}  {held:<10}  {caught:.100}".rstrip())
        legend = [f"{number:>2} {metric}" for number, metric in enumerate(metrics, start=1)]
        return "\n".join([*lines, "", "gates: . pass, X fail, ? insufficient evidence, blank not asked", *legend])

    def _metrics(self) -> list[str]:
        found: dict[str, None] = {}
        for attempt in self.attempts:
            found |= dict.fromkeys(attempt.facts()["gates"])
        return list(found)


@dataclass(frozen=True)
class Field:
    """Where plants grow: an installation of its own, and the markets that they are judged on."""

    folder: Path
    family: Family
    recipe: RecipeConfig

    def ground(self, dataset: str) -> Ground:
        """Return the folders of one market."""
        return Ground(self.folder / dataset, self.folder / "root", dataset)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One model on its way to promotion, and where that way is bent."""

    name: str
    story: str
    dataset: str
    bundle: Callable[[Field], Path]
    wanted: Wanted = "refused"
    meant_gate: str = ""
    meant_words: str = ""
    family: Callable[[Family], Family] = lambda family: family
    """Whose predictions are judged."""
    judge: Callable[[JudgeConfig], JudgeConfig] = lambda judge: judge
    """Who judges it."""
    between: Callable[[Field, Path, Path], tuple[Path, Path]] = lambda _, bundle, judged: (bundle, judged)
    """What happens to bundle and verdict before the promote step sees them."""


def attempt(plant: Plant, field_: Field) -> Attempt:
    """Return what the real judge and the real promote step make of a plant."""
    from pipelines.proving import judge_as, promote  # noqa: PLC0415 - loads torch, MLflow and Feast

    ground, out = field_.ground(plant.dataset), field_.folder / "verdicts" / plant.name.replace(" ", "-")
    recipe = field_.recipe.model_copy(update={"judge": plant.judge(field_.recipe.judge)})
    told: dict[str, Any] = {
        "plant": plant.name, "story": plant.story, "wanted": plant.wanted,
        "meant_gate": plant.meant_gate, "meant_words": plant.meant_words,
    }  # fmt: skip
    bundle, verdict = plant.bundle(field_), None
    try:
        verdict = judge_as(ground, plant.family(field_.family), recipe, bundle, out)
        bundle, judged = plant.between(field_, bundle, out)
        outcome, reason = promote(ground, field_.family, bundle, judged)
        refusal = reason if verdict.verdict == "pass" else ""
    except QuantfoundryError as error:
        outcome, refusal = "refused", str(error).replace(f"{field_.folder}/", "")
    return Attempt(**told, verdict=verdict, outcome=outcome, refusal=refusal)


def judge_without(metric: str) -> JudgeConfig:
    """Return the family's judge without its gates about a metric.

    Raises:
        UsageError: If it does not ask about it.
    """
    judge = families.find(FAMILY).recipe(RECIPE).judge
    gates = tuple(gate for gate in judge.gates if gate.metric != metric)
    if len(gates) == len(judge.gates):
        asked = ", ".join(dict.fromkeys(gate.metric for gate in judge.gates))
        raise UsageError(f"{metric!r:.40}: no gate asks about it. There is {asked}")
    return judge.model_copy(update={"gates": gates})


def drill(
    folder: Path, *, judge: JudgeConfig | None = None, on_attempt: Callable[[Attempt], None] = lambda _: None
) -> Matrix:
    """Return what became of every plant; everything is written below ``folder``.

    ``judge`` takes the place of the family's own: weaken it, and the drill must say so.
    """
    from pipelines.planting import PLANTS, sow  # noqa: PLC0415 - loads torch, MLflow and Feast

    family = families.find(FAMILY)
    recipe = family.recipe(RECIPE)
    field_ = Field(folder, family, recipe if judge is None else recipe.model_copy(update={"judge": judge}))
    sow(field_)
    attempts: list[Attempt] = []
    for plant in PLANTS:
        attempts.append(attempt(plant, field_))
        on_attempt(attempts[-1])
    return Matrix(tuple(attempts))
