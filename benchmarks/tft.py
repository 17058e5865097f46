"""Training a Temporal Fusion Transformer, against pytorch-forecasting's own network and loader.

Twenty-two observed columns, three traits and the step ahead, 60 days to 5, hidden 32, dropout 0.1, batches of 128,
AdamW in one fused pass on both sides, the gradient's norm bounded at 1, the loss read at each step. Both sides hold the
same weights, and with dropout off say the same of the same windows, with the same gradient's norm, which is asserted
before anything is timed. The peer is used without Lightning's Trainer, its loader in the same process. Dense origins
are another function in training, so their speed alone proves nothing: ``tft_learning.py`` says what is learned.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import measure

# isort: split
import numpy as np
import pandas as pd
import torch
from dataset import DECODER, ENCODER, WIDE
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parents[1] / "tests" / "learning"))
from tft_peer import Peer, give_weights

from components.families.foundation.loss import quantile_loss
from components.learning.batches import Windows
from components.learning.dropout import MaskPool
from components.learning.slabs import Slabs
from components.learning.tft.config import Origins, TftConfig
from components.learning.tft.network import Inputs, TemporalFusionTransformer, TftSizes
from components.market.columns import QUANTILE_LEVELS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_forecasting import TimeSeriesDataSet
    from pytorch_forecasting.data.encoders import TorchNormalizer
    from pytorch_forecasting.metrics import QuantileLoss

BATCH, STEPS, ROUNDS = 128, 4, 3
SYMBOLS, DAYS = 100, 400
TRAITS = ("trait0", "trait1", "trait2")
LEVELS = torch.tensor(QUANTILE_LEVELS)
CONFIG = TftConfig()
SIZES = TftSizes(len(WIDE), len(TRAITS), known=1, window=ENCODER, horizon=DECODER, levels=len(QUANTILE_LEVELS))
AHEAD = torch.arange(DECODER)[:, None] / ENCODER
"""What the peer says of the step ahead."""
CPU = torch.device("cpu")
SAME = 1e-5
"""Largest difference of two answers, and relative one of two norms, that float32 leaves."""


def made_up() -> tuple[Tensor, Tensor]:
    """Return columns and traits (symbol, day, 25), and targets (symbol, day)."""
    generator = torch.Generator().manual_seed(0)
    panel = torch.randn(SYMBOLS, DAYS, len(WIDE) + len(TRAITS), generator=generator)
    panel[..., len(WIDE) :] = panel[:, :1, len(WIDE) :]
    return panel, torch.randn(SYMBOLS, DAYS, generator=generator)


def peer_data(panel: Tensor, target: Tensor) -> TimeSeriesDataSet:
    """Return the peer's data set of the same numbers."""
    columns = dict(zip((*WIDE, *TRAITS), panel.reshape(-1, panel.shape[2]).numpy().T, strict=True))
    frame = pd.DataFrame({**columns, "target": target.reshape(-1).numpy()})
    frame["symbol"] = pd.Categorical(np.repeat(np.arange(SYMBOLS), DAYS).astype(str))
    frame["day"] = np.tile(np.arange(DAYS), SYMBOLS)
    return TimeSeriesDataSet(
        frame, time_idx="day", target="target", group_ids=["symbol"], static_reals=[*TRAITS],
        time_varying_unknown_reals=[*WIDE], add_relative_time_idx=True, add_encoder_length=False,
        min_encoder_length=ENCODER, max_encoder_length=ENCODER, min_prediction_length=DECODER,
        max_prediction_length=DECODER, target_normalizer=TorchNormalizer(method="identity"),
        scalers=dict.fromkeys((*WIDE, *TRAITS, "relative_time_idx")),
    )  # fmt: skip


def peer_network(data: TimeSeriesDataSet) -> nn.Module:
    """Return the peer at our sizes."""
    return Peer.from_dataset(
        data, allowed_encoder_known_variable_names=[], hidden_size=CONFIG.hidden, lstm_layers=1,
        hidden_continuous_size=CONFIG.continuous, attention_head_size=CONFIG.heads, dropout=CONFIG.dropout,
        output_size=len(QUANTILE_LEVELS), loss=QuantileLoss(list(QUANTILE_LEVELS)), log_interval=-1,
        output_transformer=lambda out: out["prediction"],
    )  # fmt: skip


def steps(
    model: nn.Module, losses: Iterator[Callable[[], Tensor]], *, lr: float = 1e-3, count: int = STEPS
) -> Callable[[], float]:
    """Return what takes ``count`` steps of AdamW on the losses that come next, and gives the last one."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01, fused=True)

    def run() -> float:
        last = 0.0
        model.train()
        for _ in range(count):
            optimizer.zero_grad()
            loss = next(losses)()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            last = loss.item()
        return last

    return run


def peer_losses(model: nn.Module, data: TimeSeriesDataSet, *, batches: list | None = None) -> Iterator:
    """Yield the losses of the peer's loader, or of ``batches`` that it gave before."""
    while True:
        for x, y in batches or data.to_dataloader(train=True, batch_size=BATCH, num_workers=0):
            yield lambda x=x, y=y: quantile_loss(model(x).prediction, y[0], LEVELS)


@dataclass(frozen=True)
class Case:
    """How slabs are made and trained; with one row each they are windows drawn one by one."""

    rows: int
    stride: int = 1
    pool: MaskPool | None = None
    origins: Origins = "exact"
    batch: int = BATCH
    seed: int = 1


