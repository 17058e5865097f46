"""Real files through ingest, features and assemble, for the FeatureService of every family that exists."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.assemble.examples import assemble
from components.core import family as families
from components.core.family import Family
from components.core.files import read_json
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.market.columns import CONTEXT
from feature_repo.definitions import CONTEXT_VIEW, OPTIONS_VIEW, UNITS

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")]
STOCKS, FUNDS = "real_sample.parquet", "etf_adjusted_daily.parquet"
CHAINS = "options_top20_spy_2021.parquet"


def features_of(data: Path, root: Path, source: str, **inputs: str) -> Path:
    ingest(
        str(data / source), symbols=inputs.get("symbols", ""), asof="2021-04-22", dataset="real", faults="quarantine",
        layout="", max_restated=0.001, context=str(data), options=inputs.get("options", ""),
        out=str(root / "snapshot"), quality=str(root / "quality.html"), root=str(root), run_key="k",
    )  # fmt: skip
    facts = build_features(str(root / "snapshot"), out=str(root / "features"), root=str(root), run_key="k")
    assert facts["online"] == "filled"
    return root / "features"


@pytest.fixture(scope="module")
def stocks(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return features_of(shared_data, tmp_path_factory.mktemp("stocks"), STOCKS)


@pytest.mark.parametrize("member", families.every(), ids=lambda member: member.feature_service)
def test_the_service_gives_examples_of_real_files(stocks: Path, member: Family, tmp_path: Path) -> None:
    recipe = member.recipe(member.default_recipe).canonical()
    assemble(str(stocks), member.name, recipe, out=str(tmp_path / "out"), root=str(tmp_path), run_key="k")
    manifest: dict[str, Any] = read_json(tmp_path / "out" / "manifest.json")
    rows = pd.concat([pq.read_table(file).to_pandas() for file in (tmp_path / "out").glob("*.parquet")])
    assert manifest["service"] == member.feature_service
    assert manifest["columns"] == [column for names in member.columns.values() for column in names]
    assert len(rows) == manifest["rows"] > 1_000
    assert np.isfinite(rows[manifest["columns"]].to_numpy()).all()
    assert {"train", "validation", "test", "holdout"} <= set(manifest["zones"])
    assert not rows.duplicated(["symbol", "timestamp"]).any()


@pytest.mark.promise("S1-28")
@pytest.mark.promise("S0-35")
def test_context_and_real_chains_become_views(shared_data: Path, tmp_path: Path) -> None:
    options = str(shared_data / CHAINS)
    folder = features_of(shared_data, tmp_path, FUNDS, symbols="SPY,TLT", options=options)
    views = {path.stem: pq.read_table(path).to_pandas() for path in folder.glob("*.parquet")}
    assert set(views) == set(UNITS)
    assert len(views[CONTEXT_VIEW]) == 3_600
    since = views[CONTEXT_VIEW]["event_timestamp"] >= pd.Timestamp("2017-01-03", tz="UTC")
    assert np.isfinite(views[CONTEXT_VIEW].loc[since, list(CONTEXT)].to_numpy()).all()
    chains = views[OPTIONS_VIEW]
    assert (len(chains), set(chains["symbol"])) == (75, {"SPY"})  # 2021-01-04 to 2021-04-21
    assert (chains["event_timestamp"] - chains["timestamp"] == pd.Timedelta(hours=26)).all()
    assert np.isfinite(chains["put_call_volume"].to_numpy()).all()
