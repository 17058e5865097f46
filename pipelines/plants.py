"""Models that must not be promoted, sealed the way the family seals its own: only what they know is wrong."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load, save
from torch import Tensor

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.family import Family
from components.core.files import read_json, write_json
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Dataset, Scaler
from components.families.price_action.data import load as load_samples
from components.families.price_action.loss import direction_loss
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.predict import build, log_odds
from components.families.price_action.served import graph_of
from components.families.price_action.threshold import fit_platt, precise_threshold
from components.features.tables import BarPanel, feature_tables
from components.learning.examples import Examples, read_examples
from components.market.bars import Interval
from components.market.predictions import Predictions
from components.serving.loader import GRAPH

WEIGHTS: Final = "weights.safetensors"
LEAKING: Final = "rsi_14"
"""The feature that tells of tomorrow in the leaking examples."""

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Mould:
    """A bundle of the family, and the examples that others of its form are made for."""

    pattern: Bundle
    examples: Path

    @cached_property
    def config(self) -> PriceActionConfig:
        """The recipe of the pattern."""
        return PriceActionConfig.parse(self.pattern.manifest["config"], name=str(self.pattern.folder))

    @cached_property
    def data(self) -> Examples:
        """The examples."""
        return read_examples(self.examples)

    @cached_property
    def samples(self) -> Dataset:
        """The samples that index them."""
        return load_samples(self.data, Scaler.of(self.data), self.config, torch.device("cpu"))

    def network(self, weights: Mapping[str, Tensor] | None = None) -> PriceActionTransformer:
        """Return a network with these weights, or with fresh ones."""
        config = self.config
        model = build(config.model, num_features=len(self.data.columns), window=config.data.window)
        if weights is not None:
            model.load_state_dict(weights)
        return model

    @property
    def weights(self) -> Weights:
        """The weights of the pattern."""
        return load(self.pattern.path(WEIGHTS).read_bytes())

    def seal(self, out: Path, model: PriceActionTransformer, *, graph: bool = True) -> Bundle:
        """Write a bundle of ``model``, calibrated and with a threshold as training does; without ``graph``, the old."""
        shutil.copytree(self.pattern.folder, out)
        zone, scaler = self.samples.calibration, Scaler.of(self.data)
        answers = zone.slabs.by_sample(log_odds(model, self.samples.windows, zone.slabs))
        labels = zone.labels[:, 0].double().numpy()
        facts = read_json(out / "model.json")
        if np.isfinite(answers).all():
            calibration = fit_platt(answers, labels)
            wanted = self.config.threshold
            threshold = precise_threshold(
                calibration.probability(answers), labels, min_recall=wanted.min_recall, confidence=wanted.confidence
            )
            facts |= {
                "threshold": threshold,
                "calibration": {"slope": calibration.slope, "intercept": calibration.intercept},
            }
            if graph:
                content = graph_of(
                    model, calibration, threshold, scaler=scaler, data=self.data, window=self.config.data.window
                )
                (out / GRAPH).write_bytes(content)
        write_json(out / "model.json", facts)
        write_json(out / "scaler.json", scaler.document())
        (out / WEIGHTS).write_bytes(save({name: tensor.contiguous() for name, tensor in model.state_dict().items()}))
        manifest = self.pattern.manifest
        (out / bundles.MANIFEST).unlink()
        return bundles.seal(
            out, family=manifest["family"], config=manifest["config"], schema=manifest["schema"],
            data={**manifest["data"], "examples": self.data.digest}, notes=manifest["notes"],
        )  # fmt: skip

    def random(self, seed: int) -> PriceActionTransformer:
        """Return a network that nobody trained."""
        torch.manual_seed(seed)
        return self.network()

    def constant(self) -> PriceActionTransformer:
        """Return a network that says the same of every window."""
        return self.network({name: torch.zeros_like(tensor) for name, tensor in self.weights.items()})

    def undefined(self) -> PriceActionTransformer:
        """Return the pattern's network with one weight that is no number."""
        weights = self.weights
        name = next(name for name in weights if name.startswith("head"))
        weights[name].view(-1)[0] = torch.nan
        return self.network(weights)

    def nudged(self, by: float) -> PriceActionTransformer:
        """Return a network as good as the pattern's, and not the same."""
        return self.network({name: tensor + by for name, tensor in self.weights.items()})

    def by_heart(
        self, *, num_slabs: int = 2, num_steps: int = 500, seed: int = 0
    ) -> tuple[PriceActionTransformer, float]:
        """Return a network that knows some training windows by heart, and the share of them that it gets right."""
        torch.manual_seed(seed)
        model, zone = self.network(), self.samples.train
        few = zone.slabs.take(torch.arange(num_slabs))
        windows, labels = self.samples.windows.gather(few.ends), zone.labels.index_select(0, few.samples[few.counted])
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        model.eval()  # no dropout: nothing is to be held back
        for _ in range(num_steps):
            optimizer.zero_grad()
            loss = direction_loss(model.logits(windows)[few.counted][:, None], labels)
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            right = (model.logits(windows)[few.counted][:, None] > 0) == (labels > 0)
        return model, float(right.double().mean())


@dataclass(frozen=True, kw_only=True)
class PeekingFamily(Family):
    """The family, but what it predicts of a window leans to what came after it."""

    def module(self, name: str) -> ModuleType:
        """Return the family's module ``name``; of ``predict``, one that peeks."""
        honest = super().module(name)
        if name != "predict":
            return honest
        peeking = ModuleType(honest.__name__)
        peeking.__dict__.update(honest.__dict__, predict=peeked(honest.predict))
        return peeking


def peeked(predict: Callable[..., Predictions]) -> Callable[..., Predictions]:
    """Return a function that adds a tenth of the label to what ``predict`` says."""

    def answer(*arguments: Any, **named: Any) -> Predictions:
        said = predict(*arguments, **named)
        return replace(said, probability=0.9 * said.probability + 0.1 * said.label)

    return answer


def leaking_tables(panel: BarPanel, interval: Interval) -> Iterator[tuple[str, pa.Table]]:
    """Yield the features of the bars; one of them is tomorrow's move, as a shift in the wrong direction makes it."""
    for view, table in feature_tables(panel, interval):
        if LEAKING not in table.column_names:
            yield view, table
            continue
        moves = np.diff(panel.candles.close, axis=1, append=np.nan) / panel.candles.close
        column = pa.array(np.nan_to_num(moves[panel.row, panel.column]))
        yield view, table.set_column(table.column_names.index(LEAKING), LEAKING, column)
