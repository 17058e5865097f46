"""A portfolio of two or more symbols: how to split the capital at the start of each horizon, trained for growth.

Sources: Kelly (1956), "A New Interpretation of Information Rate", for the growth of the logarithm; Markowitz (1952),
"Portfolio Selection", for the price of its variance; Zhang, Zohren and Roberts (2020), "Deep Learning for Portfolio
Optimization", for the softmax over assets. Between two starts nothing is traded and the weights drift with the
prices. What they have drifted to follows from weights and growth of the horizon before alone, so the whole history is
one batch.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.config import Config
from components.core.errors import DataError, UsageError
from components.core.files import fresh_folder
from components.core.run_context import RunContext
from components.families.profit import COLUMNS, RATIOS
from components.learning.bundles import notes, origin, require_columns, training_key, write_files
from components.learning.checkpoint import CheckpointStore
from components.learning.examples import Examples, read_examples
from components.learning.loop import Loop, Task
from components.learning.reproducible import reproducible
from components.learning.settings import LoopConfig, StoppingConfig
from components.market.columns import FORECASTS, RETURNS

PAIRS: Final = "portfolio_pairs"
"""Folder of the checkpoints, below those of the run."""
FEATURES: Final = (*RATIOS, *RETURNS, *FORECASTS)
"""What the allocator reads of each symbol: columns without a scale, the forecasts among them."""

_PLACES = [COLUMNS.index(name) for name in FEATURES]


class PortfolioConfig(Config):
    """Everything that decides one training of an allocator."""

    seed: int = 0
    """Start of the weights."""

    hidden: tuple[PositiveInt, PositiveInt] = (64, 32)
    """Units of the two layers that every symbol goes through."""

    horizon_bars: PositiveInt = 5
    """Bars from one rebalancing to the next; more trades less."""

    risk_penalty: NonNegativeFloat = 1.0
    """What the variance of a horizon's log growth counts beside its mean; 0 is growth alone, 10 a calm book."""

    transaction_cost_bps: NonNegativeFloat = 15.0
    """Paid per unit of turnover, in hundredths of a percent of the value."""

    steps: Annotated[int, Field(ge=20, multiple_of=20)] = 400
    """Steps, each over the whole history; every 20 the validation zone is looked at."""

    lr: PositiveFloat = 3e-3
    """Step size of AdamW."""

    weight_decay: NonNegativeFloat = 0.01
    """Pull of the weights towards 0."""

    patience: PositiveInt = 5
    """Looks without a lower validation loss before stopping."""

    threads: PositiveInt = 1
    """CPU threads; another number changes the last bits."""


@dataclass(frozen=True)
class PairStockDataset:
    """The horizons of one zone, for the symbols of a portfolio."""

    features: Tensor
    """(period, asset, feature): ``FEATURES`` of the last bar before each start, z-scored by the training rows."""
    growth: Tensor
    """(period, asset): value at the end of a horizon by that at its start, next open to next open."""

    @classmethod
    def of(cls, examples: Examples, symbols: Sequence[str], zone: str, *, horizon_bars: int) -> Self:
        """Return the horizons of ``zone`` in the order of time; bars that fill none, at its end, are left out.

        Raises:
            DataError: If a symbol has no examples, there is no whole horizon, or a bar is missing between two others.
        """
        if missing := [name for name in symbols if name not in examples.symbols]:
            raise DataError(
                f"no example of {missing[0]}", file="examples", column="symbol",
                remedy=f"There is {', '.join(examples.symbols[:8])}",
            )  # fmt: skip
        rows = [examples.symbols.index(name) for name in symbols]
        known = np.isfinite(examples.forward_return[rows]).all(axis=0)
        if zone in examples.zones:
            known &= examples.zone == examples.zones.index(zone)
        times = np.flatnonzero(known)
        if zone not in examples.zones or times.size < horizon_bars:
            raise DataError(
                f"zone {zone!r} has no {horizon_bars} bars that all of {', '.join(symbols)} have",
                file="examples", remedy="Use more history, or a lower horizon_bars",
            )  # fmt: skip
        if np.any(np.diff(times) > 1):
            gap = examples.panel.timestamps[times[np.argmax(np.diff(times) > 1)] + 1]
            raise DataError(
                f"one of {', '.join(symbols)} has no bar of {str(gap)[:10]}",
                file="examples", remedy="Choose symbols that trade on the same days",
            )  # fmt: skip
        starts = times[: times.size - times.size % horizon_bars].reshape(-1, horizon_bars)
        raw = examples.panel.values[rows][:, starts[:, 0]][..., _PLACES].astype(np.float64)
        scaled = (raw - examples.mean[_PLACES]) / examples.std[_PLACES]
        growth = np.prod(1 + examples.forward_return[rows][:, starts], axis=-1)
        return cls(torch.from_numpy(scaled.swapaxes(0, 1)).float(), torch.from_numpy(growth.T).float())


