"""Context and option views of a snapshot: made of the tables beside its bars, with rates and volatility known then."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.features.market_tables import companion_tables
from components.features.tables import BarPanel, bar_panel
from components.market.bars import Bars
from components.market.columns import CONTEXT, OPTIONS, OWN
from components.market.companions import OPTIONS_FILE, read_companions
from components.market.context import YIELDS_FILE
from components.market.option_chain import read_chain
from components.market.options import option_features
from components.market.readers import read_bars
from components.market.snapshot import read_snapshot, write_snapshot
from feature_repo.definitions import CONTEXT_VIEW, OPTIONS_VIEW

SOURCE = "synthetic://planted?symbols=2&days=300&options=5"
ASOF = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def bars() -> Bars:
    return read_bars(SOURCE, asof=ASOF)


@pytest.fixture
def snapshot(tmp_path: Path, bars: Bars) -> Path:
    beside = read_companions(SOURCE, context="", options="", asof=ASOF)
    write_snapshot(tmp_path, bars, source=SOURCE, dataset="synthetic", asof=ASOF, beside=beside)
    return tmp_path


@pytest.fixture
def panel(bars: Bars) -> BarPanel:
    return bar_panel(bars.table)


@pytest.mark.promise("S1-28")
@pytest.mark.promise("S0-35")
def test_a_snapshot_gives_context_and_options_beside_its_bars(snapshot: Path, panel: BarPanel) -> None:
    assert {YIELDS_FILE, OPTIONS_FILE} < set(read_snapshot(snapshot)[1]["files"])
    tables = dict(companion_tables(snapshot, panel, "daily"))
    assert set(tables) == {CONTEXT_VIEW, OPTIONS_VIEW}
    context, options = (tables[name].to_pandas() for name in (CONTEXT_VIEW, OPTIONS_VIEW))
    assert len(context) == 300
    assert np.isfinite(context[list(CONTEXT)].to_numpy()[30:]).all()
    assert len(options) == 2 * 5
    assert np.isfinite(options[list(OPTIONS)].to_numpy()).mean() > 0.9


def test_rate_and_volatility_are_those_known_with_the_chain(snapshot: Path, panel: BarPanel) -> None:
    chain = read_chain(pq.read_table(snapshot / OPTIONS_FILE), file="chain")
    curve = pq.read_table(snapshot / YIELDS_FILE).to_pandas().set_index("date")["y_2y"]
    rates = np.array([2 * np.log(1 + curve[day] / 200) for day in chain.date.astype("datetime64[us]")])
    own = panel.own[:, OWN.index("vol_21d"), -5:]
    expected = option_features(chain, rate=rates, realised_vol=own.ravel()).table
    found = dict(companion_tables(snapshot, panel, "daily"))[OPTIONS_VIEW]
    pd.testing.assert_frame_equal(found.to_pandas(), expected.to_pandas(), rtol=1e-12)


def test_without_yields_the_rate_is_nought_and_that_is_said(
    snapshot: Path, panel: BarPanel, caplog: pytest.LogCaptureFixture
) -> None:
    (snapshot / YIELDS_FILE).unlink()
    tables = dict(companion_tables(snapshot, panel, "intraday"))
    chain = read_chain(pq.read_table(snapshot / OPTIONS_FILE), file="chain")
    assert set(tables) == {OPTIONS_VIEW}
    expected = option_features(chain, rate=0.0).table
    pd.testing.assert_frame_equal(tables[OPTIONS_VIEW].to_pandas(), expected.to_pandas(), rtol=1e-12)
    assert "risk-free rate of 0" in caplog.text


def test_a_day_without_bars_has_no_chain(snapshot: Path, bars: Bars) -> None:
    last = bars.table["timestamp"].to_numpy().max()
    shorter = bars.table.filter(pa.array(bars.table["timestamp"].to_numpy() < last))
    days = dict(companion_tables(snapshot, bar_panel(shorter), "daily"))[OPTIONS_VIEW]["timestamp"].to_numpy()
    assert days.max() < last
    assert len(days) == 2 * 4
