"""The context of the real files, 2017 to 2021: eight columns, no gaps, nothing known too early."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.market.columns import CONTEXT
from components.market.context import TONE_FILE, YIELDS_FILE, context_table
from components.market.context_files import TONES, read_closes, read_yields

pytestmark = pytest.mark.realdata
FIRST, LAST = date(2017, 1, 1), date(2021, 12, 31)
RANGES = {
    "spy_return_1d": (-0.12, 0.10),
    "spy_return_21d": (-0.35, 0.30),
    "spy_vol_21d": (0.03, 1.0),
    "yield_slope": (-0.1, 1.7),
    "credit_spread_proxy": (-0.3, 0.2),
    "vixy_return_21d": (-0.5, 4.5),
    "risk_off_proxy": (-0.2, 0.7),
    "gdelt_avg_tone": (-3.0, 0.0),
}


@pytest.fixture(scope="module")
def context(shared_data: Path) -> pd.DataFrame:
    return context_table(shared_data, first=FIRST, last=LAST).to_pandas().set_index("date")


@pytest.mark.promise("S1-28")
def test_all_eight_columns_are_there_without_a_gap(context: pd.DataFrame) -> None:
    assert (len(context), context.index[0], context.index[-1]) == (1_082, date(2017, 1, 3), date(2021, 4, 21))
    assert set(CONTEXT) == set(RANGES)
    assert np.isfinite(context[list(CONTEXT)].to_numpy()).all()
    for name, (low, high) in RANGES.items():
        assert context[name].between(low, high).all(), name
    assert context.loc[date(2020, 3, 16), "spy_return_1d"] == context["spy_return_1d"].min() < -0.10


@pytest.mark.promise("S1-28")
def test_no_tone_and_no_curve_is_seen_on_its_own_day(context: pd.DataFrame, shared_data: Path) -> None:
    tone = pd.read_parquet(shared_data / TONE_FILE).set_index("date")[list(TONES)].mean(axis=1)
    curve = pd.read_parquet(shared_data / YIELDS_FILE).set_index("date")
    slope = curve["y_10y"] - curve["y_2y"]
    for day, row in context.iterrows():
        session = pd.Timestamp(day)
        assert row["gdelt_avg_tone"] == pytest.approx(tone[: session - pd.Timedelta(days=1)].iloc[-1], rel=1e-12)
        assert row["yield_slope"] == pytest.approx(slope[: session - pd.Timedelta(days=1)].iloc[-1], abs=1e-12)
    assert (context["created"] <= context["event_timestamp"]).all()


def test_the_quirks_of_the_files_are_where_the_readme_says(shared_data: Path) -> None:
    curve = read_yields(shared_data / YIELDS_FILE, ("y_1m", "y_2y", "y_10y", "y_20y", "y_30y"))
    days, unpublished = curve.known_at.astype("datetime64[D]") - 1, np.isnan(curve.data)
    assert unpublished.sum(axis=0).tolist() == [2_899, 0, 0, 939, 994]  # of 2,991 zeros in y_1m, 92 are yields
    assert days[unpublished[:, 0]].max() == np.datetime64("2001-07-30")
    assert (curve.data[:, [1, 2, 3, 4]] != 0).all()
    funds = read_closes(shared_data / "etf_adjusted_daily.parquet", ("SPY", "IEF"))
    gaps = np.flatnonzero(np.isnan(funds.data[:, 1]))
    assert funds.known_at[gaps].tolist() == [pd.Timestamp("2011-02-17 22:00").to_pydatetime()]
