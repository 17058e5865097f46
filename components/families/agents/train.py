"""Train an agent: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import nn

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.files import digest_of, fresh_folder
from components.core.run_context import RunContext
from components.families.agents import COLUMNS
from components.families.agents.choice import DISCRETE, make_agent, members_of, together
from components.families.agents.config import AgentsConfig
from components.families.agents.course import Course
from components.families.agents.data import Dataset, load
from components.families.agents.evaluate import metrics, play
from components.families.agents.model import OUTPUTS, AgentNetwork
from components.learning.bundles import (
    notes,
    num_parameters,
    origin,
    require_columns,
    signature_of,
    training_key,
    write_files,
    write_graph,
)
from components.learning.checkpoint import CheckpointStore
from components.learning.examples import read_examples
from components.learning.faults import memory_advice
from components.learning.reproducible import choose_device, reproducible
from components.trading.market_environment import MarketEnvironments

TAGS = {
    "train_loss": "train/loss",
    "val_loss": "eval/loss",
    "val_sharpe_ratio": "profit/sharpe_ratio",
    "val_total_return": "profit/total_return",
    "val_max_drawdown": "profit/max_drawdown",
}
"""The curve of each number of the history."""


def train(config: AgentsConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle that now lies in ``out``.

    Checkpoints, TensorBoard events and ``metrics.jsonl`` go to the run's own folder.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted.
        DivergedError, OutOfMemoryError: If a round fails; the message names the setting to change.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        ParityError: If the exported graph does not say what the policy says; no bundle is written.
    """
    started = run.clock()
    data = read_examples(examples)
    require_columns(data, COLUMNS)
    bars_per_year = float(data.manifest["bars_per_year"])
    with (
        reproducible(seed=config.seed, threads=config.train.threads),
        memory_advice(batch=config.train.batch, has_segments=False),
    ):
        device = choose_device(config.train.device)
        samples = load(data, config, device)
        name = training_key("agents", config, data)
        model, history, facts = fit(config, samples, run, name=name, bars_per_year=bars_per_year)
    signature = signature_of(COLUMNS, config.data.window, OUTPUTS)
    facts |= {"window_size": config.data.window, "agent": config.agent, "return_scale": samples.train.scale}
    with fresh_folder(out) as folder:
        write_graph(folder, model, data, signature, horizon=config.data.horizon)
        write_files(folder, model, data, history=history, facts=facts)
        seal(
            folder,
            family="agents",
            config=config.model_dump(mode="json"),
            schema=signature.document(),
            data=origin(data),
            notes=notes(threads=config.train.threads, device=device, started=started, finished=run.clock()),
        )
    return load_bundle(out)


def fit(
    config: AgentsConfig, samples: Dataset, run: RunContext, *, name: str, bars_per_year: float
) -> tuple[AgentNetwork, dict[str, list[float]], dict[str, Any]]:
    """Return the policy that was kept, the numbers of every evaluation, and facts for ``model.json``."""
    if config.agent == "ensemble":
        return fit_together(config, samples, run, name=name, bars_per_year=bars_per_year)
    policy, history, facts = fit_one(config, samples, run, name=name, bars_per_year=bars_per_year)
    return AgentNetwork(samples.reader, policy, discrete=config.agent in DISCRETE), history, facts


def fit_together(
    config: AgentsConfig, samples: Dataset, run: RunContext, *, name: str, bars_per_year: float
) -> tuple[AgentNetwork, dict[str, list[float]], dict[str, Any]]:
    """Train the members of an ensemble one after the other, then its rule; return as ``fit`` does.

    The history has the numbers of each member under its name, and one point of the whole ensemble.
    """
    policies, history, losses = list[nn.Module](), dict[str, list[float]](), list[float]()
    facts: dict[str, Any] = {"members": {}}
    for member in members_of(config):
        key = digest_of({"member": member.agent, "training": name})[:32]
        found = fit_one(member, samples, run, name=key, bars_per_year=bars_per_year, part=member.agent)
        policies.append(found[0])
        history |= {f"{member.agent}/{number}": values for number, values in found[1].items()}
        losses.append(found[1]["train_loss"][-1])
        facts["members"][member.agent] = found[2]
    market = samples.validation
    policy = together(config, policies, observation_size=market.observations.shape[1]).to(market.returns.device)
    facts["validation_return"] = policy.learn(market, cost=config.environment.cost, seed=config.seed)
    facts["weights"] = policy.weights.tolist() if config.ensemble.rule != "meta" else None
    with torch.inference_mode():
        played = play(market, config.environment, policy, num_episodes=config.train.test_episodes, discrete=False)
    facts["validation_episodes"] = metrics(played, bars_per_year=bars_per_year)
    history["train_loss"] = [sum(losses) / len(losses)]
    history |= {f"val_{number}": [value] for number, value in facts["validation_episodes"].items()}
    return AgentNetwork(samples.reader, policy, discrete=False), history, facts


def fit_one(
    config: AgentsConfig, samples: Dataset, run: RunContext, *, name: str, bars_per_year: float, part: str = ""
) -> tuple[nn.Module, dict[str, list[float]], dict[str, Any]]:
    """Train one agent; return its policy that was kept, its numbers of every evaluation, and facts.

    ``name`` is the key of the training, ``part`` that of an agent among several.
    """
    settings, discrete = config.train, config.agent in DISCRETE
    generator = torch.Generator().manual_seed(config.seed)
    environments = MarketEnvironments(
        samples.train, config.environment, num_envs=settings.batch, generator=generator, discrete=discrete
    )
    agent = make_agent(config, environments, device=samples.train.returns.device)
    store = CheckpointStore(run.checkpoints / name, log=run.log)

    def evaluate(num_episodes: int) -> dict[str, float]:
        played = play(
            samples.validation, config.environment, agent.act,
            num_episodes=num_episodes, discrete=discrete,
        )  # fmt: skip
        return metrics(played, bars_per_year=bars_per_year)

    with closing(Course(agent, settings, store, run, name=name, part=part)) as course:
        run.log.info("%s, %d parameters of the policy", config.agent, num_parameters(agent.policy))
        while not course.finished:
            course.learn()
            course.close_evaluation(evaluate(settings.evaluation_episodes), by_tag=TAGS.__getitem__)
        best = course.restore_best()
        facts = {"best_evaluation": best, "validation_episodes": evaluate(settings.test_episodes)}
        return agent.policy, course.position.history, facts
