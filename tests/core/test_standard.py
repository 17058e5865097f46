import pytest

from components.core import family as families
from components.core.judge import CostConfig, GateConfig, JudgeConfig
from components.core.standard import shortfalls, standard_of

STANDARD = JudgeConfig()


@pytest.mark.parametrize("family", families.every(), ids=lambda family: family.name)
def test_every_shipped_recipe_asks_for_what_its_family_wants(family: families.Family) -> None:
    for name in family.recipes():
        assert shortfalls(family.recipe(name).judge, standard_of(family)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gates": STANDARD.gates[1:]}, "nothing asks about precision_lift"),
        ({"gates": (GateConfig(metric="auc", bound=0.4), STANDARD.gates[0], *STANDARD.gates[2:])}, "auc must be above"),
        ({"gates": (*STANDARD.gates[:-2], GateConfig(metric="placebo", bound=0.5, side="below"), STANDARD.gates[-1])},
         "placebo must be below 0.5, wanted is below 0.05"),
        ({"confidence": 0.9}, "confidence 0.9, at least 0.95 is wanted"),
        ({"min_timestamps": 10}, "min_timestamps 10"),
        ({"min_signals": 1}, "min_signals 1"),
        ({"costs": CostConfig(commission=0.0)}, "costs of 0.0005 a side, at least 0.0015 is wanted"),
    ],
)  # fmt: skip
def test_a_judge_that_asks_for_less_is_told_apart(change: dict, words: str) -> None:
    [found] = shortfalls(STANDARD.model_copy(update=change), STANDARD)
    assert words in found


def test_asking_for_more_is_free() -> None:
    more = STANDARD.model_copy(update={"confidence": 0.99, "min_signals": 500, "costs": CostConfig(commission=0.01)})
    assert shortfalls(more, STANDARD) == []
