"""Train the foundation: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.errors import DataError
from components.core.files import fresh_folder
from components.core.run_context import RunContext
from components.families.foundation.config import FoundationConfig
from components.families.foundation.coverage import Coverage
from components.families.foundation.data import Feed, Zone, filled_panel, moments, require_moves, zone_of
from components.families.foundation.evaluate import metrics
from components.families.foundation.loss import quantile_loss
from components.families.foundation.predict import say
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
from components.learning.dropout import MaskPool, mask_pool
from components.learning.examples import Examples, read_examples
from components.learning.faults import memory_advice
from components.learning.foundation import FoundationNetwork
from components.learning.loop import Loop, Task
from components.learning.parallel import ALONE, World, joined
from components.learning.reproducible import choose_device, reproducible
from components.learning.tft.config import Origins
from components.market.columns import FOUNDATION, QUANTILE_LEVELS
from components.market.moves import MOVE_LABELLER

History = dict[str, list[float]]


@dataclass(frozen=True)
class Training:
    """What training reads: one panel on the device, and the samples that index it."""

    panel: Tensor
    train: Zone
    validation: Zone


def train(config: FoundationConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle that now lies in ``out``.

    Checkpoints, TensorBoard events and ``metrics.jsonl`` go to the run's own folder.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted.
        DivergedError, OutOfMemoryError: If a step fails; the message names the setting to change.
        EnvironmentMissingError: If checkpoints cannot be written, before anything is trained.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        ParityError: If the exported graph does not say what the network says; no bundle is written.
    """
    started = run.clock()
    data = read_examples(examples)
    require_columns(data, FOUNDATION)
    require_moves(data)
    coverage = Coverage.of(data)
    coverage.report(run)
    with (
        joined(config.train.device) as world,
        reproducible(seed=world.seed(config.seed), threads=config.train.threads),
        memory_advice(batch=config.train.batch, has_segments=False),
    ):
        device = choose_device(config.train.device)
        name = training_key("foundation", config, data, processes=world.size)
        store = world.first(lambda: CheckpointStore(run.checkpoints / name, log=run.log, reads=not world.leads))
        training = load_training(data, config, device)
        model = make_model(config, data, training.train).to(device)
        best_epoch, history = fit(config, model, training, store, run, name=name, world=world)
        if world.leads:
            facts = shape(config) | {"best_epoch": best_epoch} | coverage.facts()
            signature = signature_of(FOUNDATION, config.data.window, ("quantile",))
            with fresh_folder(out) as folder:
                if run.serves:
                    write_graph(folder, model, data, signature, horizon=config.data.horizon)
                write_files(folder, model, data, history=history, facts=facts)
                seal(
                    folder,
                    family="foundation",
                    config=config.model_dump(mode="json"),
                    schema=signature.document(),
                    data=origin(data) | coverage.facts(),
                    notes=notes(threads=config.train.threads, device=device, started=started, finished=run.clock()),
                )
        world.wait()
    return load_bundle(out)


def shape(config: FoundationConfig) -> dict[str, Any]:
    """Return what ``model.json`` says of questions and answers."""
    return {
        "labeller": MOVE_LABELLER,
        "levels": list(QUANTILE_LEVELS),
        "horizon": config.data.horizon,
        "window_size": config.data.window,
    }


def load_training(data: Examples, config: FoundationConfig, device: torch.device) -> Training:
    """Return what training reads.

    Raises:
        DataError: If a zone that training needs has no window.
    """
    found = {name: zone_of(data, name, config.data) for name in ("train", "validation")}
    for name, zone in found.items():
        if not len(zone):
            raise DataError(
                f"zone {name!r} has no window of {config.data.window} bars and the {config.data.horizon} after it",
                file="examples",
                remedy=f"Give data.zones.{name} a larger share, use more history, or lower data.window",
            )
    return Training(filled_panel(data, device, pin_memory=config.train.pin_memory), **found)


def make_model(config: FoundationConfig, data: Examples, samples: Zone) -> FoundationNetwork:
    """Return the untrained network: moments and quantiles are those of the training zone."""
    model = FoundationNetwork(config.model, window=config.data.window, horizon=config.data.horizon)
    model.prepare(*moments(data), np.quantile(samples.standard, QUANTILE_LEVELS, axis=0).T)
    return model


def fit(
    config: FoundationConfig,
    model: FoundationNetwork,
    training: Training,
    store: CheckpointStore,
    run: RunContext,
    *,
    name: str,
    world: World = ALONE,
) -> tuple[int, History]:
    """Fit the weights; return the epoch that was kept and the numbers of every epoch."""
    panel, settings = training.panel, config.train
    feed = Feed.of(
        panel, training.train, window=config.data.window, rows=settings.slab_rows, stride=settings.slab_stride
    )
    pool = mask_pool(
        settings.masks, config.model.dropout, largest=largest_mask(config), seed=world.seed(config.seed),
        device=panel.device,
    )  # fmt: skip
    task = Task(
        model, len(feed.slabs), loss_of(model, feed, pool, settings.origins, world=world), name=name, seed=config.seed,
        weigh=feed.slabs.num_samples, pool=pool,
    )  # fmt: skip
    came = training.validation.standard
    with closing(Loop(task, settings.by_slab(), panel.device, store, run, world=world)) as loop:
        run.log.info("%d parameters on %s, processes %d", num_parameters(model), panel.device, world.size)
        while not loop.finished:
            trained = loop.train_epoch()
            loop.close_epoch(
                trained, metrics(say(model, panel, training.validation, on_batch=loop.heed_stop, world=world), came)
            )
        return loop.restore_best(), loop.position.history


def largest_mask(config: FoundationConfig) -> int:
    """Return the number of elements that the largest dropout mask of one batch has at most."""
    settings, window = config.train, config.data.window
    slabs = settings.batch // settings.slab_rows
    rows = slabs * (window + (settings.slab_rows - 1) * settings.slab_stride)
    by_variable = rows * len(FOUNDATION) * config.model.continuous
    return max(by_variable, settings.batch * (window + config.data.horizon) * config.model.hidden)


def loss_of(
    model: FoundationNetwork, feed: Feed, pool: MaskPool | None, origins: Origins, *, world: World
) -> Callable[[Tensor], Tensor]:
    """Return the mean quantile loss of the samples in some slabs, by their numbers; several processes share them."""
    levels = torch.tensor(QUANTILE_LEVELS, device=feed.standard.device)
    num_sites = model.transformer.num_sites
    replica = world.replica(model, feed.standard.device, model.standard)

    def loss(numbers: Tensor) -> Tensor:
        mine = feed.slabs.ends.index_select(0, numbers[world.turn(len(numbers), numbers.device)])
        masks = pool.draw(num_sites) if pool else None
        said = replica(feed.windows.gather(mine), stride=feed.stride, masks=masks, origins=origins)
        slabs = feed.slabs.take(numbers)
        counted = slabs.counted.flatten()
        whole = world.whole(said.unflatten(0, (len(mine), -1)), len(numbers)).flatten(0, 1)
        came = feed.standard.index_select(0, slabs.samples.flatten()[counted])
        return quantile_loss(whole[counted], came, levels)

    return loss
