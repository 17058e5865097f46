"""Hundreds of stock twins: one fleet against the loop over stocks that everybody writes.

1. Heads only, on the states of the foundation: a loop of torch modules, fed by a DataLoader or by tensors alone,
   against the fleet. Equal networks, samples, batches, epochs and optimizer settings.
2. Like for like: the same with the foundation's pass over the days in it, once per stock in both: the peer keeps its
   states too, and computes them window by window, as the foundation's module does for anybody.
3. As usually written: the peer runs the foundation in every step. Another thing, not to be mixed with 2.
4. The fleet alone, from 10 to 500 twins.

Validation and early stopping are off on both sides, checkpoints too: what is timed is training.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import measure

# isort: split
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, softplus
from torch.utils.data import DataLoader, TensorDataset

from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.families.twin.config import ModelConfig, TrainConfig
from components.families.twin.fit import seed_of
from components.families.twin.model import REGIMES, Samples, Shape, losses
from components.learning.fleet import FleetTask, Member, fit_fleet
from components.learning.foundation import FoundationNetwork
from components.learning.tft.config import TftConfig
from components.market.columns import FOUNDATION, OPTIONS, QUANTILE_LEVELS

WINDOW, HORIZON, DAYS, EPOCHS, BATCH = 60, 5, 180, 20, 64
CONFIG = ModelConfig(options_enabled=True)
LEVELS = torch.tensor(QUANTILE_LEVELS)
PEER_TWINS, FLEET_TWINS, ROUNDS = 3, 100, 3
SIZES = (10, 50, 100, 200, 500)
CPU = torch.device("cpu")


def made_up(num_twins: int) -> Samples:
    """Return the days of so many stocks, one after another: what a twin reads of them does not change its speed."""
    rng = torch.Generator().manual_seed(0)
    rows = num_twins * DAYS

    def draw(*size: int) -> Tensor:
        return torch.randn(rows, *size, generator=rng)

    return Samples(
        state=draw(HORIZON, 32), quantile=draw(HORIZON, 7).sort(dim=-1).values, scale=draw(HORIZON).exp(),
        options=draw(len(OPTIONS)), pain=draw(HORIZON), fear=draw(1).tanh(), move=draw(HORIZON),
        regime=torch.randint(len(REGIMES), (rows,), generator=rng),
    )  # fmt: skip


def shape() -> Shape:
    """Return the sizes of the twins, on a foundation of its default size."""
    return Shape(CONFIG, 32, HORIZON, QUANTILE_LEVELS)


def fleet(num_twins: int, samples: Samples) -> list[float]:
    """Train so many twins as one fleet and return the training loss of each one's last epoch."""
    of = shape()
    members = []
    for place in range(num_twins):
        rows = np.arange(place * DAYS, (place + 1) * DAYS)
        members.append(Member(f"T{place}", seed_of(0, f"T{place}"), of.start(place), rows, rows[:1]))

    def loss(parameters: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        return losses(parameters, samples.at(rows), LEVELS, regime_weight=CONFIG.regime_weight)

    config = TrainConfig.parse(
        {"epochs": EPOCHS, "stopping": {"patience": EPOCHS}, "checkpoint_every_batches": 10_000}, name="benchmark"
    )
    with tempfile.TemporaryDirectory() as folder:
        run = RunContext("train", "k", Workspace.at(folder), log=logging.getLogger("quiet"))
        found = fit_fleet(FleetTask(members, of.layout, loss, "fleet"), config, CPU, run)
    return [each.history["train_loss"][-1] for each in found]


class PeerTwin(nn.Module):
    """One twin out of torch's layers."""

    def __init__(self, hidden: int = 32, encoded: int = 32) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(hidden, CONFIG.adapter), nn.Linear(CONFIG.adapter, hidden, bias=False)
        self.encoder = nn.Linear(len(OPTIONS), encoded)
        self.regime = nn.Linear(hidden + encoded, len(REGIMES))
        self.inner = nn.Linear(hidden + len(REGIMES) + encoded, CONFIG.correction)
        self.outer = nn.Linear(CONFIG.correction, len(QUANTILE_LEVELS))
        self.pull, self.gate = nn.Linear(encoded, 1), nn.Linear(encoded, 1)

    def forward(self, seen: Samples) -> Tensor:
        """Return the mean loss of a batch."""
        state = seen.state + self.up(gelu(self.down(seen.state)))
        encoded = gelu(self.encoder(seen.options))
        regime = self.regime(torch.cat([state.mean(dim=1), encoded], dim=-1))
        context = torch.cat([torch.softmax(regime, dim=-1), encoded], dim=-1)[:, None].expand(-1, HORIZON, -1)
        quantile = seen.quantile + self.outer(torch.tanh(self.inner(torch.cat([state, context], dim=-1))))
        shift = torch.sigmoid(self.pull(encoded)) * seen.pain + softplus(self.gate(encoded)) * seen.fear
        error = seen.move[..., None] - (quantile + shift[..., None])
        pinball = torch.maximum(LEVELS * error, (LEVELS - 1) * error).mean()
        return pinball + CONFIG.regime_weight * cross_entropy(regime, seen.regime)


def train_peer(batches: Callable[[int], object], step: Callable[[PeerTwin, object], Tensor]) -> None:
    """Train one twin as everybody would: AdamW, clipped, a number of the loss at every step."""
    model = PeerTwin()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=1e-5)
    for epoch in range(EPOCHS):
        for batch in batches(epoch):  # pyright: ignore[reportGeneralTypeIssues]
            optimizer.zero_grad()
            loss = step(model, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()


def loader_loop(samples: Samples, num_twins: int) -> None:
    """Train twins one after another, each fed by a DataLoader."""
    for place in range(num_twins):
        own = vars(samples.at(torch.arange(place * DAYS, (place + 1) * DAYS))).values()
        loader = DataLoader(TensorDataset(*own), batch_size=BATCH, shuffle=True)
        train_peer(lambda _, loader=loader: loader, lambda model, batch: model(Samples(*batch)))


def tensor_loop(samples: Samples, num_twins: int) -> None:
    """Train twins one after another, fed by index."""
    for place in range(num_twins):
        own = samples.at(torch.arange(place * DAYS, (place + 1) * DAYS))
        train_peer(lambda _: torch.randperm(DAYS).split(BATCH), lambda model, rows, own=own: model(own.at(rows)))


def bars(num_twins: int) -> Tensor:
    """Return made-up bars (stock, bar, column) of ``FOUNDATION`` that make sense to it."""
    rng = torch.Generator().manual_seed(1)
    raw = torch.rand(num_twins, DAYS + WINDOW - 1, len(FOUNDATION), generator=rng)
    raw[..., :10] = 0.02 * raw[..., :10] - 0.01
    raw[..., [FOUNDATION.index("vol_21d"), FOUNDATION.index("vol_63d")]] = 0.2
    raw[..., 10:] += 100.0
    return raw


def foundation() -> FoundationNetwork:
    """Return a foundation of its default size."""
    torch.manual_seed(0)
    return FoundationNetwork(TftConfig(), window=WINDOW, horizon=HORIZON).eval()


def windows_of(stock: Tensor) -> Tensor:
    """Return the windows (day, window, column) of one stock's bars."""
    return stock.unfold(0, WINDOW, 1).transpose(1, 2)


def cached_peer(network: FoundationNetwork, raw: Tensor, samples: Samples, num_twins: int) -> None:
    """Compute each stock's states once, window by window, and train its twin on them."""
    for place in range(num_twins):
        with torch.inference_mode():
            for part in windows_of(raw[place]).split(BATCH):
                network.trunk(part)
    loader_loop(samples, num_twins)


def slab_fleet(network: FoundationNetwork, raw: Tensor, samples: Samples, num_twins: int) -> None:
    """Compute each stock's states once, slab by slab, and train all twins on them."""
    with torch.inference_mode():
        for place in range(num_twins):
            for first in range(0, DAYS, 60):
                network.trunk(raw[place : place + 1, first : first + 60 + WINDOW - 1])
    fleet(num_twins, samples)


def usual_peer(network: FoundationNetwork, raw: Tensor, samples: Samples, num_twins: int) -> None:
    """Train twins one after another, the frozen foundation in every step."""
    for place in range(num_twins):
        own, windows = samples.at(torch.arange(place * DAYS, (place + 1) * DAYS)), windows_of(raw[place])

        def step(model: PeerTwin, rows: Tensor, own: Samples = own, windows: Tensor = windows) -> Tensor:
            with torch.no_grad():
                state = network.trunk(windows[rows])
            seen = own.at(rows)
            return model(Samples(**{**vars(seen), "state": state}))

        train_peer(lambda _: torch.randperm(DAYS).split(BATCH), step)


def main() -> None:
    """Print the four tables."""
    size = shape().layout.size
    print(f"{size:,} parameters a twin, {DAYS} days, {EPOCHS} epochs, batch {BATCH}; rows are twins")
    samples, network, raw = made_up(FLEET_TWINS), foundation(), bars(FLEET_TWINS)
    few = {"rows": PEER_TWINS, "repeats": ROUNDS}
    heads = {
        "loop, DataLoader": measure.Contender(lambda: loader_loop(samples, PEER_TWINS), **few),
        "loop, tensors": measure.Contender(lambda: tensor_loop(samples, PEER_TWINS), **few),
        "fleet": measure.Contender(lambda: fleet(FLEET_TWINS, samples), rows=FLEET_TWINS),
    }
    found = measure.measure(heads, rounds=ROUNDS)
    _show("1. heads only", found)
    whole = {
        "loop, states kept": measure.Contender(lambda: cached_peer(network, raw, samples, PEER_TWINS), **few),
        "fleet, slabs": measure.Contender(lambda: slab_fleet(network, raw, samples, FLEET_TWINS), rows=FLEET_TWINS),
    }
    found = measure.measure(whole, rounds=ROUNDS)
    _show("2. like for like, with the foundation's pass", found)
    usual = {
        "loop, foundation in every step": measure.Contender(lambda: usual_peer(network, raw, samples, 1), rows=1),
        "fleet, slabs": whole["fleet, slabs"],
    }
    _show("3. as usually written", measure.measure(usual, rounds=1))
    print("\n4. twins, CPU seconds, CPU milliseconds a twin")
    for number in SIZES:
        many = made_up(number)
        start = time.process_time()
        fleet(number, many)
        spent = time.process_time() - start
        print(f"{number:6d}{spent:10.2f}{1000 * spent / number:10.1f}")


def _show(title: str, results: Mapping[str, measure.Result]) -> None:
    print(f"\n{title}{'':{max(1, 50 - len(title))}}CPU ms a twin   peak MiB")
    for name, result in results.items():
        each = 1000 / result.cells_per_cpu_s
        print(f"  {name:48}{each:13.1f}{result.peak_mib:11.0f}")
    *peers, ours = results
    for peer in peers:
        print(f"  {ours} / {peer}: {measure.ratio(results[ours], results[peer]):.1f}x")


if __name__ == "__main__":
    logging.getLogger("quiet").setLevel(logging.CRITICAL)
    print(Path(__file__).name)
    main()
