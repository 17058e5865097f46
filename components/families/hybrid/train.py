"""Train the hybrid network: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.errors import RecipeError
from components.core.files import fresh_folder, write_json
from components.core.run_context import RunContext
from components.families.hybrid import INPUTS
from components.families.hybrid.config import HybridConfig
from components.families.hybrid.data import augment, stream
from components.families.hybrid.evaluate import metrics
from components.families.hybrid.loss import hybrid_loss
from components.families.hybrid.model import OUTPUTS, HybridNetwork
from components.families.hybrid.predict import BATCH, said_of
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
from components.learning.examples import Examples, read_examples
from components.learning.faults import memory_advice
from components.learning.feed import Feed
from components.learning.loop import Loop, Task
from components.learning.parallel import ALONE, World, joined
from components.learning.reproducible import choose_device, reproducible
from components.learning.snapshots import keep_snapshot
from components.learning.zones import Zones, load_zones
from components.market.actions import ACTION_LABELLER, DEAD_BAND, VOL_BARS
from components.market.columns import ACTIONS
from components.market.predictions import Predictions
from components.trading.profit import ProfitTracker

ATTENTION = "attention.json"
"""File of a bundle: where the network looks, on average."""
_SCALED_BY = 4096  # training windows, evenly spaced, by which inputs are scaled

History = dict[str, list[float]]
Loss = Callable[[Tensor], Tensor]


class Targets(NamedTuple):
    """What came after the training windows, on the device."""

    label: Tensor
    """(sample,), int64."""
    move: Tensor
    """(sample,), float32: in past volatilities."""


class Batch(NamedTuple):
    """What one step reads."""

    scaled: Tensor
    """(batch, time, channel): augmented."""
    targets: Targets


def train(config: HybridConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle that now lies in ``out``.

    Checkpoints, TensorBoard events, snapshots and ``metrics.jsonl`` go to the run's own folder.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted.
        RecipeError: If the recipe states another number of channels than the features have.
        DivergedError, OutOfMemoryError: If a step fails; the message names the setting to change.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        ParityError: If the exported graph does not say what the network says; no bundle is written.
    """
    started = run.clock()
    data = read_examples(examples)
    require_columns(data, INPUTS)
    require_channels(config, data)
    with (
        joined(config.train.device) as world,
        reproducible(seed=world.seed(config.seed), threads=config.train.threads, compiles=config.train.compile),
        memory_advice(batch=config.train.batch),
    ):
        device = choose_device(config.train.device)
        zones = load_zones(data, config.data, device, pin_memory=config.train.pin_memory)
        model = make_model(config, data, zones).to(device)
        best_epoch, history = fit(config, model, data, zones, run, world=world)
        if world.leads:
            of_host = notes(threads=config.train.threads, device=device, started=started, finished=run.clock())
            signature = signature_of(INPUTS, config.data.window, OUTPUTS)
            with fresh_folder(out) as folder:
                write_json(folder / ATTENTION, attention_of(model, zones))
                if run.serves:
                    write_graph(folder, model, data, signature, horizon=config.data.horizon)
                write_files(folder, model, data, history=history, facts={"best_epoch": best_epoch} | shape(config))
                seal(
                    folder,
                    family="hybrid",
                    config=config.model_dump(mode="json"),
                    schema=signature.document(),
                    data=origin(data),
                    notes=of_host,
                )
        world.wait()
    return load_bundle(out)


def require_channels(config: HybridConfig, data: Examples) -> None:
    """Check that the recipe's number of channels, where it states one, is that of the features.

    Raises:
        RecipeError: If it is not.
    """
    stated, found = config.model.cnn.input_channels, len(data.columns)
    if stated is not None and stated != found:
        raise RecipeError(
            f"model.cnn.input_channels is {stated}, the features have {found} columns: {', '.join(data.columns)}. "
            "Leave it null, and it is taken from them"
        )


def fit(
    config: HybridConfig,
    model: HybridNetwork,
    data: Examples,
    zones: Zones,
    run: RunContext,
    *,
    world: World = ALONE,
) -> tuple[int, History]:
    """Fit the weights; return the epoch that was kept and the numbers of every epoch."""
    name, settings = training_key("hybrid", config, data, processes=world.size), config.train
    store = world.first(lambda: CheckpointStore(run.checkpoints / name, log=run.log, reads=not world.leads))
    targets, ends = targets_of(data, zones.train.ends), zones.validation.ends
    feed = feed_of(config, model, zones, targets)
    loss = loss_of(config, model, feed, world)
    task = Task(model, len(zones.train), loss, name=name, seed=config.seed, feed=feed)
    validation, profit = targets_of(data, ends), tracker(config, data, zones)
    label, move = validation.label.cpu().numpy(), validation.move.double().cpu().numpy()
    with closing(feed), closing(Loop(task, settings, ends.device, store, run, world=world)) as loop:
        run.log.info("%d parameters on %s, processes %d", num_parameters(model), ends.device, world.size)
        while not loop.finished:
            trained = loop.train_epoch()
            said = said_of(model, zones.windows, ends, on_batch=loop.heed_stop, world=world)
            loop.close_epoch(trained, metrics(said, label, move, settings.loss_weights, profit))
            if world.leads:
                keep_snapshot(loop, settings.snapshots, run.folder / "snapshots")
        best_epoch = loop.restore_best()
    return best_epoch, loop.position.history


