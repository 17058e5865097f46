"""Published numbers to their printed digits, and the same numbers from a library by other hands."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from purgedcv import (
    deflated_sharpe_ratio,
    min_track_record_length,
    minimum_backtest_length,
    probabilistic_sharpe_ratio,
)
from scipy.stats import kurtosis, skew

from components.trading.sharpe import (
    Form,
    ReturnMoments,
    deflated_benchmark,
    deflated_sharpe,
    expected_maximum,
    minimum_backtest_years,
    minimum_track_record,
    moments_of,
    normal_standard_error,
    probabilistic_sharpe,
    standard_error,
)
from components.trading.statistics import bootstrap_weights, optimal_block_length

HEDGE_FUND = ReturnMoments(sharpe=0.036 / 0.079, skew=-2.448, kurtosis=10.164, num=24)
FORMS: list[Form] = ["2014", "2025"]
MOMENTS = st.builds(
    lambda sharpe, skewness, more, num: ReturnMoments(sharpe, skewness, 1 + skewness**2 + more, num),
    st.floats(-3, 3),
    st.floats(-4, 4),
    st.floats(0.01, 20),
    st.integers(2, 5000),
)


@pytest.mark.parametrize(
    ("form", "benchmark", "digits", "printed"),
    [("2014", 0.0, 4, 0.9127), ("2014", 0.1, 4, 0.8554), ("2025", 0.0, 3, 0.987), ("2025", 0.1, 3, 0.939)],
)
def test_the_two_forms_of_the_probability_differ_as_published(
    form: Form, benchmark: float, digits: int, printed: float
) -> None:
    assert round(probabilistic_sharpe(HEDGE_FUND, form=form, benchmark=benchmark), digits) == printed


def test_errors_of_a_ratio_as_published() -> None:
    assert round(standard_error(HEDGE_FUND), 3) == 0.329
    assert round(normal_standard_error(HEDGE_FUND.sharpe, 24), 3) == 0.214
    assert round(normal_standard_error(0.5, 60), 4) == 0.1369  # Lo 2002


def test_the_track_record_that_it_takes_as_published() -> None:
    assert round(minimum_track_record(HEDGE_FUND, form="2025"), 3) == 13.029


@pytest.mark.parametrize(("num_trials", "printed"), [(10, 1.5746), (45, 2.2356), (100, 2.5306)])
def test_the_best_of_many_tries_as_published(num_trials: int, printed: float) -> None:
    assert round(expected_maximum(num_trials), 4) == printed


@pytest.mark.parametrize("num_trials", [10, 45, 100])
def test_the_best_of_many_tries_is_near_the_mean_of_drawn_ones(num_trials: int) -> None:
    drawn = np.random.default_rng(1).standard_normal((20_000, num_trials)).max(axis=1).mean()
    assert expected_maximum(num_trials) == pytest.approx(drawn, rel=0.035)


def test_the_best_of_one_try_is_luck_of_zero() -> None:
    assert expected_maximum(1) == 0.0
    moments = ReturnMoments(0.1, -0.5, 4.0, 250)
    assert deflated_sharpe(moments, num_trials=1, trial_variance=0.3, form="2014") == probabilistic_sharpe(
        moments, form="2014"
    )


@pytest.mark.parametrize(("num_trials", "printed"), [(45, 4.998), (7, 1.923)])
def test_the_backtest_that_it_takes_as_published(num_trials: int, printed: float) -> None:
    assert round(minimum_backtest_years(num_trials, annual_sharpe=1.0), 3) == printed


@pytest.mark.parametrize(
    ("skewness", "fourth", "num_trials", "printed"),
    [(-3.0, 10.0, 100, 0.9004), (-3.0, 10.0, 46, 0.9505), (0.0, 3.0, 88, 0.9505)],
)
def test_the_deflated_ratio_as_published(skewness: float, fourth: float, num_trials: int, printed: float) -> None:
    moments = ReturnMoments(2.5 / math.sqrt(250), skewness, fourth, 1250)
    found = deflated_sharpe(moments, num_trials=num_trials, trial_variance=0.5 / 250, form="2014")
    assert round(found, 4) == printed


def test_what_the_best_of_a_hundred_tries_shows_as_published() -> None:
    assert round(deflated_benchmark(100, 0.5 / 250), 4) == 0.1132


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_purgedcv_on_the_moments_that_it_takes(seed: int) -> None:
    returns = 0.02 + np.random.default_rng(seed).standard_t(5, 250) * 0.2
    theirs = ReturnMoments(
        float(returns.mean() / returns.std()),
        float(skew(returns, bias=False)),
        float(kurtosis(returns, bias=False, fisher=False)),
        returns.size,
    )
    for benchmark in (0.0, 0.05):
        expected = probabilistic_sharpe_ratio(returns, benchmark)
        assert probabilistic_sharpe(theirs, form="2014", benchmark=benchmark) == pytest.approx(expected, abs=1e-12)
        length = min_track_record_length(theirs.sharpe, benchmark, 0.05, theirs.skew, theirs.kurtosis)
        found = minimum_track_record(theirs, form="2014", benchmark=benchmark)
        assert length == (math.inf if found == math.inf else math.ceil(found))
    expected = deflated_sharpe_ratio(returns, 40, 0.003)
    found = deflated_sharpe(theirs, num_trials=40, trial_variance=0.003, form="2014")
    assert found == pytest.approx(expected, abs=1e-12)
    assert minimum_backtest_years(40, annual_sharpe=1.5) == pytest.approx(minimum_backtest_length(40, 1.5), abs=1e-12)


def test_moments_agree_with_scipy_and_by_hand() -> None:
    returns = np.random.default_rng(3).standard_t(4, 300)
    moments = moments_of(returns)
    assert moments.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), abs=1e-14)
    assert moments.skew == pytest.approx(skew(returns), abs=1e-12)
    assert moments.kurtosis == pytest.approx(kurtosis(returns, fisher=False), abs=1e-12)
    # 0, 0, 0, 4: mean 1, deviations -1 and 3, variance 12 / 4 = 3 or, of ddof 1, 4.
    hand = moments_of(np.array([0.0, 0.0, 0.0, 4.0]))
    assert hand.sharpe == pytest.approx(1 / 2)
    assert hand.skew == pytest.approx((-3 + 27) / 4 / 3**1.5)
    assert hand.kurtosis == pytest.approx((3 + 81) / 4 / 9)


@pytest.mark.parametrize("returns", [[0.01, math.nan, 0.02], [0.01, math.inf, 0.02], [0.01, 0.01, 0.01]])
@pytest.mark.parametrize("form", FORMS)
def test_a_hole_or_a_standstill_leaves_everything_undefined(returns: list[float], form: Form) -> None:
    moments = moments_of(np.array(returns))
    assert math.isnan(standard_error(moments))
    assert math.isnan(probabilistic_sharpe(moments, form=form))
    assert math.isnan(deflated_sharpe(moments, num_trials=9, trial_variance=0.1, form=form))
    assert math.isnan(minimum_track_record(moments, form=form))


def test_two_outcomes_without_an_error_prove_nothing() -> None:
    moments = ReturnMoments(sharpe=2.0, skew=1.0, kurtosis=2.0, num=50)  # (1 - 1 x 2 / 2)^2 = 0
    assert standard_error(moments) == 0.0
    assert math.isnan(probabilistic_sharpe(moments, form="2014"))
    assert probabilistic_sharpe(moments, form="2025") == pytest.approx(1.0)


@pytest.mark.parametrize("form", FORMS)
def test_the_length_of_record_is_where_the_probability_reaches_the_confidence(form: Form) -> None:
    length = minimum_track_record(HEDGE_FUND, form=form, benchmark=0.1, confidence=0.9)
    short, enough = (
        ReturnMoments(HEDGE_FUND.sharpe, HEDGE_FUND.skew, HEDGE_FUND.kurtosis, num)
        for num in (math.floor(length), math.ceil(length))
    )
    assert probabilistic_sharpe(short, form=form, benchmark=0.1) < 0.9
    assert probabilistic_sharpe(enough, form=form, benchmark=0.1) >= 0.9


@pytest.mark.parametrize("form", FORMS)
def test_no_record_shows_a_ratio_that_was_not_reached(form: Form) -> None:
    assert minimum_track_record(HEDGE_FUND, form=form, benchmark=0.5) == math.inf


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.lists(st.floats(-4, 4), min_size=2, max_size=6))
def test_the_probability_falls_as_the_benchmark_of_the_2014_form_rises(
    moments: ReturnMoments, benchmarks: list[float]
) -> None:
    found = [probabilistic_sharpe(moments, form="2014", benchmark=at) for at in sorted(benchmarks)]
    assert all(low >= high for low, high in pairwise(found))
    assert all(0 <= one <= 1 for one in found)


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.floats(0, 3), st.floats(-2, 2))
def test_the_probability_of_the_2025_form_rises_with_the_ratio(
    moments: ReturnMoments, more: float, benchmark: float
) -> None:
    better = ReturnMoments(moments.sharpe + more, moments.skew, moments.kurtosis, moments.num)
    low, high = (probabilistic_sharpe(one, form="2025", benchmark=benchmark) for one in (moments, better))
    assert high >= low


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.integers(1, 3000), st.sampled_from(FORMS))
def test_a_longer_record_makes_a_good_ratio_surer(moments: ReturnMoments, more: int, form: Form) -> None:
    assume(moments.sharpe > 0)
    longer = ReturnMoments(moments.sharpe, moments.skew, moments.kurtosis, moments.num + more)
    assert probabilistic_sharpe(longer, form=form) >= probabilistic_sharpe(moments, form=form)


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.integers(1, 5000), st.floats(0, 2))
def test_deflating_never_makes_surer(moments: ReturnMoments, num_trials: int, trial_variance: float) -> None:
    deflated = deflated_sharpe(moments, num_trials=num_trials, trial_variance=trial_variance, form="2014")
    assert deflated <= probabilistic_sharpe(moments, form="2014")


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="num must be >= 2, was 1"):
        moments_of(np.array([0.1]))
    with pytest.raises(ValueError, match="must not be the excess"):
        ReturnMoments(0.1, skew=0.0, kurtosis=0.0, num=250)
    with pytest.raises(ValueError, match="num_trials must be >= 1, was 0"):
        expected_maximum(0)
    with pytest.raises(ValueError, match="trial_variance must be >= 0"):
        deflated_benchmark(3, -0.1)
    with pytest.raises(ValueError, match="annual_sharpe must be > 0"):
        minimum_backtest_years(5, annual_sharpe=0.0)
    with pytest.raises(ValueError, match="confidence must be above"):
        minimum_track_record(HEDGE_FUND, form="2014", confidence=0.5)


@pytest.mark.slow
def test_blocks_cover_the_ratio_of_returns_that_remember_where_single_draws_do_not() -> None:
    covered = dict.fromkeys(("single", "optimal"), 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        returns = rng.standard_normal(500)
        for t in range(1, 500):
            returns[t] += 0.2 * returns[t - 1]
        for name, block in (("single", 1.0), ("optimal", optimal_block_length(returns))):
            weights = np.vstack(list(bootstrap_weights(500, block_length=block, samples=500, rng=rng)))
            mean = weights @ returns / 500
            ratio = mean / np.sqrt(weights @ returns**2 / 500 - mean**2)
            low, high = np.quantile(ratio, [0.05, 0.95])
            covered[name] += int(low <= 0.0 <= high)
    assert covered["single"] < 0.84 * 200  # 79 % found elsewhere, 90 % wanted
    assert covered["optimal"] > 0.84 * 200  # 87 % found elsewhere
