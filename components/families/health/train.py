"""Train the health scorer: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.files import fresh_folder
from components.core.run_context import RunContext
from components.families.health.config import HealthConfig
from components.families.health.evaluate import metrics
from components.families.health.loss import health_loss
from components.families.health.model import LATENT, OUTPUTS, HealthNetwork, fitted_line
from components.families.health.predict import say
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
from components.learning.zones import Zones, load_zones
from components.market.columns import BEHAVIORS, RETURNS, VOL_BUCKETS
from components.market.health import HEALTH_LABELLER

History = dict[str, list[float]]


def train(config: HealthConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
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
    require_columns(data, RETURNS)
    with (
        reproducible(seed=config.seed, threads=config.train.threads),
        memory_advice(batch=config.train.batch, has_segments=False),
    ):
        device = choose_device(config.train.device)
        zones = load_zones(data, config.data, device, pin_memory=config.train.pin_memory)
        model = make_model(config, data, zones).to(device)
        best_epoch, history = fit(config, model, zones, device, run, name=training_key("health", config, data))
    facts = {"model_type": config.model.type, "best_epoch": best_epoch, **shape(config)}
    signature = signature_of(RETURNS, config.data.window, OUTPUTS)
    with fresh_folder(out) as folder:
        if run.serves:
            write_graph(folder, model, data, signature, horizon=config.data.horizon)
        write_files(folder, model, data, history=history, facts=facts)
        seal(
            folder,
            family="health",
            config=config.model_dump(mode="json"),
            schema=signature.document(),
            data=origin(data),
            notes=notes(threads=config.train.threads, device=device, started=started, finished=run.clock()),
        )
    return load_bundle(out)


def fit(
    config: HealthConfig, model: HealthNetwork, zones: Zones, device: torch.device, run: RunContext, *, name: str
) -> tuple[int, History]:
    """Fit the weights; return the epoch that was kept and the numbers of every epoch."""
    store = CheckpointStore(run.checkpoints / name, log=run.log)
    task = Task(model, len(zones.train), loss_of(config, model, zones), name=name, seed=config.seed)
    came = zones.validation.label.cpu().numpy()
    with closing(Loop(task, config.train, device, store, run)) as loop:
        run.log.info("%d parameters on %s", num_parameters(model), device)
        while not loop.finished:
            trained = loop.train_epoch()
            said = say(model, zones.windows, zones.validation.ends, on_batch=loop.heed_stop)
            loop.close_epoch(trained, metrics(said, came, score_weight=config.train.score_weight))
        return loop.restore_best(), loop.position.history


def shape(config: HealthConfig) -> dict[str, Any]:
    """Return what ``model.json`` says of questions and answers."""
    return {
        "labeller": HEALTH_LABELLER,
        "vol_buckets": list(VOL_BUCKETS),
        "behaviors": list(BEHAVIORS),
        "horizon": config.data.horizon,
        "window_size": config.data.window,
        "latent": LATENT,
    }


def make_model(config: HealthConfig, data: Examples, zones: Zones) -> HealthNetwork:
    """Return the untrained network: scaling and line are those of the training zone."""
    model = HealthNetwork(config.model, num_features=len(RETURNS), window=config.data.window)
    line = fitted_line(zones.train.now.cpu().numpy(), zones.train.label.cpu().numpy())
    model.prepare(data.mean, data.std, line)
    return model


def loss_of(config: HealthConfig, model: HealthNetwork, zones: Zones) -> Callable[[Tensor], Tensor]:
    """Return the mean loss of the training samples at some positions."""
    label = zones.train.label.float()
    num_inputs = config.data.window * len(RETURNS)

    def loss(samples: Tensor) -> Tensor:
        answer = model.answer(zones.windows.gather(zones.train.ends.index_select(0, samples)))
        return health_loss(
            answer,
            label.index_select(0, samples),
            config.train,
            variational=model.variational,
            num_inputs=num_inputs,
        )

    return loss