def our_losses(model: TemporalFusionTransformer, panel: Tensor, target: Tensor, case: Case) -> Iterator:
    """Yield the losses of shuffled slabs."""
    rows, stride, pool = case.rows, case.stride, case.pool
    num_symbols, num_days = target.shape
    first, last = ENCODER - 1, num_days - DECODER - 1
    ends = np.array([(symbol, end) for end in range(first, last + 1) for symbol in range(num_symbols)])
    slabs = Slabs.spaced(ends, rows=rows, stride=stride, num_times=num_days, device=CPU)
    windows = Windows(panel, ENCODER + (rows - 1) * stride)
    came = target.unfold(1, DECODER, 1)[ends[:, 0], ends[:, 1] + 1]
    generator = torch.Generator().manual_seed(case.seed)

    def loss(numbers: Tensor) -> Tensor:
        taken = slabs.take(numbers)
        counted = taken.counted.flatten()
        masks = pool.draw(model.num_sites) if pool else None
        said = model(inputs_of(windows.gather(taken.ends)), stride=stride, masks=masks, origins=case.origins)[counted]
        return quantile_loss(said, came[taken.samples.flatten()[counted]], LEVELS)

    while True:
        for numbers in torch.randperm(len(slabs), generator=generator).split(case.batch // rows):
            yield lambda numbers=numbers: loss(numbers)


def inputs_of(slabs: Tensor) -> Inputs:
    """Return what the network reads of gathered rows."""
    return Inputs(slabs[..., : len(WIDE)], slabs[..., len(WIDE) :], AHEAD)


def prove(peer: nn.Module, ours: TemporalFusionTransformer, data: TimeSeriesDataSet) -> None:
    """Assert that both say the same of a batch of the loader, with the same gradients, dropout off."""
    x, y = next(iter(data.to_dataloader(train=False, batch_size=BATCH, num_workers=0)))
    order = [peer.hparams.x_reals.index(name) for name in (*WIDE, *TRAITS)]
    answers = (peer.eval()(x).prediction, ours.eval()(inputs_of(x["encoder_cont"][..., order])))
    losses = [quantile_loss(said, y[0], LEVELS) for said in answers]
    for loss in losses:
        loss.backward()
    norms = [torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9).item() for model in (peer, ours)]
    sizes = [sum(item.numel() for item in model.parameters()) for model in (peer, ours)]
    furthest = (answers[0] - answers[1]).abs().max().item()
    assert sizes[0] == sizes[1]
    assert furthest < SAME
    assert abs(norms[0] / norms[1] - 1) < SAME
    print(f"{sizes[0]:,} parameters each; predictions differ by {furthest:.1g} at most, losses {losses[0].item():.6f} "
          f"and {losses[1].item():.6f}, gradient norms {norms[0]:.6f} and {norms[1]:.6f}")  # fmt: skip


def main() -> None:
    """Time training steps of both, and print samples per CPU second and ratios."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    panel, target = made_up()
    data = peer_data(panel, target)
    peer, ours = peer_network(data), TemporalFusionTransformer(CONFIG, SIZES)
    give_weights(peer, ours)
    prove(peer, ours, data)
    few = [batch for batch, _ in zip(data.to_dataloader(train=True, batch_size=BATCH), range(2 * STEPS), strict=False)]
    largest = BATCH * (ENCODER + DECODER) * CONFIG.hidden
    pool = MaskPool(CONFIG.dropout, num_elements=2 * max(largest, 2**22), seed=0, device=CPU)
    wide = MaskPool(CONFIG.dropout, num_elements=2**24, seed=0, device=CPU)
    cases = {
        "windows one by one, mask pool": Case(1, pool=wide),
        "slabs 8 x 16, mask pool": Case(16, pool=pool),
        "slabs 8 x 16, 4 days apart, mask pool": Case(16, 4, pool),
        "slabs 4 x 32, mask pool": Case(32, pool=pool),
        "dense origins 4 x 32, mask pool": Case(32, pool=pool, origins="dense"),
        "dense origins 8 x 16, 4 days apart, mask pool": Case(16, 4, pool, "dense"),
        "dense origins 32 x 32, mask pool": Case(32, pool=wide, origins="dense", batch=1024),
        "dense origins 16 x 64, mask pool": Case(64, pool=wide, origins="dense", batch=1024),
    }
    contenders = {
        "peer, its loader": measure.Contender(steps(peer, peer_losses(peer, data)), STEPS * BATCH),
        "peer, batches ready": measure.Contender(steps(peer, peer_losses(peer, data, batches=few)), STEPS * BATCH),
        **{
            name: measure.Contender(
                steps(ours, our_losses(ours, panel, target, case), count=max(1, STEPS * BATCH // case.batch)),
                max(STEPS * BATCH, case.batch),
            )
            for name, case in cases.items()
        },
    }
    found = measure.measure(contenders, rounds=ROUNDS)
    print(f"\n{'Training, 60 days to 5':48}{'samples/cpu-s':>14}{'peak MiB':>10}")
    for name, result in found.items():
        print(f"{name:48}{result.cells_per_cpu_s:14.0f}{result.peak_mib:10.0f}")
    for name in cases:
        ratios = " ".join(f"{measure.ratio(found[name], found[other]):.1f}x" for other in list(contenders)[:2])
        print(f"  {name} / peer with its loader, with batches ready: {ratios}")


if __name__ == "__main__":
    main()
