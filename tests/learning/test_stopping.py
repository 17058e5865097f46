"""Early stopping waits as long as it was told, and knows the best epoch."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from components.core.errors import RecipeError
from components.learning.settings import StoppingConfig
from components.learning.stopping import Stopping, copied_weights


def epochs(config: StoppingConfig, metrics: list[float]) -> list[Stopping]:
    states = [Stopping()]
    for metric in metrics:
        states.append(states[-1].advance(config, {config.metric: metric}))
    return states[1:]


def test_the_lowest_loss_is_the_best_and_patience_counts_from_it() -> None:
    config = StoppingConfig(patience=2)
    states = epochs(config, [0.7, 0.6, 0.6, 0.65])
    assert [state.gained for state in states] == [True, True, False, False]
    assert [state.epochs_without_gain for state in states] == [0, 0, 1, 2]
    assert [state.over(config) for state in states] == [False, False, False, True]
    assert states[-1].best == 0.6


@pytest.mark.promise("S4-84")
def test_the_highest_sharpe_ratio_is_the_best_and_fifteen_epochs_are_borne() -> None:
    config = StoppingConfig(metric="val_sharpe_ratio", mode="max")
    assert (config.patience, config.restore_best) == (15, True)
    states = epochs(config, [-0.5, 0.2] + [0.1] * 15)
    assert [state.gained for state in states] == [True, True] + [False] * 15
    assert [state.over(config) for state in states] == [False] * 16 + [True]
    assert states[-1].best == 0.2


def test_a_gain_smaller_than_asked_is_none() -> None:
    config = StoppingConfig(min_gain=0.1)
    assert [state.gained for state in epochs(config, [1.0, 0.95, 0.89])] == [True, False, True]


def test_no_number_is_never_the_best() -> None:
    states = epochs(StoppingConfig(), [float("nan"), 1.0, float("nan")])
    assert [state.gained for state in states] == [False, True, False]
    assert states[-1].best == 1.0


def test_the_state_comes_back_from_json() -> None:
    state = epochs(StoppingConfig(), [0.1 + 0.2, 0.5])[-1]
    assert Stopping(**json.loads(json.dumps(dataclasses.asdict(state)))) == state


def test_a_metric_that_is_not_there_is_named() -> None:
    with pytest.raises(RecipeError, match=r"'val_sharpe'.*There are val_loss"):
        Stopping().advance(StoppingConfig(metric="val_sharpe"), {"val_loss": 1.0})


def test_copied_weights_stay_and_can_be_restored() -> None:
    model = nn.Linear(2, 2)
    kept, start = copied_weights(model), model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1.0)
    model.load_state_dict(kept)
    assert torch.equal(model.weight, start)