def shape(config: HybridConfig) -> dict[str, Any]:
    """Return what ``model.json`` says of questions and answers."""
    return {
        "model_type": config.model.type,
        "labeller": ACTION_LABELLER,
        "classes": list(ACTIONS),
        "dead_band": DEAD_BAND,
        "vol_bars": VOL_BARS,
        "horizon": config.data.horizon,
        "window_size": config.data.window,
    }


def make_model(config: HybridConfig, data: Examples, zones: Zones) -> HybridNetwork:
    """Return the untrained network: scaling and class shares are those of the training zone."""
    model = HybridNetwork(config.model, columns=data.columns)
    places = torch.linspace(0, len(zones.train) - 1, min(_SCALED_BY, len(zones.train))).long()
    windows = zones.windows.gather(zones.train.ends[places.to(zones.train.ends.device)]).cpu()
    counts = torch.bincount(zones.train.label.long().cpu(), minlength=len(ACTIONS)) + 1
    model.prepare(windows, counts / counts.sum())
    return model


def targets_of(data: Examples, ends: Tensor) -> Targets:
    """Return what came after the windows at ``ends`` (sample, 2)."""
    symbol, end = ends.cpu().numpy().T
    label, move = data.label[symbol, end].astype(np.int64), data.move[symbol, end].astype(np.float32)
    return Targets(to_device(label, ends.device), to_device(move, ends.device))


def feed_of(config: HybridConfig, model: HybridNetwork, zones: Zones, targets: Targets) -> Feed[Batch]:
    """Return the training's batches: windows gathered, scaled and augmented, each from a random stream of its own."""

    def make(samples: Tensor, place: tuple[int, int]) -> Batch:
        windows = zones.windows.gather(zones.train.ends.index_select(0, samples))
        random = stream(config.seed, *place)
        scaled = augment(model.relative(windows), config.train.augmentation, random)
        return Batch(scaled, Targets(*(values.index_select(0, samples) for values in targets)))

    return Feed(make, workers=config.train.workers)


def loss_of(config: HybridConfig, model: HybridNetwork, feed: Feed[Batch], world: World) -> Loss:
    """Return the mean loss of the training samples at the next positions."""
    segments, weights = config.train.gradient.segments, config.train.loss_weights
    scores = torch.compile(model.scores) if config.train.compile else model.scores
    replica = world.replica(model, next(model.parameters()).device, scores)

    def loss(samples: Tensor) -> Tensor:
        batch, num = feed.take(samples), len(samples)
        mine = replica(batch.scaled, rows=world.turn(num, batch.scaled.device), segments=segments)
        said, moves = (world.whole(answers, num) for answers in mine)
        return hybrid_loss(said, moves, *batch.targets, weights)

    return loss


def tracker(config: HybridConfig, data: Examples, zones: Zones) -> ProfitTracker:
    """Return what trades the validation zone at each evaluation, to show how the training goes."""
    ends: npt.NDArray[np.int64] = zones.validation.ends.cpu().numpy()
    symbol, end = ends.T
    rows = Predictions(
        symbols=data.symbols,
        symbol=symbol,
        timestamp=data.panel.timestamps[end],
        probability=np.zeros(len(ends)),
        label=np.zeros(len(ends)),
        forward_return=data.forward_return[symbol, end],
        threshold=0.5,
    )
    return ProfitTracker(rows, config.judge.costs, float(data.manifest["bars_per_year"]))


def attention_of(model: HybridNetwork, zones: Zones) -> dict[str, Any]:
    """Return where the network looks, mean over evenly spaced windows of validation; bars from the oldest on.

    ``fusion`` holds how much each bar counts for the decision, ``over_time`` how much each bar (row) looks at each.
    """
    ends, model = zones.validation.ends, model.eval()
    places = torch.linspace(0, len(ends) - 1, min(BATCH, len(ends))).long().to(ends.device)
    windows = zones.windows.gather(ends[places])
    with torch.inference_mode():
        fusion, over_time = model(windows)[2].mean(dim=0), model.self_attention(windows).mean(dim=0)
    maps = {"fusion": fusion.cpu().numpy(), "over_time": over_time.cpu().numpy()}
    return {
        "windows": len(places),
        **{name: np.round(values.astype(float), 5).tolist() for name, values in maps.items()},
    }
