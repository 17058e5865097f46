"""What a twin is made from: the newest days of one stock, as the frozen foundation sees them."""

# pyright: reportUnknownMemberType=false
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.core.errors import ArtifactError, DataError
from components.core.files import digest_of
from components.families.twin.config import OPTIONS_VIEW, TwinConfig
from components.families.twin.model import Samples
from components.learning.checkpoint import Checkpoint, CheckpointStore
from components.learning.examples import Examples
from components.learning.foundation import FoundationNetwork
from components.market.columns import FOUNDATION, OPTIONS, RETURNS
from components.market.moves import moves

MIN_DAYS: Final = 60
"""Decisions to learn from below which a stock gets no twin."""
SLAB: Final = 64
"""Windows that the foundation reads at once; what depends on a bar alone is computed once for all that hold it."""
MAX_SCALED: Final = 5.0
"""Deviations beyond which an option feature says no more."""
MAX_PULL: Final = 3.0
"""Standard moves beyond which max pain pulls no harder."""

_PAIN, _FEAR = OPTIONS.index("max_pain_distance"), OPTIONS.index("put_call_volume")

Ends = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stock:
    """The decisions of one stock that its twin learns from."""

    ticker: str
    data: Examples
    train: Ends
    """[n, 2] of (symbol, index of the last bar): the newest of the training zone, oldest first."""
    validation: Ends

    @classmethod
    def of(cls, data: Examples, ticker: str, config: TwinConfig) -> "Stock":
        """Return the stock called ``ticker``.

        Raises:
            DataError: If it has fewer than ``MIN_DAYS`` to learn from, or nothing to stop by; or options are enabled
                and none of them is known on any of those days.
        """
        train, validation = (ends_of(data, ticker, zone, config) for zone in ("train", "validation"))
        train = train[-config.data.lookback_days :]
        needed = config.data.window + config.data.horizon
        for zone, found, least in (("train", len(train), MIN_DAYS), ("validation", len(validation), 1)):
            if found < least:
                raise DataError(
                    f"{ticker} has {found} days to learn from in zone {zone!r}, at least {least} are needed",
                    file="examples",
                    remedy=f"Each needs {needed} bars of the zone: use more history, or take it from the list",
                )
        if config.model.options_enabled and np.isnan(options_of(data, train)).all():
            raise DataError(
                f"{ticker} has no option feature on any of the {len(train)} days that its twin learns from",
                file="examples",
                remedy=f"Ingest its chains with --options for {OPTIONS_VIEW}, or set model.options_enabled=false",
            )
        return cls(ticker, data, train, validation)

    def is_short(self, config: TwinConfig) -> bool:
        """Return whether it has fewer days than the recipe looks back on."""
        return len(self.train) < config.data.lookback_days


def ends_of(data: Examples, ticker: str, zone: str, config: TwinConfig) -> Ends:
    """Return the decisions [n, 2] of a stock in a zone, oldest first; none if it has no row."""
    if ticker not in data.symbols:
        return np.empty((0, 2), dtype=np.int64)
    ends = data.windows(zone, config.data.window, config.data.horizon)
    return ends[ends[:, 0] == data.symbols.index(ticker)]


@dataclass(frozen=True)
class Usual:
    """What is usual of a stock, by the days that its twin learns from."""

    thirds: Tensor
    """(2,): standard moves over the whole horizon below and above which a third of them lay."""
    mean: Tensor
    """(40,), or (0,) without options: mean of each option feature; 0 where none was known."""
    std: Tensor
    """Likewise their deviation; 1 where they did not vary."""


@dataclass(frozen=True)
class Seen:
    """What the foundation makes of decisions."""

    state: Tensor
    """(sample, horizon, hidden)"""
    quantile: Tensor
    """(sample, horizon, level) of standard moves."""
    scale: Tensor
    """(sample, horizon): log return that is a standard move of 1."""


