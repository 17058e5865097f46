"""A fleet of twins as a bundle: one file of stacked weights, the foundation that they stand on, a digest for each."""

# pyright: reportUnknownMemberType=false
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors.torch import save
from torch import Tensor, nn

from components.core import bundle as bundles
from components.core.bundle import Bundle, seal
from components.core.errors import ArtifactError, UsageError
from components.core.files import atomic_file, copy_files, digest_of, fresh_folder, read_json, write_json
from components.families.twin.config import TwinConfig
from components.families.twin.model import Shape
from components.families.twin.stocks import Usual
from components.learning.bundles import FACTS, HISTORY, SCALER, WEIGHTS, load_weights
from components.learning.foundation import FoundationNetwork, network_of
from components.market.columns import QUANTILE_LEVELS

TWINS: Final = "twins.json"
FOUNDATION: Final = "foundation"
"""Folder of the bundle that holds the foundation's."""


@dataclass(frozen=True)
class Twin:
    """One stock's twin."""

    ticker: str
    weights: Tensor
    """(size,): as ``Shape.layout`` has them."""
    usual: Usual
    facts: Mapping[str, Any]
    """What is told of its training, as JSON; ``data`` is where its days come from."""

    @property
    def digest(self) -> str:
        """What makes it what it is: its numbers, and the data and the foundation that they were fitted on."""
        content = save({"weights": self.weights, **vars(self.usual)})
        facts = {key: self.facts[key] for key in ("data", "foundation", "config")}
        return digest_of([self.ticker, sha256(content).hexdigest(), facts])


class StackedTwins(nn.Module):
    """The weights of all twins, and what is usual of their stocks; the first axis is the twin."""

    thirds: Tensor
    option_mean: Tensor
    option_std: Tensor

    def __init__(self, shape: Shape, num_twins: int, num_options: int) -> None:
        super().__init__()
        empty = {name: torch.zeros(num_twins, *size) for name, size in shape.layout.shapes.items()}
        self.stacked = nn.ParameterDict(empty)
        for name, width in (("thirds", 2), ("option_mean", num_options), ("option_std", num_options)):
            self.register_buffer(name, torch.zeros(num_twins, width))

    def fill(self, shape: Shape, twins: Sequence[Twin]) -> None:
        """Take over the numbers of ``twins``, in their order."""
        if not twins:
            return
        with torch.no_grad():
            for name, values in shape.layout.views(torch.stack([twin.weights for twin in twins])).items():
                self.stacked[name].copy_(values)
        for buffer, field in ((self.thirds, "thirds"), (self.option_mean, "mean"), (self.option_std, "std")):
            buffer.copy_(torch.stack([getattr(twin.usual, field) for twin in twins]))

    def usual(self, place: int) -> Usual:
        """Return what is usual of one stock."""
        return Usual(self.thirds[place], self.option_mean[place], self.option_std[place])

    def one(self, place: int) -> dict[str, Tensor]:
        """Return the parameters of one twin, as a stack of one."""
        return {name: values[place : place + 1] for name, values in self.stacked.items()}


