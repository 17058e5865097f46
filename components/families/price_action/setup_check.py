"""Does this machine train? One real step of the published model on a made-up table of 7,261 candles."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import numpy as np
import pyarrow as pa
import torch

from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Scaler, load
from components.families.price_action.loss import direction_loss
from components.families.price_action.model import PriceActionTransformer, num_parameters
from components.learning.examples import Examples, from_table
from components.learning.faults import checked_loss, memory_advice
from components.learning.gradient import clip_gradient
from components.learning.reproducible import choose_device, device_name, reproducible
from components.market.columns import TECHNICAL
from components.market.splits import chronological

NUM_CANDLES = 7_261
ZONES = {"train": 0.8, "validation": 0.2}


def made_up_examples(seed: int) -> Examples:
    """Return one symbol with ``NUM_CANDLES`` hourly rows of random features, cut 0.8 to 0.2."""
    rng = np.random.default_rng(seed)
    zones = np.empty(NUM_CANDLES, dtype=object)
    for name, rows in chronological(NUM_CANDLES, ZONES).items():
        zones[rows] = name
    columns = {name: rng.standard_normal(NUM_CANDLES) for name in TECHNICAL}
    label = rng.integers(0, 2, NUM_CANDLES).astype(np.float64)
    label[-1] = np.nan
    hours = np.datetime64("2024-01-01", "us") + np.arange(NUM_CANDLES) * np.timedelta64(1, "h")
    table = pa.table(
        {
            "symbol": pa.array(["CHECK"] * NUM_CANDLES),
            "timestamp": pa.array(hours, type=pa.timestamp("us", "UTC")),
            **columns,
            "label": label,
            "forward_return": np.zeros(NUM_CANDLES),
            "zone": pa.array(zones),
        }
    )
    return from_table(table, {"digest": "", "columns": list(TECHNICAL)}, name="made-up candles")


def setup_check(*, seed: int = 0, threads: int = 1) -> list[str]:
    """Return the lines that say what was found and done; the last one is ``success``.

    Raises:
        QuantfoundryError: If the step fails; the message names the remedy.
    """
    config = PriceActionConfig.parse({"data": {"zones": ZONES}}, name="setup check")
    with reproducible(seed=seed, threads=threads), memory_advice(batch=config.train.batch):
        device = choose_device("auto")
        examples = made_up_examples(seed)
        data = load(examples, Scaler.of(examples), config, device)
        model = PriceActionTransformer(config.model, num_features=len(TECHNICAL), window=config.data.window).to(device)
        batch = slice(0, config.train.batch)
        windows = data.windows.gather(data.train.slabs.ends[batch])
        loss = direction_loss(model.logits(windows), data.train.labels[batch])
        loss.backward()
        value = checked_loss(loss.item(), place="setup check", lr=config.train.lr)
        clip_gradient(model, config.train.gradient.clip_norm, place="setup check", lr=config.train.lr)
    train, validation = (int(np.sum(examples.zone == examples.zones.index(name))) for name in ZONES)
    return [
        f"torch {torch.__version__}",
        f"device: {device.type}",
        f"GPU: {device_name(device)}",
        f"rows: train {train}, validation {validation}",
        f"windows of {config.data.window}: train {len(data.train)}, validation {len(data.validation)}",
        f"parameters: {num_parameters(model)}",
        f"one batch of {config.train.batch}: loss {value:.4f}",
        "success",
    ]
