"""What a Temporal Fusion Transformer has learned after as much CPU time: windows one by one, slabs, dense origins.

The peer is the same network on random windows: ``tft.py`` proves it to be pytorch-forecasting's, weight for weight, and
no slower than it on batches made beforehand. Columns and targets are made up, with drivers that fade as those of a
market do; the last part of the days is the validation, always by whole windows. The peer alone may try a second step
size on the first seed, and keeps the better. CPU seconds are those of training, without the validation.
"""

import time
from dataclasses import dataclass, replace

import measure
from tft import BATCH, CONFIG, CPU, LEVELS, SIZES, Case, inputs_of, our_losses, steps

# isort: split
import numpy as np
import torch
from dataset import DECODER, ENCODER, WIDE
from torch import Tensor

from components.families.foundation.loss import quantile_loss
from components.learning.batches import Windows
from components.learning.dropout import MaskPool
from components.learning.slabs import Slabs
from components.learning.tft.network import TemporalFusionTransformer

SYMBOLS, DAYS, CUT, TRAITS, JUDGED = 100, 400, 300, 3, 20
SEEDS = (0, 1, 2)
FADE, STRENGTH = 0.95, 2.0
"""Correlation of a driver with itself a day later; deviation of what is driven, where the noise has 1."""
LR, ALSO_TRIED = 2e-3, 1e-3


@dataclass(frozen=True)
class Way:
    """One way to train."""

    name: str
    case: Case
    every: int
    """Windows between two looks at the validation."""
    cpu_s: float
    """CPU seconds of one training."""


@dataclass(frozen=True)
class Point:
    """Where a training stood."""

    cpu_s: float
    windows: int
    loss: float


POOL = MaskPool(CONFIG.dropout, num_elements=2**24, seed=0, device=CPU)
WAYS = (
    Way("windows one by one", Case(1, pool=POOL), 1280, 20.0),
    Way("slabs 8 x 16, 4 days apart", Case(16, 4, POOL), 1280, 7.0),
    Way("dense origins 8 x 16, 4 days apart", Case(16, 4, POOL, "dense"), 1280, 7.0),
)


def driven() -> tuple[Tensor, Tensor]:
    """Return columns and traits (symbol, day, 25), and targets (symbol, day) that three columns drive a day ahead."""
    rng = torch.Generator().manual_seed(0)
    panel = torch.randn(SYMBOLS, DAYS, len(WIDE) + TRAITS, generator=rng)
    for day in range(1, DAYS):
        panel[:, day] = FADE * panel[:, day - 1] + (1 - FADE**2) ** 0.5 * panel[:, day]
    panel[..., len(WIDE) :] = panel[:, :1, len(WIDE) :]
    effect = torch.tanh(panel[..., 0]) + torch.tanh(panel[..., 1] * panel[..., len(WIDE)]) - 0.5 * panel[..., 2]
    target = torch.randn(SYMBOLS, DAYS, generator=rng)
    target[:, 1:] += STRENGTH * effect[:, :-1] / effect.std()
    return panel, target


def validation_loss(model: TemporalFusionTransformer, panel: Tensor, target: Tensor) -> float:
    """Return the quantile loss of all windows of the first stocks that end in the days after ``CUT``."""
    ends = np.array([(symbol, end) for end in range(CUT, DAYS - DECODER) for symbol in range(JUDGED)])
    slabs = Slabs.spaced(ends, rows=32, stride=1, num_times=DAYS, device=CPU)
    windows, came = Windows(panel, ENCODER + 31), target.unfold(1, DECODER, 1)[ends[:, 0], ends[:, 1] + 1]
    total = 0.0
    model.eval()
    with torch.inference_mode():
        for part in slabs.split(1024):
            counted = part.counted.flatten()
            said = model(inputs_of(windows.gather(part.ends)))[counted]
            total += quantile_loss(said, came[part.samples.flatten()[counted]], LEVELS).item() * len(said)
    return total / len(ends)


def curve(way: Way, panel: Tensor, target: Tensor, *, lr: float, seed: int) -> list[Point]:
    """Return the whole training and print where it was best."""
    torch.manual_seed(seed)
    model = TemporalFusionTransformer(CONFIG, SIZES)
    losses = our_losses(model, panel[:, :CUT], target[:, :CUT], replace(way.case, seed=seed))
    train = steps(model, losses, lr=lr, count=way.every // BATCH)
    points: list[Point] = []
    cpu_s = 0.0
    while cpu_s < way.cpu_s:
        start = time.process_time()
        train()
        cpu_s += time.process_time() - start
        points.append(Point(cpu_s, way.every * (len(points) + 1), validation_loss(model, panel, target)))
    best = min(points, key=lambda point: point.loss)
    print(
        f"{way.name:36} lr {lr:g}, seed {seed}: lowest loss {best.loss:.4f} after {best.cpu_s:5.1f} cpu-s and "
        f"{best.windows:6,} windows; last {points[-1].loss:.4f} after {points[-1].cpu_s:5.1f}",
        flush=True,
    )
    return points


def main() -> None:
    """Print each training, and the CPU seconds to equal validation loss."""
    panel, target = driven()
    found: dict[str, list[list[Point]]] = {}
    for way in WAYS:
        lrs = (LR, ALSO_TRIED) if way is WAYS[0] else (LR,)
        tried = {lr: curve(way, panel, target, lr=lr, seed=SEEDS[0]) for lr in lrs}
        lr = min(tried, key=lambda one: min(point.loss for point in tried[one]))
        found[way.name] = [tried[lr], *(curve(way, panel, target, lr=lr, seed=seed) for seed in SEEDS[1:])]
    peer, *ours = (way.name for way in WAYS)
    reached = max(min(point.loss for point in points) for points in found[peer])
    print(f"\n{'CPU seconds to validation loss':36}{'loss':>8}{'by seed':>24}{'peer / ours, of medians':>26}")
    for loss in (reached + 0.01, reached + 0.005, reached):
        times = {name: [measure.seconds_to(points, loss) for points in curves] for name, curves in found.items()}
        for name in (peer, *ours):
            shown = " ".join(f"{value:.1f}" for value in times[name])
            ratio = np.median(times[peer]) / np.median(times[name])
            print(f"{name:36}{loss:8.4f}{shown:>24}{ratio:25.1f}x")


if __name__ == "__main__":
    main()
