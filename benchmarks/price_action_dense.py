"""The dense form of the price-action network: its speed, and what it has learned after as much CPU time.

1. Samples per CPU second in training against the plain loop of ``price_action.py``, at the settings of each.
2. CPU seconds of training to equal validation loss on a planted market: the peer is the same network on independent
   windows, at the best of three settings.
3. Validation loss and AUC, the exact form's beside them.

Every training is the product's own ``Fit``; its CPU seconds are those of ``train_epoch``, without the validation.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import measure
from price_action import CPU, PlainLoop, begin, made_up_examples, our_loop

# isort: split
import numpy as np
import pyarrow as pa

from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Dataset, Scaler, Zone, load
from components.families.price_action.evaluate import score
from components.families.price_action.predict import log_odds
from components.learning.examples import Examples, from_table
from components.learning.reproducible import reproducible
from components.market.columns import TECHNICAL
from components.market.indicators import technical
from components.market.labels import next_direction
from components.market.splits import chronological
from components.market.synthetic import MarketSpec, market
from components.trading.statistics import auc

ZONES = {"train": 0.8, "validation": 0.2}
SYMBOLS, DAYS, WARM_UP = 64, 1400, 199
SEEDS = (0, 1, 2)
ROUNDS = 5

DENSE = {"form": "dense", "slab_rows": 32, "batch": 512, "lr": 5e-4, "every": 8192, "cpu_s": 24.0}
PEERS = [
    {"form": "dense", "slab_rows": 1, "batch": batch, "lr": lr, "every": 2048, "cpu_s": 40.0}
    for batch, lr in ((32, 3e-4), (32, 1e-3), (128, 1e-3))
]
EXACT = {"form": "exact", "slab_rows": 1, "batch": 32, "lr": 5e-4, "every": 10_240, "cpu_s": 45.0}


@dataclass(frozen=True)
class Point:
    """Where a training stood."""

    cpu_s: float
    windows: int
    loss: float
    auc: float


def recipe(setting: dict[str, Any], *, seed: int = 0) -> PriceActionConfig:
    """Return the recipe of a setting; an epoch is as long as the time between two looks at the validation zone."""
    keys = ("slab_rows", "batch", "lr")
    train = {key: setting[key] for key in keys} | {"device": "cpu", "max_windows_per_epoch": setting["every"]}
    train |= {"shuffle": True, "epochs": 10_000, "patience": 10_000, "masks": {"source": "pool"}}
    values = {"seed": seed, "data": {"zones": ZONES}, "model": {"form": setting["form"]}, "train": train}
    return PriceActionConfig.parse(values, name="benchmark")


def planted_examples() -> Examples:
    """Return the technical features of a planted market without their warm-up, cut by ``ZONES``."""
    bars = market(MarketSpec(symbols=SYMBOLS, days=DAYS))
    names = ("open", "high", "low", "close", "volume")
    candles = [bars[name].to_numpy().astype(np.float64).reshape(SYMBOLS, DAYS) for name in names]
    kept = slice(WARM_UP, None)
    features, label = technical(*candles)[:, kept], next_direction(candles[3])[:, kept]
    zones = np.empty(DAYS - WARM_UP, dtype=object)
    for name, rows in chronological(DAYS - WARM_UP, ZONES).items():
        zones[rows] = name
    times = bars["timestamp"].to_numpy().reshape(SYMBOLS, DAYS)[:, kept]
    table = pa.table(
        {
            "symbol": np.repeat([f"SYN{number:03d}" for number in range(SYMBOLS)], DAYS - WARM_UP),
            "timestamp": pa.array(times.ravel(), type=pa.timestamp("us", "UTC")),
            **{name: features[..., place].ravel() for place, name in enumerate(TECHNICAL)},
            "label": label.ravel(),
            "forward_return": np.zeros(label.size),
            "zone": pa.array(np.tile(zones, SYMBOLS)),
        }
    )
    return from_table(table, {"digest": "", "columns": [*TECHNICAL]}, name="planted market")


def training(folder: Path, examples: Examples, setting: dict[str, Any], *, seed: int) -> Iterator[Point]:
    """Yield where a training stands after each look at the validation zone, until its CPU time is over."""
    config = recipe(setting, seed=seed)
    data = load(examples, Scaler.of(examples), config, CPU)
    # Slab or window, the dense network says the same, and slabs say it sooner.
    judge = data if setting["form"] == "exact" else load(examples, Scaler.of(examples), recipe(DENSE), CPU)
    labels = judge.validation.labels[:, 0].double().numpy()
    fit, cpu_s, windows = begin(folder, config, data, seed=seed), 0.0, 0
    while cpu_s < setting["cpu_s"]:
        start = time.process_time()
        trained = fit.train_epoch()
        cpu_s += time.process_time() - start
        windows += trained.confusion.total
        slabs = judge.validation.slabs
        answers = slabs.by_sample(log_odds(fit.model, judge.windows, slabs))
        found = score(answers, labels)
        fit.position.end_epoch(trained, found, config.train)
        yield Point(cpu_s, windows, found.loss, auc(labels, answers))
    fit.close()


def curve(folder: Path, examples: Examples, setting: dict[str, Any], *, seed: int) -> list[Point]:
    """Return the whole training and print where it was best."""
    name = "{form:5} {batch:4} windows in slabs of {slab_rows:2}, lr {lr:g}".format(**setting)
    points = list(training(folder / f"{name}-{seed}", examples, setting, seed=seed))
    best, last = min(points, key=lambda point: point.loss), points[-1]
    print(
        f"{name}, seed {seed}: lowest BCE {best.loss:.4f}, AUC {best.auc:.4f} after {best.cpu_s:5.1f} cpu-s; "
        f"last {last.loss:.4f}, {last.auc:.4f} after {last.cpu_s:5.1f} cpu-s and {last.windows} windows",
        flush=True,
    )
    return points


def compare_speed(folder: Path) -> None:
    """Print samples per CPU second in training."""
    examples = made_up_examples(0)
    contenders: dict[str, measure.Contender] = {}
    settings = {"exact": EXACT, "dense, independent windows": PEERS[0], "dense, slabs of 32": DENSE}
    settings["dense, slabs of 256"] = DENSE | {"batch": 1024, "slab_rows": 256}
    for name, setting in settings.items():
        config = recipe(setting)
        data = load(examples, Scaler.of(examples), config, CPU)
        part = head(data, windows=max(384, 4 * setting["batch"]))
        fit = begin(folder / name, config, part, seed=0)
        if name == "exact":
            contenders["plain loop"] = measure.Contender(PlainLoop(config, part, fit.model), len(part.train))
        contenders[name] = measure.Contender(our_loop(fit), len(part.train))
    results = measure.measure(contenders, rounds=ROUNDS)
    print(f"\n{'Training, fp32, dropout 0.1':44}{'samples/cpu-s':>15}{'peak MiB':>10}")
    for name, result in results.items():
        print(f"{name:44}{result.cells_per_cpu_s:15.0f}{result.peak_mib:10.0f}")
    for name in settings:
        print(f"  {name} / plain loop: {measure.ratio(results[name], results['plain loop']):.1f}x")


def head(data: Dataset, *, windows: int) -> Dataset:
    """Return the data with so many training windows."""
    [slabs, *_] = data.train.slabs.split(windows)
    return replace(data, train=Zone(slabs, data.train.labels[: int(slabs.counted.sum())]))


def compare_learning(folder: Path) -> None:
    """Print what each form has learned, and the CPU seconds to equal validation loss."""
    examples = planted_examples()
    tried = [curve(folder, examples, setting, seed=SEEDS[0]) for setting in PEERS]
    best = min(range(len(PEERS)), key=lambda place: min(point.loss for point in tried[place]))
    peers = [tried[best], *(curve(folder, examples, PEERS[best], seed=seed) for seed in SEEDS[1:])]
    ours = [curve(folder, examples, DENSE, seed=seed) for seed in SEEDS]
    for seed in SEEDS:
        curve(folder, examples, EXACT, seed=seed)
    lowest = max(min(point.loss for point in points) for points in peers)
    print(f"\n{'CPU seconds to validation BCE':32}{'slabs':>24}{'independent windows':>24}{'ratio of medians':>18}")
    for loss in (lowest + 0.005, lowest + 0.002, lowest):
        times = [[measure.seconds_to(points, loss) for points in side] for side in (ours, peers)]
        shown = [" ".join(f"{value:.1f}" for value in side) for side in times]
        ratio = np.median(times[1]) / np.median(times[0])
        print(f"{loss:<32.4f}{shown[0]:>24}{shown[1]:>24}{ratio:17.1f}x")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, reproducible(seed=0, threads=1):
        compare_speed(Path(folder) / "speed")
        compare_learning(Path(folder) / "learning")


if __name__ == "__main__":
    main()