class Allocator(nn.Module):
    """The same small network for every symbol, and a softmax over them."""

    def __init__(self, hidden: tuple[int, int], *, num_features: int = len(FEATURES)) -> None:
        super().__init__()
        inner, outer = hidden
        self.score = nn.Sequential(
            nn.Linear(num_features, inner), nn.GELU(), nn.Linear(inner, outer), nn.GELU(), nn.Linear(outer, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the shares (..., asset) of features (..., asset, feature): above 0, and their sum is 1."""
        return torch.softmax(self.score(features)[..., 0], dim=-1)


def turnover_of(weights: Tensor, growth: Tensor) -> Tensor:
    """Return the share of the value that is traded at each start, (..., period), of (..., period, asset).

    At the first all of it is bought. At each other the weights of the one before have drifted to weight times growth,
    by their sum.
    """
    grown = weights * growth
    drifted = grown / grown.sum(dim=-1, keepdim=True)
    before = torch.cat([torch.zeros_like(weights[..., :1, :]), drifted[..., :-1, :]], dim=-2)
    return (weights - before).abs().sum(dim=-1)


def log_growth(weights: Tensor, growth: Tensor, *, cost_bps: float) -> Tensor:
    """Return the logarithm of what each horizon multiplies the value by, after costs, (..., period)."""
    kept = 1 - 1e-4 * cost_bps * turnover_of(weights, growth)
    return ((weights * growth).sum(dim=-1) * kept).log()


def portfolio_loss(weights: Tensor, growth: Tensor, config: PortfolioConfig) -> Tensor:
    """Return - the mean log growth of a horizon + ``risk_penalty`` x its variance, a scalar."""
    grown = log_growth(weights, growth, cost_bps=config.transaction_cost_bps)
    return config.risk_penalty * grown.var(correction=0) - grown.mean()


def train_pair_portfolio(
    symbols: Sequence[str], config: PortfolioConfig, examples: Path, out: Path, run: RunContext
) -> Bundle:
    """Return the sealed bundle of an allocator over two or more symbols, in ``out``.

    Checkpoints go to ``portfolio_pairs`` below those of the run: a killed or stopped run goes on from the newest.

    Raises:
        UsageError: If there are fewer than two symbols, or one twice.
        ArtifactError, DataError: If the examples cannot be trusted, or the symbols share no horizon.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
    """
    if len(set(symbols)) < max(2, len(symbols)):
        raise UsageError(f"a portfolio wants two or more different symbols, was {', '.join(symbols) or 'none'}")
    started, device, data = run.clock(), torch.device("cpu"), read_examples(examples)
    require_columns(data, COLUMNS)
    train, validation = (
        PairStockDataset.of(data, symbols, zone, horizon_bars=config.horizon_bars) for zone in ("train", "validation")
    )
    with reproducible(seed=config.seed, threads=config.threads):
        model = Allocator(config.hidden)
        history = _fit(
            model, train, validation, config, run, name=f"{'-'.join(symbols)}-{training_key(PAIRS, config, data)}"
        )
    facts = {"symbols": list(symbols), "features": list(FEATURES), "horizon_bars": config.horizon_bars}
    with fresh_folder(out) as folder:
        write_files(folder, model, data, history=history, facts=facts)
        seal(
            folder,
            family=PAIRS,
            config=config.model_dump(mode="json"),
            schema={"columns": list(FEATURES), "symbols": list(symbols)},
            data=origin(data),
            notes=notes(threads=config.threads, device=device, started=started, finished=run.clock()),
        )
    return load_bundle(out)


_LOOK_EVERY: Final = 20


def _fit(
    model: Allocator, train: PairStockDataset, validation: PairStockDataset, config: PortfolioConfig, run: RunContext,
    *, name: str,
) -> dict[str, list[float]]:  # fmt: skip
    """Fit the weights and return the losses of every look; a sample of the loop is a step over all of history."""
    task = Task(
        model, _LOOK_EVERY, lambda _: portfolio_loss(model(train.features), train.growth, config),
        name=name, seed=config.seed,
    )  # fmt: skip
    settings = LoopConfig(
        batch=1, epochs=config.steps // _LOOK_EVERY, lr=config.lr, weight_decay=config.weight_decay, shuffle=False,
        stopping=StoppingConfig(patience=config.patience),
    )  # fmt: skip
    store = CheckpointStore(run.checkpoints / PAIRS / name, log=run.log)
    with closing(Loop(task, settings, torch.device("cpu"), store, run, by_step=True)) as loop:
        while not loop.finished:
            trained = loop.train_epoch()
            with torch.inference_mode():
                loss = portfolio_loss(model.eval()(validation.features), validation.growth, config)
            loop.close_epoch(trained, {"loss": loss.item()})
        loop.restore_best()
        return loop.position.history
