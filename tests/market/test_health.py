"""Health by rules: scores worked out by hand, words at their bounds, nothing told where something is missing."""

import numpy as np
import pytest

from components.market.columns import BEHAVIORS, RETURNS, VOL_BUCKETS
from components.market.health import UNKNOWN, behaviors, health_scores, known_scores, vol_buckets


def row(**columns: float) -> np.ndarray:
    values = dict.fromkeys(RETURNS, 0.0) | {"vol_21d": 0.24, "vol_63d": 0.24} | columns
    return np.array([values[name] for name in RETURNS])


@pytest.mark.promise("S1-33")
def test_the_score_is_the_mean_of_four_parts() -> None:
    # Flat at 35 % a year: trend 1/2, no fall 1, volatility 1/2, lead 1/2.
    assert health_scores(row(vol_21d=0.35)) == pytest.approx((0.5 + 1 + 0.5 + 0.5) / 4)
    # One deviation of the quarter, 0.24 / 2 = 0.12, up: 3/4. A fall of 15 %: 1/2. A lead of 10 %: 3/4.
    assert health_scores(row(vol_21d=0.35, return_63d=0.12)) == pytest.approx((0.75 + 1 + 0.5 + 0.5) / 4)
    assert health_scores(row(vol_21d=0.35, drawdown_63d=-0.15)) == pytest.approx((0.5 + 0.5 + 0.5 + 0.5) / 4)
    assert health_scores(row(vol_21d=0.35, rel_strength_63d=0.10)) == pytest.approx((0.5 + 1 + 0.5 + 0.75) / 4)
    assert health_scores(row(vol_21d=0.0, vol_63d=0.0)) == pytest.approx((0.5 + 1 + 1 + 0.5) / 4)


@pytest.mark.promise("S1-33")
def test_the_score_stays_between_0_and_1_and_better_columns_raise_it() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_t(2, (5_000, 10))
    rows[:, 4:6], rows[:, 6:8] = np.abs(rows[:, 4:6]), -np.abs(rows[:, 6:8])
    scores = health_scores(rows)
    assert np.all((scores >= 0) & (scores <= 1))
    assert scores.min() < 0.15
    assert scores.max() > 0.8
    for name, step in (("return_63d", 0.1), ("drawdown_63d", 0.1), ("vol_21d", -0.1), ("rel_strength_63d", 0.1)):
        better = rows.copy()
        better[:, RETURNS.index(name)] += step
        kept = better[:, 4] >= 0
        assert np.all((health_scores(better) > scores)[kept])


@pytest.mark.promise("S1-34")
def test_the_bucket_is_that_of_the_months_volatility() -> None:
    rows = np.stack([row(vol_21d=vol) for vol in (0.0, 0.1799, 0.18, 0.2999, 0.30, 2.0, np.nan)])
    assert vol_buckets(rows).tolist() == [0, 0, 1, 1, 2, 2, UNKNOWN]
    assert VOL_BUCKETS == ("low", "med", "high")


# 24 % a year: a month's deviation is 0.0693, a quarter's 0.12; 0.35 of them are 0.02425 and 0.042.
MOVES = {
    "on and on": (0.0243, 0.0421, "momentum"),
    "down and down": (-0.0243, -0.0421, "momentum"),
    "against the quarter": (-0.0243, 0.0421, "mean_reversion"),
    "against a small quarter": (0.0243, -0.001, "mean_reversion"),
    "a small month": (0.0242, 0.0421, "mixed"),
    "a small quarter": (0.0243, 0.0419, "mixed"),
    "nothing": (0.0, 0.0, "mixed"),
}


@pytest.mark.promise("S1-35")
@pytest.mark.parametrize(("month", "quarter", "name"), MOVES.values(), ids=MOVES.keys())
def test_the_behavior_compares_month_and_quarter(month: float, quarter: float, name: str) -> None:
    assert BEHAVIORS[int(behaviors(row(return_21d=month, return_63d=quarter)))] == name


@pytest.mark.parametrize("name", RETURNS)
def test_a_row_without_all_ten_has_no_score(name: str) -> None:
    assert np.isnan(known_scores(row(**{name: np.nan})))
    unknown = int(behaviors(row(**{name: np.nan}))) == UNKNOWN
    assert unknown == (name in {"return_21d", "return_63d", "vol_21d", "vol_63d"})


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"want the 10 columns return_1d.*got 8"):
        known_scores(np.zeros((3, 8)))
