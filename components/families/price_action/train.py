"""Train the price-action transformer: from the examples and a recipe to a sealed bundle.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.files import atomic_file, fresh_folder, read_json, write_json
from components.core.run_context import RunContext
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.curves import draw_training_curve
from components.families.price_action.data import Scaler, beside_outcomes, load
from components.families.price_action.evaluate import Best, advice
from components.families.price_action.fit import Fit
from components.families.price_action.model import num_parameters
from components.families.price_action.served import graph_of, signature_of
from components.families.price_action.threshold import Calibration, fit_platt, precise_threshold, sigmoid
from components.learning.bundles import training_key
from components.learning.checkpoint import CheckpointStore
from components.learning.events import profit_values
from components.learning.examples import Examples, read_examples
from components.learning.faults import memory_advice
from components.learning.parallel import joined
from components.learning.reproducible import choose_device, device_name, reproducible
from components.serving.loader import GRAPH
from components.trading.profit import ProfitTracker

WEIGHTS = "weights.safetensors"


def train(config: PriceActionConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle that now lies in ``out``.

    Checkpoints, TensorBoard events, ``metrics.jsonl`` and ``training_curve.png`` go to the run's own folder.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted.
        DivergedError, OutOfMemoryError: If a step fails; the message names the setting to change.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        ParityError: If the exported graph does not say what the network says; no bundle is written.
    """
    started = run.clock()
    data = read_examples(examples)
    scaler = Scaler.of(data)
    with (
        joined(config.train.device) as world,
        reproducible(seed=world.seed(config.seed), threads=config.train.threads),
        memory_advice(batch=config.train.batch, least=config.train.slab_rows),
    ):
        device = choose_device(config.train.device)
        name = training_key("price_action", config, data, processes=world.size)
        store = world.first(lambda: CheckpointStore(run.checkpoints / name, log=run.log, reads=not world.leads))
        samples = load(data, scaler, config, device)
        profit = validation_tracker(data, config)
        with closing(Fit(config, samples, device, store, run, name=name, world=world)) as fit:
            run.log.info("%d parameters on %s, processes %d", num_parameters(fit.model), device, world.size)
            while not fit.finished:
                trained, log_odds = fit.train_epoch(), fit.validate()
                fit.close_epoch(trained, log_odds, profit_values(**asdict(profit.track(sigmoid(log_odds)))))
            best = fit.restore_best()
            calibration, threshold = decide(fit, config)
        if world.leads:
            history = fit.position.history
            if run.serves:
                draw_training_curve(run.folder / "training_curve.png", history, best_epoch=best.epoch)
            notes = advice(history, best.epoch)
            for line in notes:
                run.log.warning("%s", line)
            with fresh_folder(out) as folder:
                if run.serves:
                    graph = graph_of(
                        fit.model, calibration, threshold, scaler=scaler, data=data, window=config.data.window
                    )  # fmt: skip
                    with atomic_file(folder / GRAPH) as file:
                        file.write(graph)
                _write(folder, config, scaler, fit, best=best, calibration=calibration, threshold=threshold)
                _seal(folder, config, scaler, data, notes=_notes(config, device, started, run.clock(), notes))
        world.wait()
    return load_bundle(out)


def validation_tracker(data: Examples, config: PriceActionConfig) -> ProfitTracker:
    """Return what trades the validation zone, at the recipe's costs, at one half.

    One half is where the epochs' directions are counted too. The bundle's own threshold is not fitted yet, and one
    fitted anew each epoch to the rows that it trades would flatter all of them.
    """
    ends = data.windows("validation", config.data.window, config.data.horizon)
    rows = beside_outcomes(data, ends, np.zeros(len(ends)), threshold=0.5)
    return ProfitTracker(rows, config.judge.costs, bars_per_year=float(data.manifest["bars_per_year"]))


def decide(fit: Fit, config: PriceActionConfig) -> tuple[Calibration, float]:
    """Return the calibration and the threshold, both fitted on rows that no weight was fitted on."""
    log_odds, labels = fit.calibration_rows()
    calibration = fit_platt(log_odds, labels) if config.threshold.calibration == "platt" else Calibration()
    threshold = precise_threshold(
        calibration.probability(log_odds),
        labels,
        min_recall=config.threshold.min_recall,
        confidence=config.threshold.confidence,
    )
    return calibration, threshold


def _write(
    folder: Path,
    config: PriceActionConfig,
    scaler: Scaler,
    fit: Fit,
    *,
    best: Best,
    calibration: Calibration,
    threshold: float,
) -> None:
    weights = {name: tensor.cpu().contiguous() for name, tensor in fit.model.state_dict().items()}
    with atomic_file(folder / WEIGHTS) as file:
        file.write(save(weights))
    (folder / WEIGHTS).chmod(0o640)
    write_json(folder / "scaler.json", scaler.document())
    write_json(folder / "history.json", fit.position.history)
    write_json(
        folder / "model.json",
        {
            "model_state_dict": WEIGHTS,
            "feature_columns": list(scaler.columns),
            "window_size": config.data.window,
            "input_dim": len(scaler.columns),
            "threshold": threshold,
            "calibration": {"slope": calibration.slope, "intercept": calibration.intercept},
            "best_epoch": best.epoch,
            "model": config.model.model_dump(mode="json"),
            "num_parameters": num_parameters(fit.model),
        },
    )


def _seal(folder: Path, config: PriceActionConfig, scaler: Scaler, data: Examples, *, notes: dict[str, Any]) -> None:
    seal(
        folder,
        family="price_action",
        config=config.model_dump(mode="json"),
        schema=signature_of(scaler.columns, config.data.window).document(),
        data=_origin(data),
        notes=notes,
    )


def _origin(data: Examples) -> dict[str, Any]:
    known = ("features_digest", "dataset", "service")
    return {"examples": data.digest, **{key: data.manifest[key] for key in known if key in data.manifest}}


def _notes(
    config: PriceActionConfig, device: torch.device, started: datetime, finished: datetime, lines: list[str]
) -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "threads": config.train.threads,
        "device": str(device),
        "gpu": device_name(device),
        "started": started.isoformat(),
        "finished": finished.isoformat(),
        "advice": lines,
    }


class Trainer:
    """The published face of ``train``: made with its arguments, it gives the history."""

    def __init__(self, config: PriceActionConfig, examples: Path, out: Path, run: RunContext) -> None:
        self._config, self._examples, self._out, self._run = config, examples, out, run

    def train(self) -> dict[str, list[float]]:
        """Train and return ``train_loss``, ``val_loss`` and the other metrics, one number per epoch."""
        bundle = train(self._config, self._examples, self._out, self._run)
        return read_json(bundle.path("history.json"))