@dataclass(frozen=True)
class Fleet:
    """A bundle of twins, ready to be asked."""

    config: TwinConfig
    shape: Shape
    foundation: FoundationNetwork
    weights: StackedTwins
    records: tuple[Mapping[str, Any], ...]
    """What is told of each twin, in the order of the weights."""
    columns: tuple[str, ...]

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Return the fleet of a bundle whose bytes were checked.

        Raises:
            ArtifactError: If the weights do not fit the sizes that the bundle states.
        """
        config = TwinConfig.parse(bundle.manifest["config"], name=f"{bundle.folder}: config")
        foundation = network_of(bundles.load(bundle.folder / FOUNDATION))
        shape = shape_of(config, foundation)
        records = tuple(read_json(bundle.path(TWINS))["twins"])
        weights = StackedTwins(shape, len(records), _num_options(config))
        load_weights(bundle, weights)
        return cls(config, shape, foundation, weights, records, tuple(bundle.manifest["schema"]["columns"]))

    @property
    def tickers(self) -> tuple[str, ...]:
        """The stocks that have a twin."""
        return tuple(str(record["ticker"]) for record in self.records)

    def twin(self, ticker: str) -> Twin:
        """Return one twin.

        Raises:
            UsageError: If the fleet has none of that stock; those that it has are named.
            ArtifactError: If its digest is not the one that is told of it.
        """
        if ticker not in self.tickers:
            raise UsageError(f"no twin of {ticker} in this fleet. There is {', '.join(self.tickers) or 'none'}")
        place = self.tickers.index(ticker)
        weights = torch.cat([self.weights.stacked[name][place].flatten() for name in self.shape.layout.shapes])
        facts = {key: value for key, value in self.records[place].items() if key not in ("ticker", "digest")}
        twin = Twin(ticker, weights.detach(), self.weights.usual(place), facts)
        if twin.digest != self.records[place]["digest"]:
            raise ArtifactError(f"the twin of {ticker} has another digest than {TWINS} tells. Train it again")
        return twin


def shape_of(config: TwinConfig, foundation: FoundationNetwork) -> Shape:
    """Return the sizes of twins on a foundation."""
    return Shape(config.model, foundation.config.hidden, foundation.horizon, QUANTILE_LEVELS)


def _num_options(config: TwinConfig) -> int:
    return Shape(config.model, 1, 1, ()).layout.shapes.get("encoder", (0,))[0]


def write_fleet(
    out: Path,
    config: TwinConfig,
    foundation: Bundle,
    twins: Sequence[Twin],
    *,
    columns: Sequence[str],
    data: Mapping[str, Any],
    notes: Mapping[str, Any],
    refused: Mapping[str, str],
) -> Bundle:
    """Return the sealed bundle that now lies in ``out``, with a copy of the foundation in it.

    ``data`` says what the whole was trained on; ``refused`` why some stocks have no twin.
    """
    network = network_of(foundation)
    shape = shape_of(config, network)
    stacked = StackedTwins(shape, len(twins), _num_options(config))
    stacked.fill(shape, twins)
    records = [{**twin.facts, "ticker": twin.ticker, "digest": twin.digest} for twin in twins]
    with fresh_folder(out) as folder:
        copy_files(foundation.folder, folder / FOUNDATION)
        with atomic_file(folder / WEIGHTS) as file:
            file.write(save({name: tensor.contiguous() for name, tensor in stacked.state_dict().items()}))
        (folder / WEIGHTS).chmod(0o640)
        write_json(folder / TWINS, {"twins": records, "refused": dict(refused)})
        write_json(folder / HISTORY, mean_history([twin.facts["history"] for twin in twins]))
        write_json(folder / SCALER, {"feature_columns": list(columns)})
        facts = {"model_state_dict": WEIGHTS, "feature_columns": list(columns), "input_dim": len(columns)}
        facts |= {"num_parameters": shape.layout.size * len(twins), "levels": list(shape.levels)}
        write_json(folder / FACTS, facts | {"foundation": foundation.digest, "num_twins": len(twins)})
        schema = {"columns": list(columns), "window": network.window, "tickers": [twin.ticker for twin in twins]}
        settings = config.model_dump(mode="json")
        seal(folder, family="twin", config=settings, schema=schema, data=data, notes=notes)
    return bundles.load(out)


def single(fleet: Bundle, ticker: str, out: Path) -> Bundle:
    """Return the bundle of one twin of a fleet, now in ``out``: what is judged and promoted by itself.

    Raises:
        UsageError, ArtifactError: As ``Fleet.twin``.
    """
    loaded = Fleet.load(fleet)
    twin = loaded.twin(ticker)
    foundation = bundles.load(fleet.folder / FOUNDATION)
    notes = {key: value for key, value in fleet.manifest["notes"].items() if key != "code"}
    return write_fleet(
        out, loaded.config, foundation, [twin], columns=loaded.columns, data=twin.facts["data"], notes=notes, refused={}
    )


def mean_history(histories: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Return the curves of a fleet: at each epoch the mean over the twins that were still trained."""
    curves: dict[str, list[float]] = {}
    for name in ("train_loss", "val_loss"):
        longest = max((len(history[name]) for history in histories), default=0)
        running = (
            [history[name][epoch] for history in histories if len(history[name]) > epoch] for epoch in range(longest)
        )
        curves[name] = [sum(values) / len(values) for values in running]
    return curves
