"""The agents family: published settings, its markets, and trainings that end in the same bits, whoever learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import profit_market
import pytest
import torch
from click.testing import CliRunner

from cli.config import config as config_command
from components.core.bundle import Bundle, load
from components.core.errors import DataError, InterruptedRunError, RecipeError
from components.core.files import read_json
from components.core.judge import ALLOCATION_GATES
from components.core.run_context import RunContext, Stop
from components.core.strict_yaml import load as load_yaml
from components.families.agents import COLUMNS, FAMILY
from components.families.agents.choice import AGENTS
from components.families.agents.config import AgentsConfig
from components.families.agents.data import load as load_data
from components.families.agents.data import stretches
from components.families.agents.evaluate import Episodes, metrics
from components.families.agents.predict import load_model, play_zone, predict
from components.families.agents.train import train
from components.learning.examples import read_examples
from components.serving.loader import load as load_graph

Run = Callable[[str], RunContext]
TINY: dict[str, Any] = {
    "data": {"window": 6, "zones": profit_market.ZONES},
    "network": {"hidden": [8, 8]},
    "environment": {"episode_bars": 20},
    "ppo": {"n_steps": 8, "batch": 32, "n_epochs": 2, "lr": 0.01},
    "train": {
        "batch": 8, "max_steps": 384, "evaluate_every_steps": 128, "test_episodes": 20, "device": "cpu",
        "checkpoint_every_rounds": 1,
    },
}  # fmt: skip
OFF_POLICY = {"buffer": 300, "learning_starts": 64, "batch": 16}


def config(**groups: Any) -> AgentsConfig:
    """Return the tiny recipe; keywords replace settings of a group."""
    values: dict[str, Any] = {
        **groups, **{name: group | groups.get(name, {}) for name, group in TINY.items()},
    }  # fmt: skip
    return AgentsConfig.parse(values, name="test")


class Trained(NamedTuple):
    examples: Path
    bundle: Bundle


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, run_in: Callable[[Path, str], RunContext]) -> Trained:
    root = tmp_path_factory.mktemp("agents")
    examples = profit_market.write(root / "examples", inputs=COLUMNS)
    return Trained(examples, train(config(), examples, root / "bundle", run_in(root, "whole")))


@pytest.mark.promise("S4-63")
@pytest.mark.promise("S4-64")
@pytest.mark.promise("S4-66")
@pytest.mark.promise("S4-68")
@pytest.mark.promise("S4-69")
@pytest.mark.promise("S4-73")
def test_the_daily_recipe_has_the_published_settings_and_they_are_the_defaults() -> None:
    for recipe in (FAMILY.recipe("daily"), AgentsConfig()):
        assert recipe.agent == "ppo"
        account = recipe.environment
        assert (account.initial_balance, account.transaction_cost) == (100_000.0, 0.001)
        weights = account.reward
        assert (weights.sharpe, weights.total_return, weights.drawdown, weights.transaction) == (0.4, 0.3, 0.3, 0.1)
        assert recipe.network.hidden == (256, 256, 128)
        course = recipe.train
        assert (course.max_steps, course.evaluate_every_steps) == (1_000_000, 10_000)
        assert (course.evaluation_episodes, course.test_episodes) == (10, 100)
    assert recipe.judge.gates == ALLOCATION_GATES
    assert set(AGENTS) == {"ppo", "sac", "td3", "rainbow_dqn"}


def test_what_cannot_work_is_refused() -> None:
    for override, words in (
        ("agent=dqn", "agent"), ("network.bars=100", "network.bars"), ("data.horizon=2", "must be 1"),
        ("network={extractor: cnn_lstm}", "must be > 1"), ("network={channels: 3}", "divisible"),
        ("environment.transaction_cost=-1", "transaction_cost"),
        ("environment.reward={sharpe: 0, total_return: 0}", "both 0"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=words):
            FAMILY.recipe("daily", (override,))


ENV_FILE = """
env:
  initial_balance: 50000.0
  transaction_cost: 0.002
  reward: {sharpe: 0.5, return: 0.2, drawdown: 0.2, transaction: 0.1}