def seen_by(foundation: FoundationNetwork, data: Examples, ends: Ends) -> Seen:
    """Return what the foundation, which is left as it is, makes of the decisions ``ends`` of one stock."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    with torch.inference_mode():
        for symbol, first, last in _slabs(ends):
            rows = data.panel.values[symbol, first - foundation.window + 1 : last + 1, : len(FOUNDATION)]
            slab = torch.from_numpy(np.ascontiguousarray(rows))[None].to(foundation.base.device)
            state = foundation.trunk(slab)
            parts.append((state, foundation.base + foundation.transformer.head(state), foundation.scale(slab)))
    return Seen(*(torch.cat(fields).clone() for fields in zip(*parts, strict=True)))


def _slabs(ends: Ends) -> Iterator[tuple[int, int, int]]:
    """Yield symbol, first and last decision of each run of at most ``SLAB`` consecutive ones."""
    gaps = np.flatnonzero(np.diff(ends[:, 1]) != 1) + 1
    for run in np.split(ends, gaps):
        for first in range(0, len(run), SLAB):
            part = run[first : first + SLAB]
            yield int(part[0, 0]), int(part[0, 1]), int(part[-1, 1])


def remembered(
    foundation: FoundationNetwork, digest: str, data: Examples, ends: Ends, *, store: CheckpointStore
) -> Seen:
    """Return what ``seen_by`` does, from ``store`` if the same foundation, ``digest``, saw the same bars before.

    One that was damaged is computed anew.
    """
    symbol, first = int(ends[0, 0]), int(ends[0, 1]) - foundation.window + 1
    rows = data.panel.values[symbol, first : int(ends[-1, 1]) + 1, : len(FOUNDATION)]
    places = [digest, sha256(np.ascontiguousarray(rows).tobytes()).hexdigest(), (ends[:, 1] - first).tolist()]
    key = digest_of(places)
    kept = store.newest()
    if kept is not None and kept.values.get("key") == key:
        return Seen(**{name: kept.tensors[name].to(foundation.base.device) for name in ("state", "quantile", "scale")})
    seen = seen_by(foundation, data, ends)
    store.save(Checkpoint({"state": seen.state, "quantile": seen.quantile, "scale": seen.scale}, {"key": key}))
    return seen


def moves_of(data: Examples, ends: Ends, horizon: int) -> Tensor:
    """Return the log returns (sample, horizon) that came after the decisions ``ends`` of one stock."""
    symbol = int(ends[0, 0])
    returns = data.panel.values[symbol : symbol + 1, :, RETURNS.index("return_1d")].astype(np.float64)
    return torch.from_numpy(moves(returns, horizon)[0, ends[:, 1]]).float()


def usual(stock: Stock, seen: Seen, config: TwinConfig) -> Usual:
    """Return what is usual of a stock; ``seen`` is of its training days."""
    last = (moves_of(stock.data, stock.train, config.data.horizon).to(seen.scale.device) / seen.scale)[:, -1]
    thirds = torch.quantile(last, torch.tensor([1 / 3, 2 / 3], device=last.device))
    if not config.model.options_enabled:
        return Usual(thirds, torch.empty(0), torch.empty(0))
    values = options_of(stock.data, stock.train)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    std = np.sqrt(np.where(known, np.square(values - mean), 0.0).sum(axis=0) / count)
    std = np.where(std > 0, std, 1.0)
    return Usual(thirds, torch.from_numpy(mean).float(), torch.from_numpy(std).float())


def samples_of(data: Examples, ends: Ends, seen: Seen, known: Usual, config: TwinConfig) -> Samples:
    """Return what a twin reads of the decisions ``ends`` of its stock, and what came of them."""
    device, horizon = seen.state.device, config.data.horizon
    move = moves_of(data, ends, horizon).to(device) / seen.scale
    regime = (move[:, -1:] > known.thirds.to(device)).sum(dim=1)
    options, fear = torch.zeros(len(ends), 0, device=device), torch.zeros(len(ends), 1, device=device)
    pain = torch.zeros(len(ends), horizon, device=device)
    if config.model.options_enabled:
        raw = torch.from_numpy(options_of(data, ends)).float().to(device)
        scaled = ((raw - known.mean.to(device)) / known.std.to(device)).clamp(-MAX_SCALED, MAX_SCALED)
        options = torch.nan_to_num(scaled, nan=0.0)
        fear = torch.tanh(options[:, _FEAR : _FEAR + 1])
        away = torch.log1p(torch.nan_to_num(raw[:, _PAIN : _PAIN + 1], nan=0.0))
        pain = (away / seen.scale).clamp(-MAX_PULL, MAX_PULL)
    return Samples(seen.state, seen.quantile, seen.scale, options, pain, fear, move, regime)


def options_of(data: Examples, ends: Ends) -> npt.NDArray[np.float64]:
    """Return the option features [sample, 40] of the decisions' own day; NaN where one is unknown.

    Raises:
        ArtifactError: If the examples were assembled without them.
    """
    if data.columns[len(FOUNDATION) :] != OPTIONS:
        raise ArtifactError(
            f"the examples have no {OPTIONS_VIEW}. Assemble them with model.options_enabled=true, as the recipe has it"
        )
    return data.panel.values[ends[:, 0], ends[:, 1], len(FOUNDATION) :].astype(np.float64)
