"""Twins fitted as one fleet on what the foundation, which runs once for each stock, makes of their days."""

# pyright: reportUnknownMemberType=false
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.files import digest_of
from components.core.run_context import RunContext
from components.families.twin.config import TwinConfig
from components.families.twin.fleet import Twin, shape_of
from components.families.twin.model import Samples, Shape, losses
from components.families.twin.stocks import Stock, Usual, remembered, samples_of, usual
from components.learning.bundles import origin
from components.learning.checkpoint import Checkpoint, CheckpointStore
from components.learning.fleet import Fitted, FleetTask, Member, fit_fleet
from components.learning.foundation import FoundationNetwork, network_of


@dataclass(frozen=True)
class Prepared:
    """A stock as the fleet reads it."""

    stock: Stock
    known: Usual
    samples: Samples
    """Those of the training zone, and then those of the validation zone."""


def fit(
    config: TwinConfig,
    stocks: Sequence[Stock],
    foundation: Bundle,
    device: torch.device,
    run: RunContext,
    *,
    kept: Path | None = None,
) -> tuple[list[Twin], int]:
    """Return the twins of ``stocks``, in their order, and how many of them, as they are not ``kept``, were trained."""
    keys = {stock.ticker: twin_key(config, stock, foundation) for stock in stocks}
    stores = {stock.ticker: kept and CheckpointStore(kept / stock.ticker, log=run.log, keep=2) for stock in stocks}
    found = {ticker: recalled(ticker, store, keys[ticker]) for ticker, store in stores.items() if store}
    found = {ticker: twin for ticker, twin in found.items() if twin is not None}
    fresh = [stock for stock in stocks if stock.ticker not in found]
    run.log.info("%d twins to train, %d unchanged", len(fresh), len(found))
    if fresh:
        network = network_of(foundation).to(device)
        prepared = [prepare(stock, network, foundation.digest, config, run) for stock in fresh]
        shape = shape_of(config, network)
        name = digest_of([keys[stock.ticker] for stock in fresh])[:32]
        task = fleet_task(shape, prepared, network.base.new_tensor(shape.levels), config, name=name)
        for item, fitted in zip(prepared, fit_fleet(task, config.train, device, run), strict=True):
            twin = _twin(item, fitted, foundation, config)
            found[twin.ticker] = twin
            if store := stores[twin.ticker]:
                tensors = {"weights": twin.weights, **vars(twin.usual)}
                store.save(Checkpoint(tensors, {"key": keys[twin.ticker], "facts": dict(twin.facts)}))
    return [found[stock.ticker] for stock in stocks], len(fresh)


def twin_key(config: TwinConfig, stock: Stock, foundation: Bundle) -> str:
    """Return the name of one stock's training: other data, another recipe or foundation has another one."""
    return digest_of([stock.ticker, stock.data.digest, config.of_each, foundation.digest])


def recalled(ticker: str, store: CheckpointStore, key: str) -> Twin | None:
    """Return the newest twin in ``store`` if it is of the training called ``key``."""
    newest = store.newest()
    if newest is None or newest.values["key"] != key:
        return None
    tensors = dict(newest.tensors)
    weights = tensors.pop("weights")
    return Twin(ticker, weights, Usual(**tensors), newest.values["facts"])


def prepare(stock: Stock, network: FoundationNetwork, digest: str, config: TwinConfig, run: RunContext) -> Prepared:
    """Return a stock with what the foundation, which runs once for it, makes of its days."""
    folder = run.workspace.root / "cache" / "activations" / str(stock.data.manifest["dataset"]) / stock.ticker
    seen, later = (
        remembered(network, digest, stock.data, ends, store=CheckpointStore(folder / zone, log=run.log, keep=1))
        for zone, ends in (("train", stock.train), ("validation", stock.validation))
    )
    known = usual(stock, seen, config)
    parts = [samples_of(stock.data, stock.train, seen, known, config)]
    parts += [samples_of(stock.data, stock.validation, later, known, config)]
    return Prepared(stock, known, joined(parts))


def joined(parts: Iterable[Samples]) -> Samples:
    """Return the samples of all parts, one after another."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Samples(*(torch.cat(column) for column in columns))


def fleet_task(
    shape: Shape, prepared: Sequence[Prepared], levels: Tensor, config: TwinConfig, *, name: str
) -> FleetTask:
    """Return the training of all twins at once."""
    samples = joined(item.samples for item in prepared)
    members: list[Member] = []
    first = 0
    for item in prepared:
        seed = seed_of(config.seed, item.stock.ticker)
        rows = torch.arange(first, first + len(item.samples.state)).numpy()
        cut = len(item.stock.train)
        members.append(Member(item.stock.ticker, seed, shape.start(seed), rows[:cut], rows[cut:]))
        first += len(rows)
    weight = config.model.regime_weight

    def loss(parameters: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        return losses(parameters, samples.at(rows), levels, regime_weight=weight)

    return FleetTask(members, shape.layout, loss, name)


def seed_of(seed: int, ticker: str) -> int:
    """Return the seed of one stock: that of the recipe and its name alone, whoever else is in the fleet."""
    return int(digest_of([seed, ticker])[:15], 16)


def _twin(item: Prepared, fitted: Fitted, foundation: Bundle, config: TwinConfig) -> Twin:
    stock = item.stock
    facts = {
        "best_epoch": fitted.best_epoch,
        "config": config.of_each,
        "data": origin(stock.data),
        "diverged": fitted.diverged,
        "foundation": foundation.digest,
        "history": dict(fitted.history),
        "num_days": len(stock.train),
        "short_history": stock.is_short(config),
    }
    usual_ = replace(item.known, thirds=item.known.thirds.cpu())
    return Twin(stock.ticker, fitted.weights, usual_, facts)
