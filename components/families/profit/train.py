"""Train the profit transformer: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.files import fresh_folder
from components.core.run_context import RunContext
from components.families.profit import COLUMNS
from components.families.profit.config import ProfitConfig
from components.families.profit.data import Dataset, load
from components.families.profit.evaluate import metrics
from components.families.profit.loss import SHARPNESS, allocate, profit_loss
from components.families.profit.model import OUTPUTS, ProfitNetwork
from components.families.profit.predict import Said, beside_outcomes, say
from components.families.profit.start import base_weights
from components.learning.batches import to_device
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
from components.learning.events import profit_values
from components.learning.examples import Examples, read_examples
from components.learning.faults import memory_advice
from components.learning.loop import Loop, Task
from components.learning.parallel import ALONE, World, joined
from components.learning.prices import relative
from components.learning.reproducible import choose_device, reproducible
from components.trading.allocation import trade_allocations
from components.trading.profit import profit_of

NUM_SCALED = 2048
"""Training windows at most, evenly spread, that the scaling is taken from."""


def train(config: ProfitConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle that now lies in ``out``.

    Checkpoints, TensorBoard events and ``metrics.jsonl`` go to the run's own folder.

    Raises:
        ArtifactError, DataError: If the examples, or the base model to start from, cannot be trusted.
        DivergedError, OutOfMemoryError: If a step fails; the message names the setting to change.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        ParityError: If the exported graph does not say what the network says; no bundle is written.
    """
    started = run.clock()
    data = read_examples(examples)
    require_columns(data, COLUMNS)
    with (
        joined(config.train.device) as world,
        reproducible(seed=world.seed(config.seed), threads=config.train.threads),
        memory_advice(batch=config.train.batch, has_segments=False),
    ):
        device = choose_device(config.train.device)
        samples = load(data, config, device)
        model = make_model(config, data, samples).to(device)
        best, history = fit(config, model, data, samples, run, world=world)
        if world.leads:
            facts = {"head": config.model.head, "sharpness": SHARPNESS, "best_evaluation": best}
            facts |= {"window_size": config.data.window, "return_scale": samples.scale}
            signature = signature_of(COLUMNS, config.data.window, OUTPUTS)
            with fresh_folder(out) as folder:
                if run.serves:
                    write_graph(folder, model, data, signature, horizon=config.data.horizon)
                write_files(folder, model, data, history=history, facts=facts)
                seal(
                    folder,
                    family="profit",
                    config=config.model_dump(mode="json"),
                    schema=signature.document(),
                    data=lineage(config, data),
                    notes=notes(threads=config.train.threads, device=device, started=started, finished=run.clock()),
                )
        world.wait()
    return load_bundle(out)


def lineage(config: ProfitConfig, data: Examples) -> dict[str, Any]:
    """Return what the bundle says of the data and of the base model behind it."""
    return origin(data) | ({"started_from": config.start.expect} if config.start else {})


def make_model(config: ProfitConfig, data: Examples, samples: Dataset) -> ProfitNetwork:
    """Return the network to start from: untrained with the scaling of the training zone, or the base model's."""
    model = ProfitNetwork(config.model, num_features=len(COLUMNS), window=config.data.window)
    if config.start:
        model.load_state_dict(base_weights(config.start, config, data))
        return model
    ends = samples.train[np.linspace(0, len(samples.train) - 1, min(NUM_SCALED, len(samples.train))).astype(int)]
    rows = relative(samples.windows.gather(to_device(ends, samples.paths.first.device)))
    rows = rows.flatten(0, 1).double().cpu().numpy()
    std = rows.std(axis=0)
    model.prepare(rows.mean(axis=0), np.where(std > 0, std, 1.0), scale=samples.scale)
    return model


def fit(
    config: ProfitConfig,
    model: ProfitNetwork,
    data: Examples,
    samples: Dataset,
    run: RunContext,
    *,
    world: World = ALONE,
) -> tuple[int, dict[str, list[float]]]:
    """Fit the weights; return the evaluation that was kept and the numbers of every one."""
    name, device = training_key("profit", config, data, processes=world.size), samples.paths.first.device
    store = world.first(lambda: CheckpointStore(run.checkpoints / name, log=run.log, reads=not world.leads))
    drawn = draws(config, samples).to(device)
    loss = loss_of(config, model, samples, world)
    task = Task(model, len(drawn), lambda places: loss(drawn.index_select(0, places)), name=name, seed=config.seed)
    loop_config = config.train.loop(paths_per_step=samples.paths_per_step)
    ends = to_device(samples.validation, device)
    with closing(Loop(task, loop_config, device, store, run, by_step=True, world=world)) as loop:
        run.log.info("%d parameters on %s, processes %d", num_parameters(model), device, world.size)
        while not loop.finished:
            trained = loop.train_epoch()
            said = say(model, samples.windows, ends, on_batch=loop.heed_stop, world=world)
            measured = metrics(said, samples.validation, samples, config)
            loop.close_epoch(trained, measured, profit=tracked(config, data, samples, said))
        return loop.restore_best(), loop.position.history


def tracked(config: ProfitConfig, data: Examples, samples: Dataset, said: Said) -> Mapping[str, float]:
    """Return by tag what the validation zone's weights would have earned; these numbers decide nothing."""
    table = beside_outcomes(data, samples.validation, said, head=config.model.head)
    book = trade_allocations(table, config.judge.costs)
    return profit_values(**asdict(profit_of(book, bars_per_year=float(data.manifest["bars_per_year"]))))


def draws(config: ProfitConfig, samples: Dataset) -> Tensor:
    """Return the numbers of the paths that are visited, (draw,): pass after pass, each in an order of its own.

    With ``train.epochs`` it is one pass, which every epoch shuffles anew.
    """
    num = len(samples.paths)
    if config.train.epochs:
        return torch.arange(num)
    wanted = config.train.num_evaluations * config.train.evaluate_every_steps * samples.paths_per_step
    rng = np.random.default_rng(config.seed)
    passes = np.concatenate([rng.permutation(num) for _ in range(-(-wanted // num))])
    return torch.from_numpy(passes[:wanted])


def loss_of(config: ProfitConfig, model: ProfitNetwork, samples: Dataset, world: World) -> Callable[[Tensor], Tensor]:
    """Return the objective of the paths with some numbers, of which several processes share the network's part."""
    outcomes, paths = samples.outcomes, samples.paths
    replica = world.replica(model, paths.first.device, model)

    def answers(numbers: Tensor) -> list[Tensor]:
        symbol, time = paths.cells(numbers[world.turn(len(numbers), numbers.device)])
        ends = torch.stack([symbol, time], dim=-1)
        said = replica(samples.windows.gather(ends.flatten(0, -2)))
        return [world.whole(mine.view(symbol.shape), len(numbers)) for mine in said]

    def loss(numbers: Tensor) -> Tensor:
        symbol, time = paths.cells(numbers)
        score, expected = answers(numbers)
        traded, close, known = (values[symbol, time] for values in (outcomes.traded, outcomes.close, outcomes.known))
        weights = allocate(score, known, head=config.model.head)
        errors = (expected - close) / samples.scale
        return profit_loss(weights, traded, errors, known, config.objective, scale=samples.scale)

    return loss