"""
RL_FILE = """
rl:
  algorithm: td3
  total_timesteps: 5000
  policy: {net_arch: [64, 64], features_extractor: cnn_lstm, n_bars: 12}
  ppo: {learning_rate: 0.001, gae_lambda: 0.9}
"""


@pytest.mark.promise("S4-74")
def test_a_file_of_the_environment_and_one_of_the_agent_make_a_recipe(tmp_path: Path) -> None:
    files = [tmp_path / "env.yaml", tmp_path / "rl.yaml"]
    for file, text in zip(files, (ENV_FILE, RL_FILE), strict=True):
        file.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(config_command, ["import", "agents", *map(str, files)])
    assert done.exit_code == 0, done.output
    recipe = AgentsConfig.parse(load_yaml(done.output, name="printed"), name="printed")
    assert (recipe.environment.initial_balance, recipe.environment.transaction_cost) == (50_000.0, 0.002)
    assert (recipe.environment.reward.sharpe, recipe.environment.reward.total_return) == (0.5, 0.2)
    assert (recipe.agent, recipe.train.max_steps, recipe.ppo.lr, recipe.ppo.gae_lambda) == ("td3", 5000, 0.001, 0.9)
    assert (recipe.network.hidden, recipe.network.extractor, recipe.network.bars) == ((64, 64), "cnn_lstm", 12)
    assert recipe.environment.reward.memory == AgentsConfig().environment.reward.memory
    again = CliRunner().invoke(config_command, ["import", "agents", str(files[0]), str(files[0])])
    assert "stands in an earlier file" in str(again.exception)
    files[1].write_text(RL_FILE.replace("net_arch", "net_arhc"), encoding="utf-8")
    wrong = CliRunner().invoke(config_command, ["import", "agents", *map(str, files)])
    assert "rl.policy.net_arhc: unknown key" in str(wrong.exception)


def test_a_stretch_ends_at_a_gap_at_an_unknown_return_and_with_its_symbol() -> None:
    ends = np.array([[0, 5], [1, 5], [0, 6], [1, 6], [0, 7], [1, 8], [0, 8], [0, 9]])
    known = np.ones((2, 12), dtype=np.bool_)
    known[0, 7] = False
    cells, last = stretches(ends, known)
    assert cells.tolist() == [[0, 5], [0, 6], [0, 7], [0, 8], [0, 9], [1, 5], [1, 6], [1, 8]]
    assert last.tolist() == [2, 2, 2, 4, 4, 6, 6, 7]


def test_a_market_knows_of_each_cell_what_its_own_bars_say(trained: Trained) -> None:
    recipe, examples = config(network={"hidden": [8], "bars": 2}), read_examples(trained.examples)
    data = load_data(examples, recipe, torch.device("cpu"))
    assert data.train.observations.shape[1] == 2 * len(COLUMNS)
    ends = examples.windows("train", 6, 1)
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    windows = torch.from_numpy(examples.raw_windows(ends[17:18], 6))
    torch.testing.assert_close(data.reader(windows)[0], data.train.observations[17])
    assert data.train.returns[17].item() == examples.forward_return[tuple(ends[17])]
    seen = data.train.observations.view(-1, 2, len(COLUMNS))[:, :, [4, 5]]
    torch.testing.assert_close(seen.mean(dim=(0, 1)), torch.zeros(2), atol=1e-4, rtol=0)  # volume and RSI
    with pytest.raises(DataError, match="two decision times in a row"):
        load_data(examples, config(data={"window": 75, "zones": profit_market.ZONES}), torch.device("cpu"))


@pytest.mark.promise("S4-73")
def test_the_figures_of_episodes_by_hand() -> None:
    nets = np.array([[0.1, -0.2, 0.3], [0.0, 0.0, np.nan]])
    found = metrics(Episodes(net=nets, reward=np.array([[1.0, 2.0, 3.0], [0.0, -1.0, np.nan]])), bars_per_year=1.0)
    sharpe = nets[0].mean() / nets[0].std(ddof=1)
    assert found["loss"] == pytest.approx(-1.0)
    assert found["total_return"] == pytest.approx(0.1)
    assert found["max_drawdown"] == pytest.approx(-0.2 / 1.1 / 2)
    assert found["sharpe_ratio"] == pytest.approx(sharpe / 2)


@pytest.mark.promise("S4-69")
@pytest.mark.promise("S4-73")
def test_a_training_evaluates_as_often_as_it_says_and_a_finished_agent_plays_episodes(trained: Trained) -> None:
    history, facts = (read_json(trained.bundle.path(f"{name}.json")) for name in ("history", "model"))
    names = {"train_loss", "val_loss", "val_sharpe_ratio", "val_total_return", "val_max_drawdown"}
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(names, 3)
    assert facts["best_evaluation"] == 1 + int(np.argmin(history["val_loss"]))
    played = play_zone(trained.bundle, trained.examples, zone="validation", threads=1)
    assert played == facts["validation_episodes"]
    tested = play_zone(trained.bundle, trained.examples, zone="test", threads=1, num_episodes=100)
    assert set(tested) == {"loss", "sharpe_ratio", "total_return", "max_drawdown"}
    assert all(np.isfinite(value) for value in tested.values())
    assert tested["max_drawdown"] <= 0


def test_what_is_judged_is_what_the_graph_holds_of_an_equal_part_each(trained: Trained) -> None:
    table = predict(trained.bundle, trained.examples, zone="test", threads=1)
    served, (recipe, model) = load_graph(trained.bundle.folder), load_model(trained.bundle)
    data = read_examples(trained.examples)
    ends = data.windows("test", recipe.data.window, 1)
    windows = data.raw_windows(ends, recipe.data.window)
    np.testing.assert_allclose(served.predict(windows)["allocation"], table.score, atol=1e-5)
    with torch.inference_mode():
        np.testing.assert_allclose(model(torch.from_numpy(windows)).numpy(), table.score, atol=1e-6)
    np.testing.assert_allclose(table.weight, table.score / 5)
    assert np.abs(table.score).max() <= 1
    assert np.ptp(table.score) > 0


class StopAfter(Stop):
    """Asks to stop at the ``polls``-th time that training looks."""

    def __init__(self, polls: int) -> None:
        super().__init__()
        self.left = polls

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize(
    "agent", ["ppo", *(pytest.param(name, marks=pytest.mark.slow) for name in AGENTS if name != "ppo")]
)
def test_stopped_again_and_again_a_training_ends_in_the_same_bits(
    trained: Trained, tmp_path: Path, make_run: Run, agent: str
) -> None:
    recipe = config(agent=agent, **dict.fromkeys(("sac", "td3", "rainbow_dqn"), OFF_POLICY))
    whole = trained.bundle
    if agent != "ppo":
        whole = train(recipe, trained.examples, tmp_path / "whole", make_run("whole"))
    else:
        recipe = config()
    out, run, stops = tmp_path / "out", make_run("stopped"), 0
    while not out.exists():
        try:
            stopping = RunContext(run.step, run.run_key, run.workspace, stop=StopAfter(3))
            train(recipe, trained.examples, out, stopping)
        except InterruptedRunError:
            stops += 1
        assert stops < 100
    assert stops >= 1
    assert load(out).digest == whole.digest


@pytest.mark.slow
@pytest.mark.promise("S4-67")
def test_an_agent_that_reads_bars_in_order_is_trained_and_served(
    trained: Trained, tmp_path: Path, make_run: Run
) -> None:
    ordered = {"extractor": "cnn_lstm", "bars": 5, "channels": 4, "memory": 8, "hidden": [8]}
    recipe = config(network=ordered, train=TINY["train"] | {"max_steps": 64, "evaluate_every_steps": 64})
    bundle = train(recipe, trained.examples, tmp_path / "ordered", make_run("ordered"))
    table = predict(bundle, trained.examples, zone="test", threads=1)
    data = read_examples(trained.examples)
    windows = data.raw_windows(data.windows("test", 6, 1), 6)
    np.testing.assert_allclose(load_graph(bundle.folder).predict(windows)["allocation"], table.score, atol=1e-5)
