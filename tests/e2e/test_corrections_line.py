"""From files that a vendor corrects to training rows: what was decided before stays, what comes after knows better."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from components.assemble.examples import assemble
from components.core import family as families
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.market.columns import TECHNICAL
from components.market.probes.restate import digest
from components.market.synthetic import MarketSpec, market
from feature_repo.online import read_online
from feature_repo.place import Place
from feature_repo.store import open_store

ZONES = "data.zones={train: 0.5, validation: 0.2, test: 0.3}"  # none in a file of its own
RECIPE = families.find("price_action").recipe("smoke", (ZONES,)).canonical()
BARS = market(MarketSpec(symbols=3, days=300, seed=11)).to_pandas().drop(columns=["known_at"])
DAYS = BARS["timestamp"].drop_duplicates().sort_values().tolist()
LATE, RESTATED = ("SYN001", DAYS[215]), (("SYN000", DAYS[220]), ("SYN002", DAYS[240]))
MOMENTS = [DAYS[last] + pd.Timedelta(hours=23) for last in (250, 260, 299)]


def rows_of(frame: pd.DataFrame, symbol: str, day: pd.Timestamp) -> pd.Series:
    return (frame["symbol"] == symbol) & (frame["timestamp"] == day)


def first_said() -> pd.DataFrame:
    """Return the bars without the one that comes late."""
    return BARS[~rows_of(BARS, *LATE)]


def corrected() -> pd.DataFrame:
    """Return all bars, two of them with other prices than were said first."""
    frame = BARS.copy()
    for key in RESTATED:
        frame.loc[rows_of(frame, *key), ["open", "high", "low", "close", "adj_close"]] *= 1.07
    return frame


@dataclass(frozen=True)
class Vendor:
    """One artifact root, into which one file after another is taken."""

    root: Path

    def line(self, bars: pd.DataFrame, asof: datetime) -> pd.DataFrame:
        """Ingest what ``bars`` say by ``asof``, make features and return the examples."""
        name = f"{asof:%Y%m%d}"
        file, out = self.root / f"{name}.parquet", self.root / name
        said = bars[bars["timestamp"] <= asof - pd.Timedelta(hours=22)]
        said.assign(date=said["timestamp"].dt.date).drop(columns="timestamp").to_parquet(file)
        place = {"root": str(self.root), "run_key": name}
        ingest(
            str(file), symbols="", asof=asof.isoformat(), dataset="vendor", faults="refuse", layout="", context="",
            max_restated=1.0, options="", out=str(out / "snapshot"), quality=str(out / "quality.html"), **place,
        )  # fmt: skip
        build_features(str(out / "snapshot"), out=str(out / "features"), **place)
        assemble(str(out / "features"), "price_action", RECIPE, out=str(out / "examples"), **place)
        return pd.read_parquet(out / "examples" / "examples.parquet")


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return Vendor(tmp_path_factory.mktemp("corrected"))


@pytest.fixture(scope="module")
def examples(vendor: Vendor) -> pd.DataFrame:
    """Examples after three ingests, of which the second brings the corrections."""
    vendor.line(first_said(), MOMENTS[0])
    vendor.line(corrected(), MOMENTS[1])
    return vendor.line(corrected(), MOMENTS[2])


@pytest.mark.slow
def test_what_was_decided_before_the_correction_keeps_its_digest(examples: pd.DataFrame, tmp_path: Path) -> None:
    never = Vendor(tmp_path)
    for moment in MOMENTS:
        honest = never.line(first_said(), moment)
    old, new = (frame[frame["decision_time"] < MOMENTS[1]] for frame in (honest, examples))
    assert len(old) == 3 * (261 - 199) - 1  # a warm-up of 199 bars, and one symbol has a bar less
    assert digest(old) == digest(new)
    assert digest(honest) != digest(examples)


def test_what_is_decided_after_it_uses_the_corrected_past(examples: pd.DataFrame, tmp_path: Path) -> None:
    fresh = Vendor(tmp_path).line(corrected(), MOMENTS[2])
    known, want = (frame[frame["decision_time"] >= MOMENTS[1]].reset_index(drop=True) for frame in (examples, fresh))
    assert len(want) == 3 * 39
    assert digest(known) == digest(want)


def test_the_online_store_holds_the_newest_corrected_features(vendor: Vendor, examples: pd.DataFrame) -> None:
    store = open_store(Place.embedded(vendor.root / "feast"), "vendor")
    last = examples.groupby("symbol").last()
    for row in read_online(store, "price_action_v1", list(last.index), now=MOMENTS[2], max_age=timedelta(days=1)):
        assert row.features == {name: last.loc[row.symbol, name] for name in TECHNICAL}
