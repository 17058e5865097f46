"""What the twins of a sealed bundle say of each window of a zone."""

# pyright: reportUnknownMemberType=false
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from components.core.bundle import Bundle
from components.core.errors import ArtifactError
from components.core.recipe import HOLDOUT
from components.families.twin.fleet import Fleet
from components.families.twin.model import Said, Samples, say
from components.families.twin.stocks import Ends, ends_of, samples_of, seen_by
from components.learning.bundles import require_same_columns
from components.learning.examples import Examples, read_examples
from components.learning.reproducible import reproducible
from components.market.predictions import QuantilePredictions


def predict(bundle: Bundle, examples: Path, *, zone: str, threads: int) -> QuantilePredictions:
    """Return the quantiles of every labelled window of ``zone`` whose stock has a twin, none if there is no such zone.

    ``bundle`` comes from ``components.core.bundle.load``, so every byte of it was checked.

    Raises:
        ArtifactError: If the weights are unusable, the features are others, or a quantile is not finite.
        DataError: If the examples cannot be trusted.
    """
    fleet = Fleet.load(bundle)
    data = read_examples(examples, holdout=zone == HOLDOUT)
    require_same_columns(bundle, data)
    with reproducible(seed=fleet.config.seed, threads=threads):
        answers = list(answers_of(fleet, data, zone))
    quantile = [ordered(said.quantile[0]) * seen.scale[..., None] for _, seen, said in answers]
    found = table(data, fleet, [ends for ends, _, _ in answers], [seen for _, seen, _ in answers], quantile)
    if not np.all(np.isfinite(found.quantile)):
        raise ArtifactError(f"{bundle.folder}: a quantile in zone {zone!r} is not finite. Train it again")
    return found


def answers_of(fleet: Fleet, data: Examples, zone: str) -> Iterator[tuple[Ends, Samples, Said]]:
    """Yield, for each twin whose stock has windows in ``zone``: the windows, what was seen, and what the twin says."""
    for place, ticker in enumerate(fleet.tickers):
        ends = ends_of(data, ticker, zone, fleet.config)
        if not len(ends):
            continue
        seen = samples_of(data, ends, seen_by(fleet.foundation, data, ends), fleet.weights.usual(place), fleet.config)
        with torch.inference_mode():
            yield ends, seen, say(fleet.weights.one(place), seen.at(torch.arange(len(ends))[None]))


def table(
    data: Examples, fleet: Fleet, ends: list[Ends], seen: list[Samples], quantile: list[Tensor]
) -> QuantilePredictions:
    """Return the table of log returns (sample, horizon, level) said of the windows, by time and then by symbol."""
    rows = np.concatenate([np.empty((0, 2), dtype=np.int64), *ends])
    order = np.lexsort((rows[:, 0], rows[:, 1]))
    horizon, levels = fleet.shape.horizon, fleet.shape.levels
    shapes = ((0, horizon, len(levels)), (0, horizon), (0,))
    parts = (quantile, [it.move * it.scale for it in seen], [it.scale[:, 0] for it in seen])
    found = [
        torch.cat([torch.empty(shape), *part]).double().numpy()[order]
        for shape, part in zip(shapes, parts, strict=True)
    ]
    return QuantilePredictions(
        symbols=data.symbols,
        symbol=rows[order, 0],
        timestamp=data.panel.timestamps[rows[order, 1]],
        levels=levels,
        quantile=found[0],
        label=found[1],
        scale=found[2],
    )


def ordered(quantile: Tensor) -> Tensor:
    """Return quantiles that do not cross (Chernozhukov et al. 2010)."""
    return torch.sort(quantile, dim=-1).values
