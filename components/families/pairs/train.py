"""Train portfolios: one, or many as one batch, from examples and a recipe to a sealed bundle of each.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.bundle import load as load_bundle
from components.core.errors import UsageError
from components.core.files import digest_of, fresh_folder
from components.core.run_context import RunContext
from components.families.pairs import FEATURES
from components.families.pairs.config import PairsConfig
from components.families.pairs.data import Histories, PairStockDataset
from components.families.pairs.loss import portfolio_loss
from components.families.pairs.model import Allocator, layout_of, shares, start_of
from components.learning.bundles import notes, origin, require_columns, training_key, write_files
from components.learning.examples import Examples, read_examples
from components.learning.fleet import Fitted, FleetTask, Member, fit_fleet
from components.learning.reproducible import choose_device, reproducible

FAMILY_NAME: Final = "pairs"
PAIRS: Final = "portfolio_pairs"
"""Folder of the checkpoints, below those of the run."""
LOOK_EVERY: Final = 20
"""Steps from one look at the validation zone to the next."""


@dataclass(frozen=True)
class Portfolio:
    """What one portfolio is fitted on."""

    symbols: tuple[str, ...]
    data: Examples
    train: PairStockDataset
    validation: PairStockDataset

    @classmethod
    def of(cls, data: Examples, symbols: Sequence[str], config: PairsConfig) -> "Portfolio":
        """Return the portfolio of ``symbols``.

        Raises:
            UsageError: If there are fewer than two symbols, or one twice.
            DataError: If the features are others, or the symbols share no horizon.
        """
        if len(set(symbols)) < max(2, len(symbols)):
            raise UsageError(f"a portfolio wants two or more different symbols, was {', '.join(symbols) or 'none'}")
        require_columns(data, FEATURES)
        zones = (PairStockDataset.of(data, symbols, zone, config) for zone in ("train", "validation"))
        return cls(tuple(symbols), data, *zones)

    @property
    def name(self) -> str:
        """Its symbols."""
        return "-".join(self.symbols)


def train(config: PairsConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed bundle, in ``out``, of a portfolio of all symbols of ``examples``.

    Raises:
        UsageError, ArtifactError, DataError, InterruptedRunError: As in ``train_pair_portfolio``.
    """
    return train_pair_portfolio(read_examples(examples).symbols, config, examples, out, run)


def train_pair_portfolio(
    symbols: Sequence[str], config: PairsConfig, examples: Path, out: Path, run: RunContext
) -> Bundle:
    """Return the sealed bundle of a portfolio of two or more symbols, in ``out``.

    Checkpoints go to ``portfolio_pairs`` below those of the run: a killed or stopped run goes on from the newest.

    Raises:
        UsageError: If there are fewer than two symbols, or one twice.
        ArtifactError, DataError: If the examples cannot be trusted, or the symbols share no horizon.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
    """
    portfolio, started = Portfolio.of(read_examples(examples), symbols, config), run.clock()
    name = f"{portfolio.name}-{training_key(PAIRS, config, portfolio.data)}"
    [fitted] = fit([portfolio], config, run, name=name)
    return write(portfolio, fitted, config, out, run, started=started)


def fit(portfolios: Sequence[Portfolio], config: PairsConfig, run: RunContext, *, name: str) -> tuple[Fitted, ...]:
    """Return the weights of each portfolio, in their order; each is, to rounding, the one that is fitted alone."""
    with reproducible(seed=config.seed, threads=config.train.threads):
        device = choose_device(config.train.device)
        zones = [zone for portfolio in portfolios for zone in (portfolio.train, portfolio.validation)]
        histories, hidden = Histories.of(zones, device), config.model.hidden
        members = [
            Member(
                portfolio.name,
                config.seed,
                start_of(hidden, int(digest_of([config.seed, portfolio.name])[:15], 16)),
                train=np.full(LOOK_EVERY, 2 * place),
                validation=np.array([2 * place + 1]),
            )
            for place, portfolio in enumerate(portfolios)
        ]

        def losses(parameters: Mapping[str, Tensor], rows: Tensor) -> Tensor:
            seen = histories.at(rows[:, 0])
            weights = shares(parameters, seen.features, seen.held)
            return portfolio_loss(weights, seen.growth, config.objective, known=seen.known)[:, None]

        task = FleetTask(members, layout_of(hidden), losses, f"{PAIRS}/{name}")
        return fit_fleet(task, config.train.fleet, device, run)


def write(
    portfolio: Portfolio, fitted: Fitted, config: PairsConfig, out: Path, run: RunContext, *, started: datetime
) -> Bundle:
    """Return the sealed bundle of one portfolio, now in ``out``."""
    model, device = Allocator(config.model.hidden), choose_device(config.train.device)
    views = layout_of(config.model.hidden).views(fitted.weights[None])
    model.load_state_dict({name: value[0] for name, value in views.items()})
    symbols, data = list(portfolio.symbols), portfolio.data
    facts = {"symbols": symbols, "horizon_bars": config.objective.horizon_bars, "diverged": fitted.diverged}
    with fresh_folder(out) as folder:
        write_files(folder, model, data, history=fitted.history, facts=facts | {"best_epoch": fitted.best_epoch})
        seal(
            folder,
            family=FAMILY_NAME,
            config=config.model_dump(mode="json"),
            schema={"columns": list(FEATURES), "symbols": symbols},
            data=origin(data),
            notes=notes(threads=config.train.threads, device=device, started=started, finished=run.clock()),
        )
    return load_bundle(out)
