"""Train the regime classifier: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.files import fresh_folder
from components.core.run_context import RunContext
from components.families.regime.config import RegimeConfig
from components.families.regime.evaluate import advice, metrics
from components.families.regime.loss import balanced_weights, regime_loss
from components.families.regime.model import EMBEDDING, OUTPUTS, RegimeNetwork, transitions
from components.families.regime.predict import scores_of
from components.families.regime.temperature import fit_temperature
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
from components.learning.loop import Loop, Task
from components.learning.reproducible import choose_device, reproducible
from components.learning.zones import Zone, Zones, load_zones
from components.market.columns import CONTEXT, REGIMES
from components.market.regimes import LABELLER

Codes = npt.NDArray[np.int64]
History = dict[str, list[float]]


def train(config: RegimeConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle that now lies in ``out``.

    Checkpoints, TensorBoard events and ``metrics.jsonl`` go to the run's own folder.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted.
        DivergedError, OutOfMemoryError: If a step fails; the message names the setting to change.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        ParityError: If the exported graph does not say what the network says; no bundle is written.
    """
    started = run.clock()
    data = read_examples(examples)
    require_columns(data, CONTEXT)
    with (
        reproducible(seed=config.seed, threads=config.train.threads),
        memory_advice(batch=config.train.batch, has_segments=False),
    ):
        device = choose_device(config.train.device)
        zones = load_zones(data, config.data, device, pin_memory=config.train.pin_memory)
        model = make_model(config, data, zones).to(device)
        best_epoch, history = fit(config, model, zones, device, run, name=training_key("regime", config, data))
    lines = advice(len(data.panel.timestamps), codes(zones.train))
    for line in lines:
        run.log.warning("%s", line)
    facts = {"model_type": config.model.type, "best_epoch": best_epoch, "temperature": float(model.temperature)}
    of_host = notes(threads=config.train.threads, device=device, started=started, finished=run.clock())
    signature = signature_of(CONTEXT, config.data.window, OUTPUTS)
    with fresh_folder(out) as folder:
        if run.serves:
            write_graph(folder, model, data, signature, horizon=config.data.horizon)
        write_files(folder, model, data, history=history, facts=facts | shape(config))
        seal(
            folder,
            family="regime",
            config=config.model_dump(mode="json"),
            schema=signature.document(),
            data=origin(data),
            notes=of_host | {"advice": lines},
        )
    return load_bundle(out)


def fit(
    config: RegimeConfig, model: RegimeNetwork, zones: Zones, device: torch.device, run: RunContext, *, name: str
) -> tuple[int, History]:
    """Fit the weights, and then the temperature; return the epoch that was kept and the numbers of every epoch."""
    store = CheckpointStore(run.checkpoints / name, log=run.log)
    task = Task(model, len(zones.train), loss_of(config, model, zones), name=name, seed=config.seed)
    with closing(Loop(task, config.train, device, store, run)) as loop:
        run.log.info("%d parameters on %s", num_parameters(model), device)
        while not loop.finished:
            trained = loop.train_epoch()
            said = scores_of(model, zones.windows, zones.validation.ends, on_batch=loop.heed_stop)
            loop.close_epoch(trained, metrics(said, codes(zones.validation)))
        best_epoch = loop.restore_best()
        if config.calibration == "temperature":
            said = scores_of(model, zones.windows, zones.calibration.ends, on_batch=loop.heed_stop)
            model.temperature.fill_(fit_temperature(said, codes(zones.calibration)))
    return best_epoch, loop.position.history


def shape(config: RegimeConfig) -> dict[str, Any]:
    """Return what ``model.json`` says of questions and answers."""
    return {
        "labeller": LABELLER,
        "classes": list(REGIMES),
        "horizon": config.data.horizon,
        "window_size": config.data.window,
        "embedding": EMBEDDING,
    }


def make_model(config: RegimeConfig, data: Examples, zones: Zones) -> RegimeNetwork:
    """Return the untrained network: scaling and prior are those of the training zone."""
    model = RegimeNetwork(config.model, num_features=len(CONTEXT), window=config.data.window)
    prior = transitions(zones.train.now.cpu().numpy(), zones.train.label.cpu().numpy())
    model.prepare(data.mean, data.std, prior)
    return model


def loss_of(config: RegimeConfig, model: RegimeNetwork, zones: Zones) -> Callable[[Tensor], Tensor]:
    """Return the mean loss of the training samples at some positions."""
    label = zones.train.label.long()
    weight = balanced_weights(label, len(REGIMES)) if config.train.class_weights == "balanced" else None

    def loss(samples: Tensor) -> Tensor:
        windows = zones.windows.gather(zones.train.ends.index_select(0, samples))
        return regime_loss(model.scores(windows)[0], label.index_select(0, samples), weight)

    return loss


def codes(zone: Zone) -> Codes:
    """Return the codes (sample,) of the regimes that came."""
    return zone.label.cpu().numpy().astype(np.int64)
