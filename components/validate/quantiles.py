"""What is asked of quantiles of moves, and how each number is computed.

A move counts in units of past volatility and the root of its step, so that calm and wild stocks weigh alike. The peer
needs no model: the quantiles of the training zone's moves in that unit. Volatility itself can be known to a part, so
beating the peer shows no knowledge of where a price goes; rank and hit rate of the median ask for that.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from components.core.judge import JudgeConfig
from components.market.predictions import QuantilePredictions
from components.trading.statistics import Array, quantile_loss_rows
from components.validate import controls, deflation
from components.validate.case import Case, Questions
from components.validate.measures import Measured, Quantity, longest_block, value_of
from components.validate.rank_correlation import centred_ranks, rank_placebo, spearman
from components.validate.slices import Slices, in_the_worst, slices_of, thirds
from components.validate.zone import Rows

PLANTED_CORRELATION: Final = 0.2
"""Of the positive control, on moves of several days: a hit rate of about 56 %."""
MEDIAN: Final = 0.5


@dataclass(frozen=True)
class QuantileZone(Rows[QuantilePredictions]):
    """How far prices move."""

    @property
    def num_steps(self) -> int:
        """Bars ahead that are asked about."""
        return self.predictions.label.shape[1]

    @property
    def question(self) -> object:
        """Which levels, and how far ahead."""
        return self.predictions.levels, self.num_steps

    @cached_property
    def unit(self) -> Array:
        """[row, step]: past volatility times the root of the step."""
        sizes: Array = self.predictions.scale[:, None] * np.sqrt(np.arange(1, self.num_steps + 1))
        return sizes

    @cached_property
    def came(self) -> Array:
        """[row, step]: the move that came, in units."""
        moved: Array = self.predictions.label / self.unit
        return moved

    @cached_property
    def said(self) -> Array:
        """[row, step, level]: quantiles in units."""
        found: Array = self.predictions.quantile / self.unit[..., None]
        return found

    @property
    def median(self) -> Array:
        """[row, step]: the forecast, in units."""
        return self.said[..., self.predictions.levels.index(MEDIAN)]

    @property
    def levels(self) -> Array:
        """[level]."""
        return np.array(self.predictions.levels)

    def defects(self) -> Iterable[tuple[npt.ArrayLike, str]]:
        """Return what ``Rows.defects`` does."""
        table, every = self.predictions, np.ones(max(self.num_rows, 1))
        levels = self.levels
        if not (np.all((levels > 0) & (levels < 1)) and np.all(np.diff(levels) > 0) and MEDIAN in table.levels):
            yield every, "rows have levels that do not ascend in (0, 1) with the median among them"
            return
        if table.quantile.shape != (*table.label.shape, levels.size) or not self.num_steps:
            yield every, f"rows have not {levels.size} quantiles for each of {self.num_steps} steps"
            return
        yield ~((table.scale > 0) & np.isfinite(table.scale)), "past volatilities are not numbers above 0"
        yield ~np.isfinite(table.label).all(axis=1), "moves that came are not finite"
        yield ~np.isfinite(table.quantile).all(axis=(1, 2)), "quantiles are not finite"
        yield (np.diff(table.quantile, axis=2) < 0).any(axis=(1, 2)), "rows have quantiles that cross"


def losses(zone: QuantileZone, said: Array) -> Array:
    """Return each row's quantile loss, mean over steps and levels, of quantiles in units [row, step, level]."""
    return quantile_loss_rows(zone.came, said, zone.levels)


def usual(past: QuantileZone) -> Array:
    """Return the quantiles [step, level] of the moves of a zone, in units: what the peer says of every row."""
    found: Array = np.quantile(past.came, past.levels, axis=0).T
    return found


def quantile_skill(zone: QuantileZone, past: QuantileZone) -> Quantity:
    """Return 1 - quantile loss / that of the peer, who scales the training zone's quantiles by past volatility."""
    mine, peer = losses(zone, zone.said), losses(zone, usual(past))
    ours, theirs = zone.per_time(mine), zone.per_time(peer)
    note = f"quantile loss {mine.mean():.5f}, of past volatility {peer.mean():.5f}"
    return Quantity(lambda weights: 1 - weights @ ours / (weights @ theirs), note)


def trial_score(zone: QuantileZone, past: QuantileZone | None, _: object) -> float:
    """Return the skill; NaN where no peer has a training zone to learn from."""
    return math.nan if past is None else value_of(quantile_skill(zone, past), zone)


def _centred_ranks(zone: QuantileZone) -> tuple[Array, Array]:
    return centred_ranks(zone.median[:, -1]), centred_ranks(zone.came[:, -1])


def block_length(zone: QuantileZone, config: JudgeConfig) -> float:
    """Return the mean block, in decision times: at least the steps, over which moves overlap."""
    said, came = _centred_ranks(zone)
    per_time = [zone.per_time(rows) / zone.rows_per_time for rows in (losses(zone, zone.said), said * came)]
    return max(longest_block(zone, per_time), float(zone.num_steps))


