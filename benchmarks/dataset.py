"""From an examples artifact to the batches of an epoch: ours, pytorch-forecasting's and a Dataset of single samples.

1. Build: parquet and manifest, digests checked, to the z-scored panel and the table of valid windows of every zone;
   the peer reads the same file and makes a TimeSeriesDataSet of it: symbols as categories, no target normaliser.
2. Feed windows of 64 x 14 over real calendars (1 % of the rows are missing), shuffled, 128 at a time: the peers are a
   Dataset of single samples, made by ``torch.tensor`` as usually written or sliced from a tensor, and a DataLoader.
3. Feed windows of 65 x 22, shuffled: the peer is the loader of a TimeSeriesDataSet of 60 + 5 bars.

What both sides yield is compared, window by window, before anything is timed.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import measure

# isort: split
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.data.encoders import TorchNormalizer
from torch import Tensor
from torch.utils import data

from components.core.files import sha256_of, write_json
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.data import Dataset, Scaler, load
from components.learning.batches import Windows, epoch_order
from components.learning.examples import read_examples
from components.market.columns import TECHNICAL
from components.market.examples_manifest import examples_digest

ROUNDS = 5
BATCH = 128
PEER_SAMPLES = 16_384
ZONES = {"train": 0.6, "validation": 0.15, "calibration": 0.1, "test": 0.15}
WIDE = tuple(f"x{number:02d}" for number in range(22))
ENCODER, DECODER = 60, 5


def table(symbols: int, num_days: int, columns: tuple[str, ...]) -> pa.Table:
    """Return examples of random numbers without gaps, by symbol and time."""
    rng, rows = np.random.default_rng(0), symbols * num_days
    days = np.datetime64("2017-01-02T22:00", "us") + np.arange(num_days) * np.timedelta64(1, "D")
    cuts = np.searchsorted(np.cumsum([*ZONES.values()]), np.arange(num_days) / num_days, side="right")
    return pa.table(
        {
            "symbol": np.repeat([f"SYN{number:03d}" for number in range(symbols)], num_days),
            "timestamp": pa.array(np.tile(days, symbols), pa.timestamp("us", "UTC")),
            "bar": np.tile(np.arange(num_days), symbols),
            **{name: rng.standard_normal(rows) for name in columns},
            "label": rng.integers(0, 2, rows).astype(np.float64),
            "forward_return": 0.01 * rng.standard_normal(rows),
            "zone": np.tile(np.array([*ZONES])[cuts], symbols),
        }
    )


def write(folder: Path, examples: pa.Table) -> Path:
    """Write the artifact to ``folder`` as the assemble step does."""
    folder.mkdir()
    file = folder / "examples.parquet"
    pq.write_table(examples, file, compression="zstd", write_page_checksum=True)
    manifest = {"columns": [*TECHNICAL], "files": {file.name: sha256_of(file)}}
    write_json(folder / "manifest.json", {**manifest, "digest": examples_digest(manifest)})
    return folder


def ours(folder: Path) -> Dataset:
    """Return the panel and the windows of every zone."""
    recipe = {"seed": 0, "data": {"window": 64, "horizon": 1, "zones": ZONES}, "model": {}, "train": {}}
    config = PriceActionConfig.parse(recipe, name="benchmark")
    examples = read_examples(folder)
    return load(examples, Scaler.of(examples), config, torch.device("cpu"))


def series(frame: pd.DataFrame, columns: tuple[str, ...], encoder: int, decoder: int) -> TimeSeriesDataSet:
    """Return pytorch-forecasting's data set: z-scored reals, the bare target."""
    return TimeSeriesDataSet(
        frame.astype({"symbol": "category"}),
        time_idx="bar",
        target="forward_return",
        group_ids=["symbol"],
        static_categoricals=["symbol"],
        time_varying_unknown_reals=[*columns],
        min_encoder_length=encoder,
        max_encoder_length=encoder,
        max_prediction_length=decoder,
        target_normalizer=TorchNormalizer(method="identity"),
        add_encoder_length=False,
    )


def theirs(folder: Path) -> TimeSeriesDataSet:
    """Return pytorch-forecasting's data set of the artifact's file."""
    wanted = ["symbol", "bar", *TECHNICAL, "forward_return"]
    return series(pd.read_parquet(folder / "examples.parquet", columns=wanted), TECHNICAL, 64, 1)


class Samples(data.Dataset[tuple[Tensor, Tensor]]):
    """One window at a time, as usually written."""

    def __init__(self, panel: npt.NDArray[np.float32], ends: npt.NDArray[np.int64], labels: Tensor) -> None:
        self.panel, self.ends, self.labels = panel, ends.tolist(), labels.numpy()

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        symbol, end = self.ends[place]
        return torch.tensor(self.panel[symbol, end - 63 : end + 1]), torch.tensor(self.labels[place])


class Slices(Samples):
    """One window at a time, cut from a tensor: the quickest that a Dataset of samples can be."""

    def __init__(self, panel: npt.NDArray[np.float32], ends: npt.NDArray[np.int64], labels: Tensor) -> None:
        super().__init__(panel, ends, labels)
        self.tensor, self.answers = torch.from_numpy(panel), labels

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        symbol, end = self.ends[place]
        return self.tensor[symbol, end - 63 : end + 1], self.answers[place]


