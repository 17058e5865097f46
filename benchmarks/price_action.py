"""Training the price-action network, against a plain loop: DataLoader, nn.TransformerEncoder, torch's own dropout."""

import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import measure

# isort: split
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Dataset as Samples
from components.families.price_action.data import Scaler, Zone, load
from components.families.price_action.fit import Fit
from components.families.price_action.model import PriceActionTransformer, sinusoidal_positions
from components.families.price_action.position import Position
from components.families.price_action.setup_check import ZONES, made_up_examples
from components.learning.checkpoint import CheckpointStore
from components.learning.parallel import World
from components.learning.reproducible import reproducible

STEPS, ROUNDS, SAVES = 12, 9, 9
MATRIX = 1024
TRAINING_FLOP = 164e6
"""Floating-point operations of one training sample: forward and backward of 64 rows through 406,785 parameters."""
CPU = torch.device("cpu")


class PlainDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """One window and its label at a time, the way tutorials write it."""

    def __init__(self, samples: Samples) -> None:
        self.windows = samples.windows.gather(samples.train.slabs.ends).numpy()
        self.labels = samples.train.labels.numpy()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(self.windows[place]), torch.tensor(self.labels[place])


class PlainTransformer(nn.Module):
    """The published network out of torch's own parts."""

    def __init__(self, config: PriceActionConfig) -> None:
        super().__init__()
        size = config.model
        layer = nn.TransformerEncoderLayer(
            size.d_model, size.heads, size.feed_forward, size.dropout, activation="relu", batch_first=True
        )
        self.projection = nn.Linear(14, size.d_model)
        self.register_buffer("positions", sinusoidal_positions(config.data.window, size.d_model), persistent=False)
        self.encoder = nn.TransformerEncoder(layer, size.layers)
        self.head = nn.Sequential(
            nn.Linear(size.d_model, 64), nn.ReLU(), nn.Dropout(size.dropout), nn.Linear(64, 1), nn.Sigmoid()
        )

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Return the probability (batch, 1) of windows (batch, window, feature)."""
        hidden = self.encoder(self.projection(windows) + self.positions)
        answer: torch.Tensor = self.head(hidden.mean(dim=1))
        return answer


class PlainLoop:
    """The published loop at the same settings: batch, AdamW, bounded gradient, the loss read at each step."""

    def __init__(self, config: PriceActionConfig, samples: Samples, start: PriceActionTransformer) -> None:
        self.train = config.train
        self.model = PlainTransformer(config)
        weights = {name.replace("encoder.", "encoder.layers."): value for name, value in start.state_dict().items()}
        self.model.load_state_dict(weights)
        self.loader = DataLoader(PlainDataset(samples), batch_size=config.train.batch)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.train.lr, weight_decay=config.train.weight_decay
        )

    def __call__(self) -> float:
        """Take the steps and return the mean loss."""
        self.model.train()
        total = 0.0
        for windows, labels in self.loader:
            self.optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.train.mixed_precision):
                answers = self.model(windows)
            loss = nn.functional.binary_cross_entropy(answers.float(), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.train.gradient.clip_norm)
            self.optimizer.step()
            total += loss.item()
        return total / len(self.loader)


def recipe(*, dropout: float = 0.1, mixed: bool = False, masks: str = "fresh") -> PriceActionConfig:
    """Return the published settings."""
    train = {"device": "cpu", "mixed_precision": mixed, "masks": {"source": masks}}
    values = {"data": {"zones": ZONES}, "model": {"dropout": dropout}, "train": train}
    return PriceActionConfig.parse(values, name="benchmark")


def our_loop(fit: Fit) -> Callable[[], float]:
    """Return the product's own epoch of steps, its metrics spooled, without the checkpoint at its end."""

    def epoch() -> float:
        fit.position = Position()
        return fit.train_epoch().loss

    return epoch


