import pytest

from components.core.errors import RecipeError
from components.core.judge import DEFAULT_GATES, CostConfig, JudgeConfig


def test_a_round_trip_of_the_settings_is_the_same_settings() -> None:
    config = JudgeConfig()
    assert JudgeConfig.parse_json(config.canonical(), name="judge") == config
    assert [gate.metric for gate in config.gates] == [gate.metric for gate in DEFAULT_GATES]


def test_one_side_pays_commission_and_slippage() -> None:
    assert CostConfig(commission=0.001, slippage=0.0005).per_side == pytest.approx(0.0015, abs=1e-15)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gates": []}, "gates"),
        ({"gates": [{"metric": "auc", "bound": 0.5}] * 2}, "auc more than once"),
        ({"gates": [{"metric": "luck", "bound": 0.5}]}, "gates.0.metric"),
        ({"confidence": 0.4}, "confidence"),
        ({"bootstrap_samples": 3}, "bootstrap_samples"),
        ({"costs": {"commission": -0.1}}, "costs.commission"),
        ({"gates": [{"metric": "auc", "bound": 0.5, "min_timestamps": 0}]}, "gates.0.min_timestamps"),
        ({"min_signal": 5}, "min_signal: unknown key"),
    ],
)
def test_settings_that_make_no_sense_name_the_key(values: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        JudgeConfig.parse(values, name="judge")