def correlation(zone: QuantileZone) -> Quantity:
    """Return Spearman's rank correlation of the median and the move at the last step, in units, over all rows.

    In units a stock's volatility alone gives no rank: the peer says the same of every row.
    """
    return spearman(zone, *_centred_ranks(zone))


def hits(zone: QuantileZone) -> Array:
    """Return of each row whether the median has the sign of the move at the last step; no move is no hit."""
    return (np.sign(zone.median[:, -1]) * np.sign(zone.came[:, -1]) > 0).astype(np.float64)


def hit_rate_lift(zone: QuantileZone) -> Quantity:
    """Return the hit rate minus that of always naming the direction that is more frequent *in this zone*."""
    right, rows = zone.per_time(hits(zone)), zone.rows_per_time
    ups, downs = (zone.per_time(sign * zone.came[:, -1] > 0) for sign in (1, -1))
    same = max(ups.sum(), downs.sum()) / rows.sum()
    note = f"right on {hits(zone).mean():.3f} of the rows, always the same {same:.3f}"

    def lift(weights: Array) -> Array:
        best: Array = (weights @ right - np.maximum(weights @ ups, weights @ downs)) / (weights @ rows)
        return best

    return Quantity(lift, note)


def shares_below(zone: QuantileZone) -> Array:
    """Return of each row and level the share of its steps on which the move is at most the quantile."""
    below: Array = (zone.came[..., None] <= zone.said).mean(axis=1)
    return below


def calibration_error(zone: QuantileZone) -> Quantity:
    """Return how far, on average over the levels, the share of moves below a quantile is from its level.

    Noise only adds to it, and resampling adds again, so its upper bound is on the safe side.
    """
    below = shares_below(zone)
    sums, rows = np.stack([zone.per_time(column) for column in below.T], axis=1), zone.rows_per_time
    pairs = zip(zone.predictions.levels, below.mean(axis=0), strict=True)
    note = "moves below: " + ", ".join(f"{share:.3f} for {level:g}" for level, share in pairs)

    def error(weights: Array) -> Array:
        shares = weights @ sums / (weights @ rows)[:, None]
        result: Array = np.abs(shares - zone.levels).mean(axis=1)
        return result

    return Quantity(error, note)


def excess_loss(zone: QuantileZone, champion: QuantileZone) -> Quantity:
    """Return the quantile loss / the champion's - 1; both zones hold the same rows."""
    mine, theirs = losses(zone, zone.said), losses(zone, champion.said)
    model, rival = zone.per_time(mine), zone.per_time(theirs)
    same = "; every quantile equals the champion's" if np.array_equal(zone.said, champion.said) else ""
    note = f"quantile loss {mine.mean():.5f}, the champion's {theirs.mean():.5f} on {zone.num_rows:,} common rows{same}"
    return Quantity(lambda weights: weights @ model / (weights @ rival) - 1, note)


def placebo(zone: QuantileZone, *, level: float, seed: int) -> Measured:
    """Return the share of time-shifted moves that the medians go with as well as with the real ones."""
    said, came = _centred_ranks(zone)
    undefined = "the medians, or the moves, are all the same"
    return rank_placebo(zone, said, came, level=level, seed=seed, undefined=undefined)


def regimes(zone: QuantileZone, past: QuantileZone) -> Slices:
    """Return the skill in calm, usual and wild rows: thirds of the past volatility."""
    rows = zip(("calm", "usual", "wild"), thirds(zone.predictions.scale), strict=True)
    return slices_of(zone, dict(rows), lambda part: quantile_skill(part, past))


def planted(case: Case[QuantileZone]) -> controls.Control:
    """Return models whose median goes with the move at the last step as much as a small skill does."""
    zone, rho = case.zone, PLANTED_CORRELATION
    came = zone.came[:, -1] / zone.came[:, -1].std()
    place = centred_ranks(came)

    def plant(noise: Array) -> Quantity:
        return spearman(zone, centred_ranks(rho * came + math.sqrt(1 - rho**2) * noise[:, 0]), place)

    line = case.line("median_correlation", 0.0)
    return controls.Control(f"a correlation of {rho:g}", line, plant, zone.median[:, -1:])


QUESTIONS: Questions = {
    "quantile_skill": lambda case, _: case.against_peers(quantile_skill),
    "median_correlation": lambda case, _: case.measure(correlation(case.zone)),
    "hit_rate_lift": lambda case, _: case.measure(hit_rate_lift(case.zone)),
    "quantile_calibration": lambda case, _: case.measure(calibration_error(case.zone)),
    "deflated_skill": lambda case, _: deflation.skill(case, "quantile_skill", quantile_skill),
    "worst_regime": lambda case, _: case.with_past(lambda past: in_the_worst(case, regimes(case.zone, past))),
    "planted_control": lambda case, gate: controls.found(case, gate, planted(case)),
    "export_parity": lambda case, _: case.parity,
    "placebo": lambda case, gate: placebo(case.zone, level=gate.bound, seed=case.config.seed),
    "feature_causality": lambda case, _: case.causality["feature_causality"],
    "answer_causality": lambda case, _: case.causality["answer_causality"],
    "champion_quantile_loss": lambda case, _: case.against_champion(excess_loss),
}
