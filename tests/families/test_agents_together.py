"""An ensemble trained in one run: what is served is what its rule makes of its members, and stops change no bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import profit_market
import pytest
import torch

from components.core.bundle import load
from components.core.errors import InterruptedRunError
from components.core.files import read_json
from components.core.run_context import RunContext, Stop
from components.families.agents import COLUMNS
from components.families.agents.config import AgentsConfig
from components.families.agents.ensemble import Ensemble
from components.families.agents.predict import load_model, play_zone, predict
from components.families.agents.train import train
from components.learning.examples import read_examples
from components.serving.loader import load as load_graph

Run = Callable[[str], RunContext]
OFF_POLICY = {"buffer": 300, "learning_starts": 64, "batch": 16, "lr": 0.01}
MEMBERS = ("ppo", "td3", "rainbow_dqn")


def config(rule: str) -> AgentsConfig:
    values: dict[str, Any] = {
        "agent": "ensemble",
        "ensemble": {"members": list(MEMBERS), "rule": rule},
        "data": {"window": 6, "zones": profit_market.ZONES},
        "network": {"hidden": [8, 8]},
        "environment": {"episode_bars": 20},
        "ppo": {"n_steps": 8, "batch": 32, "n_epochs": 2, "lr": 0.01},
        **dict.fromkeys(("td3", "rainbow_dqn"), OFF_POLICY),
        "train": {
            "batch": 8, "max_steps": 256, "evaluate_every_steps": 128, "test_episodes": 20, "device": "cpu",
            "checkpoint_every_rounds": 1,
        },
    }  # fmt: skip
    return AgentsConfig.parse(values, name="test")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profit_market.write(tmp_path_factory.mktemp("together") / "examples", inputs=COLUMNS)


@pytest.mark.slow
@pytest.mark.promise("S4-70")
@pytest.mark.promise("S4-71")
@pytest.mark.promise("S4-72")
def test_each_rule_makes_other_positions_of_members_that_are_the_same(
    examples: Path, tmp_path: Path, make_run: Run
) -> None:
    said: dict[str, np.ndarray] = {}
    data = read_examples(examples)
    windows = torch.from_numpy(data.raw_windows(data.windows("test", 6, 1), 6))
    members: list[torch.Tensor] = []
    for rule in ("vote", "meta", "thompson"):
        bundle = train(config(rule), examples, tmp_path / rule, make_run(rule))
        said[rule] = predict(bundle, examples, zone="test", threads=1).score
        served = load_graph(bundle.folder).predict(windows.numpy())["allocation"]
        np.testing.assert_allclose(served, said[rule], atol=1e-5)
        _, model = load_model(bundle)
        assert isinstance(model.policy, Ensemble)
        with torch.inference_mode():
            members.append(model.policy.each(model.reader(windows)))
        facts = read_json(bundle.path("model.json"))
        assert set(facts["members"]) == set(facts["validation_return"]) == set(MEMBERS)
        if rule == "meta":
            assert all(np.isclose(said[rule][:, None], members[-1].numpy(), atol=1e-6).any(axis=1))
        else:
            np.testing.assert_allclose(said[rule], members[-1].numpy() @ facts["weights"], atol=1e-5)
        history = read_json(bundle.path("history.json"))
        assert [len(history[name]) for name in ("td3/val_loss", "val_loss", "train_loss")] == [2, 1, 1]
        played = play_zone(bundle, examples, zone="validation", threads=1)
        assert played == pytest.approx(facts["validation_episodes"])
    assert torch.equal(members[0], members[1])
    assert torch.equal(members[0], members[2])
    assert np.abs(said["vote"] - said["meta"]).max() > 0.01
    assert np.abs(said["vote"] - said["thompson"]).max() > 0.001


class StopAfter(Stop):
    """Asks to stop at the ``polls``-th time that training looks."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.slow
def test_an_ensemble_that_was_stopped_in_each_of_its_members_ends_in_the_same_bits(
    examples: Path, tmp_path: Path, make_run: Run
) -> None:
    whole = train(config("meta"), examples, tmp_path / "whole", make_run("whole"))
    out, run, stops = tmp_path / "out", make_run("stopped"), 0
    while not out.exists():
        try:
            stopping = RunContext(run.step, run.run_key, run.workspace, stop=StopAfter(5))
            train(config("meta"), examples, out, stopping)
        except InterruptedRunError:
            stops += 1
        assert stops < 100
    assert stops >= 1
    assert load(out).digest == whole.digest
    curves = {path.parent.name for path in run.folder.glob("tensorboard/*/events*")}
    assert curves == set(MEMBERS)
