"""The figures of a fact sheet, in one place: what a book or an account earned, risked and paid.

Everything is made of the gain of each bar as a fraction of the initial capital, which add up: gains are not
reinvested. Sources: Sharpe (1994); Sortino and Price (1994); Young (1991), "Calmar Ratio"; Lo (2002), "The
Statistics of Sharpe Ratios".
"""

import math
from statistics import NormalDist

import numpy as np

from components.trading.statistics import Array, sharpe_ratio, wilson_interval

_GOOD_SHARPE, _GREAT_SHARPE, _GOOD_WINS, _SMALL_DRAWDOWN = 1.0, 2.0, 0.55, -0.1


def equity_of(net: Array) -> Array:
    """Return the capital before the first bar, 1, and after each: one entry more than ``net``."""
    return np.concatenate([[1.0], 1.0 + np.cumsum(net)])


def drawdown_of(net: Array) -> Array:
    """Return the fraction below the highest equity so far, zero or negative; as long as ``equity_of``."""
    equity = equity_of(net)
    result: Array = equity / np.maximum.accumulate(equity) - 1.0
    return result


def growth_rate(total_return: float, num_bars: int, *, bars_per_year: float) -> float:
    """Return the yearly rate that compounds to ``total_return`` (CAGR); NaN without a bar or with nothing left."""
    if not num_bars or total_return <= -1:
        return math.nan
    return (1.0 + total_return) ** (bars_per_year / num_bars) - 1.0


def sortino_ratio(net: Array, *, periods_per_year: float) -> float:
    """Return the annualised mean over the root mean square of the losses, all bars counted; NaN without a loss."""
    losses = np.minimum(net, 0.0)
    if not losses.any():
        return math.nan
    return float(net.mean()) / math.sqrt(float((losses * losses).mean())) * math.sqrt(periods_per_year)


def figures(
    net: Array,
    *,
    turnover: float,
    cost: float,
    exposure: Array,
    num_trades: int,
    win_rate: float,
    bars_per_year: float,
) -> dict[str, float]:
    """Return the figures by name, NaN where one is undefined.

    ``net`` is the gain of each bar, ``turnover`` the sum of what was bought and sold and ``exposure`` what was
    held in each bar, all as fractions of the initial capital; ``cost`` is what a unit of turnover was charged,
    ``win_rate`` the share of the trades that earned more than their costs.

    ``total_return``, ``cagr``, ``max_drawdown`` (zero or negative), ``costs_paid``, ``win_rate``, ``exposure``
    (its mean) and ``break_even_cost`` (per unit of turnover, at which nothing is left) are fractions;
    ``sharpe``, ``sortino`` and ``calmar`` (``cagr`` per deepest drawdown) are per year.
    """
    total = float(net.sum())
    deepest = float(drawdown_of(net).min())
    yearly = growth_rate(total, net.size, bars_per_year=bars_per_year)
    return {
        "total_return": total,
        "cagr": yearly,
        "sharpe": sharpe_ratio(net, periods_per_year=bars_per_year),
        "sortino": sortino_ratio(net, periods_per_year=bars_per_year),
        "calmar": yearly / -deepest if deepest else math.nan,
        "max_drawdown": deepest,
        "turnover": turnover,
        "costs_paid": cost * turnover,
        "break_even_cost": total / turnover + cost if turnover else math.nan,
        "num_trades": float(num_trades),
        "win_rate": win_rate,
        "exposure": float(exposure.mean()) if exposure.size else math.nan,
    }


def sharpe_interval(
    sharpe: float, num_bars: int, *, bars_per_year: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the two-sided interval of an annualised Sharpe ratio of independent, normal gains (Lo 2002)."""
    per_bar = sharpe / math.sqrt(bars_per_year)
    error = math.sqrt((1 + per_bar * per_bar / 2) / num_bars * bars_per_year)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return sharpe - half, sharpe + half


def bands(found: dict[str, float], num_bars: int, *, bars_per_year: float) -> list[str]:
    """Return lines that hold the figures against the customary bands, with 95% intervals; they decide nothing."""
    lines = ["Sharpe ratio: undefined, nothing varied"]
    if math.isfinite(sharpe := found["sharpe"]):
        low, high = sharpe_interval(sharpe, num_bars, bars_per_year=bars_per_year)
        word = "above 2" if sharpe > _GREAT_SHARPE else "above 1" if sharpe > _GOOD_SHARPE else "not above 1"
        lines = [f"Sharpe ratio {sharpe:.2f} [{low:.2f}, {high:.2f}]: {word}; bands: above 1 good, above 2 very good"]
    if num_trades := int(found["num_trades"]):
        num_wins = round(found["win_rate"] * num_trades)
        low, high = wilson_interval(num_wins, num_trades)
        word = "above" if num_wins / num_trades > _GOOD_WINS else "not above"
        lines.append(f"Win rate {num_wins} of {num_trades} trades [{low:.1%}, {high:.1%}]: {word} 55%")
    else:
        lines.append("Win rate: undefined, no trade")
    deepest = found["max_drawdown"]
    word = "less" if deepest > _SMALL_DRAWDOWN else "not less"
    return [*lines, f"Deepest drawdown {-deepest:.1%}: {word} than 10%; of one history, so without an interval"]