def checkpoint_share(fit: Fit, step_s: float) -> str:
    """Return what checkpoints cost at the shipped cadence, by the clock: a checkpoint waits for the disk."""
    waits: list[float] = []
    for _ in range(SAVES):
        start = time.perf_counter()
        fit.save()
        waits.append(time.perf_counter() - start)
    save_s, every = sorted(waits)[SAVES // 2], PriceActionConfig().train.checkpoint_every_batches
    share = save_s / (every * step_s)
    return (
        f"a checkpoint: {1e3 * save_s:.0f} ms, once in {every} steps of {1e3 * step_s:.0f} ms: {share:.2%} of the time"
    )


def check_same_maths(fits: Path, samples: Samples) -> None:
    """Compare the losses of both loops with dropout off, from the same start."""
    for mixed, tolerance in ((False, 1e-5), (True, 2e-2)):
        config = recipe(dropout=0.0, mixed=mixed)
        fit = begin(fits / f"same-{mixed}", config, samples)
        peer = PlainLoop(config, samples, fit.model)
        ours, theirs = our_loop(fit)(), peer()
        print(f"dropout off, {'bf16' if mixed else 'fp32'}: mean loss {ours:.6f}, peer {theirs:.6f}")
        assert abs(ours - theirs) < tolerance
        fit.close()


def begin(folder: Path, config: PriceActionConfig, samples: Samples, *, seed: int = 0) -> Fit:
    """Return a training at its start."""
    run = RunContext("train", "benchmark", Workspace.at(str(folder)))
    store = CheckpointStore(run.checkpoints, log=logging.getLogger("benchmark"))
    torch.manual_seed(seed)
    return Fit(config, samples, CPU, store, run, name="benchmark", world=World())


def matmul_limit(dtype: torch.dtype) -> measure.Contender:
    """Return square matrix products, whose rate in FLOP per CPU second is what one core can do."""
    left, right = (torch.randn(MATRIX, MATRIX).to(dtype) for _ in range(2))
    return measure.Contender(lambda: [left @ right for _ in range(STEPS)], rows=STEPS * 2 * MATRIX**3)


def main() -> None:
    """Measure and print."""
    examples = made_up_examples(0)
    whole = load(examples, Scaler.of(examples), recipe(), CPU)
    rows = STEPS * recipe().train.batch
    samples = replace(whole, train=Zone(whole.train.slabs.take(torch.arange(rows)), whole.train.labels[:rows]))
    settings: dict[str, dict[str, Any]] = {
        "fp32, fresh masks": {},
        "fp32, mask pool": {"masks": "pool"},
        "bf16, fresh masks": {"mixed": True},
        "bf16, mask pool": {"mixed": True, "masks": "pool"},
    }
    with tempfile.TemporaryDirectory() as folder, reproducible(seed=0, threads=1):
        check_same_maths(Path(folder), samples)
        fits = {name: begin(Path(folder) / name, recipe(**group), samples) for name, group in settings.items()}
        peers = {
            f"plain loop, {name}": PlainLoop(recipe(mixed=name == "bf16"), samples, fits["fp32, fresh masks"].model)
            for name in ("fp32", "bf16")
        }
        contenders = {name: measure.Contender(peer, rows) for name, peer in peers.items()}
        contenders |= {name: measure.Contender(our_loop(fit), rows) for name, fit in fits.items()}
        limits = {"fp32": matmul_limit(torch.float32), "bf16": matmul_limit(torch.bfloat16)}
        results = measure.measure(contenders | limits, rounds=ROUNDS)
        limit = {name: results.pop(name).cells_per_cpu_s for name in limits}
        print(f"\n{'Training, batch 32, windows of 64, dropout 0.1':44}{'samples/cpu-s':>15}{'peak MiB':>10}")
        for name, result in results.items():
            print(f"{name:44}{result.cells_per_cpu_s:15.0f}{result.peak_mib:10.0f}")
        for name in fits:
            for peer in peers:
                print(f"  {name} / {peer}: {measure.ratio(results[name], results[peer]):.2f}x")
        for name in fits:
            rate, most = results[name].cells_per_cpu_s * TRAINING_FLOP, limit[name[:4]]
            print(f"{name}: {rate / 1e9:.0f} of {most / 1e9:.0f} GFLOP/cpu-s, {rate / most:.0%} of the matmul limit")
        for name in ("fp32, fresh masks", "bf16, mask pool"):
            step_s = recipe().train.batch / results[name].cells_per_cpu_s
            print(f"{name}: {checkpoint_share(fits[name], step_s)}")
        for fit in fits.values():
            fit.close()


if __name__ == "__main__":
    main()
