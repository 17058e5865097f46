import math

import numpy as np
import pytest

from components.trading.performance import bands, drawdown_of, equity_of, figures, growth_rate, sharpe_interval

NET = np.array([0.02, -0.01, 0.03, -0.02])


def sheet(net: np.ndarray, **changes: float) -> dict[str, float]:
    given = {"turnover": 2.0, "cost": 0.001, "num_trades": 2, "win_rate": 0.5, "bars_per_year": 4.0, **changes}
    return figures(net, exposure=np.array([1.0, 0.0, 0.5, 0.5]), **given)


@pytest.mark.promise("S4-93")
def test_every_figure_by_hand() -> None:
    found = sheet(NET)
    assert found["total_return"] == pytest.approx(0.02)
    assert found["cagr"] == pytest.approx(0.02)  # four bars are a year
    # mean 0.005; deviations 0.015, -0.015, 0.025, -0.025: variance 0.0017 / 3
    assert found["sharpe"] == pytest.approx(0.005 / math.sqrt(0.0017 / 3) * 2)
    assert found["sortino"] == pytest.approx(0.005 / math.sqrt((0.0001 + 0.0004) / 4) * 2)
    # equity 1, 1.02, 1.01, 1.04, 1.02
    assert found["max_drawdown"] == pytest.approx(1.02 / 1.04 - 1)
    assert found["calmar"] == pytest.approx(0.02 / (1 - 1.02 / 1.04))
    assert found["costs_paid"] == pytest.approx(0.002)
    assert found["break_even_cost"] == pytest.approx(0.022 / 2)
    assert (found["turnover"], found["num_trades"], found["win_rate"], found["exposure"]) == (2.0, 2.0, 0.5, 0.5)


def test_what_is_undefined_is_nan() -> None:
    found = sheet(np.zeros(4), turnover=0.0, num_trades=0, win_rate=math.nan)
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == {"sharpe", "sortino", "calmar", "break_even_cost", "win_rate"}
    assert math.isnan(growth_rate(-1.0, 10, bars_per_year=252.0))
    assert math.isnan(growth_rate(0.1, 0, bars_per_year=252.0))
    assert math.isnan(sheet(np.array([0.01, 0.02, 0.0, 0.01]))["sortino"])  # never lost


def test_a_rate_compounds_to_its_total() -> None:
    rate = growth_rate(0.21, 504, bars_per_year=252.0)
    assert rate == pytest.approx(0.1)


def test_drawdown_starts_at_the_capital() -> None:
    np.testing.assert_allclose(equity_of(np.array([-0.1, 0.2])), [1.0, 0.9, 1.1])
    np.testing.assert_allclose(drawdown_of(np.array([-0.1, 0.2])), [0.0, -0.1, 0.0])


def test_the_interval_of_a_sharpe_ratio_covers_its_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    truth, covered, num = 1.0, 0, 2000
    for gains in 0.01 * (truth / math.sqrt(252) + rng.standard_normal((num, 504))):
        ratio = gains.mean() / gains.std(ddof=1) * math.sqrt(252)
        low, high = sharpe_interval(ratio, 504, bars_per_year=252.0)
        covered += low <= truth <= high
    assert covered / num == pytest.approx(0.95, abs=0.02)


@pytest.mark.promise("S2-58")
def test_the_bands_are_text_with_intervals() -> None:
    found = {"sharpe": 2.5, "num_trades": 100.0, "win_rate": 0.56, "max_drawdown": -0.12}
    sharpe, wins, drawdown = bands(found, 1000, bars_per_year=252.0)
    low, high = sharpe_interval(2.5, 1000, bars_per_year=252.0)
    assert sharpe.startswith(f"Sharpe ratio 2.50 [{low:.2f}, {high:.2f}]: above 2")
    assert wins == "Win rate 56 of 100 trades [46.2%, 65.3%]: above 55%"  # Wilson
    assert drawdown.startswith("Deepest drawdown 12.0%: not less than 10%")
    fair = bands({**found, "sharpe": 1.2, "win_rate": 0.55, "max_drawdown": -0.05}, 1000, bars_per_year=252.0)
    assert [word in line for word, line in zip(("above 1;", "not above 55%", "less than 10%"), fair, strict=True)]
    poor = bands({**found, "sharpe": math.nan, "num_trades": 0.0}, 10, bars_per_year=252.0)
    assert poor[0] == "Sharpe ratio: undefined, nothing varied"
    assert poor[1] == "Win rate: undefined, no trade"