def gathered(windows: Windows, ends: Tensor, labels: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Take one shuffled epoch and return its last batch."""
    order = torch.from_numpy(epoch_order(len(ends), epoch=0, most=None, shuffle=True, seed=seed))
    batch = labels[:0], labels[:0]
    for samples in order.split(BATCH):
        batch = windows.gather(ends.index_select(0, samples)), labels.index_select(0, samples)
    return batch


def drained(loader: data.DataLoader[object], most: int) -> object:
    """Take the first ``most`` samples and return the last batch."""
    batch: object = None
    for number, batch in enumerate(loader, start=1):  # noqa: B007
        if number * BATCH >= most:
            break
    return batch


def build(folder: Path, full: pa.Table) -> None:
    """Compare and measure the way from the artifact to the windows."""
    artifact = write(folder / "full", full)
    mine, peer = ours(artifact), theirs(artifact)
    num_zones = sum(len(zone) for zone in (mine.train, mine.validation, mine.calibration))
    print(f"windows of 64 + 1 bars: {num_zones} inside three zones; TimeSeriesDataSet has {len(peer)} of all days")
    rows = full.num_rows
    results = measure.measure(
        {
            "ours, digests checked": measure.Contender(lambda: ours(artifact), rows, len(TECHNICAL)),
            "TimeSeriesDataSet": measure.Contender(lambda: theirs(artifact), rows, len(TECHNICAL)),
            "bare pq.read_table": measure.Contender(
                lambda: pq.read_table(artifact / "examples.parquet"), rows, len(TECHNICAL)
            ),
        },
        rounds=ROUNDS,
    )
    measure.show(f"Build from {rows} rows", results, against={"ours, digests checked": "TimeSeriesDataSet"})


def feed_samples(folder: Path, full: pa.Table) -> None:
    """Compare and measure shuffled windows of 64 x 14 with gaps."""
    kept = np.random.default_rng(1).random(full.num_rows) >= 0.01  # noqa: PLR2004
    artifact = write(folder / "gaps", full.filter(pa.array(kept)))
    zone, windows = ours(artifact).train, ours(artifact).windows
    examples = read_examples(artifact)
    panel, ends = Scaler.of(examples)(examples.panel.values), zone.slabs.ends.numpy()
    loaders = {
        f"{kind.__name__.lower()}, one by one": data.DataLoader(
            kind(panel, ends, zone.labels), batch_size=BATCH, shuffle=True, num_workers=0
        )
        for kind in (Samples, Slices)
    }
    places = torch.arange(0, len(ends), 997)
    for loader in loaders.values():
        single = torch.stack([loader.dataset[place][0] for place in places.tolist()])
        assert torch.equal(windows.gather(zone.slabs.ends[places]), single)
    title = "gathered from one panel"
    contenders = {
        title: measure.Contender(lambda: gathered(windows, zone.slabs.ends, zone.labels), len(ends)),
        **{
            name: measure.Contender(lambda loader=loader: drained(loader, PEER_SAMPLES), PEER_SAMPLES)
            for name, loader in loaders.items()
        },
    }
    results = measure.measure(contenders, rounds=ROUNDS)
    first, second = loaders
    measure.show(f"Windows of 64 x 14, {len(ends)} of them, shuffled", results, against={title: first})
    print(f"  {title} / {second}: {measure.ratio(results[title], results[second]):.1f}x")


def feed_series(symbols: int, num_days: int) -> None:
    """Compare and measure shuffled windows of 65 x 22."""
    frame = table(symbols, num_days, WIDE).to_pandas()
    peer = series(frame, WIDE, ENCODER, DECODER)
    panel = frame[[*WIDE]].to_numpy().reshape(symbols, num_days, len(WIDE))
    rows = panel.reshape(-1, len(WIDE))
    windows = Windows(torch.from_numpy(((panel - rows.mean(0)) / rows.std(0)).astype(np.float32)), ENCODER + DECODER)
    answers = torch.from_numpy(frame["forward_return"].to_numpy(np.float32))
    last = np.stack(np.meshgrid(np.arange(symbols), np.arange(ENCODER + DECODER - 1, num_days), indexing="ij"), -1)
    ends = torch.from_numpy(last.reshape(-1, 2))
    labels = Windows(answers.view(symbols, num_days, 1), DECODER).gather(ends)[:, :, 0]
    assert len(peer) == len(ends)
    for place in range(0, len(ends), 9973):
        values, (target, _) = peer[place]
        torch.testing.assert_close(windows.gather(ends[place : place + 1])[0], values["x_cont"], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(labels[place], target, rtol=1e-6, atol=1e-6)
    loader = peer.to_dataloader(train=True, batch_size=BATCH, num_workers=0)
    name, most = "TimeSeriesDataSet's loader", PEER_SAMPLES // 4
    contenders = {
        "gathered": measure.Contender(lambda: gathered(windows, ends, labels), len(ends)),
        name: measure.Contender(lambda: drained(loader, most), most),
    }
    results = measure.measure(contenders, rounds=ROUNDS)
    measure.show(f"Windows of 65 x 22, {len(ends)} of them, shuffled", results, against={"gathered": name})


def main(symbols: int, num_days: int) -> None:
    """Compare and print."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        full = table(symbols, num_days, TECHNICAL)
        build(Path(name), full)
        feed_samples(Path(name), full)
        feed_series(symbols, num_days)


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if sys.argv[1:] else (500, 1260)))
