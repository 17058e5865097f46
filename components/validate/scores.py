"""What is asked of scores, and how each number is computed.

The peers are those who need no model: whoever says that nothing changes, whoever draws the straight line of the
training zone from the score now to the score that came, and whoever says the mean of this very zone.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from components.core.judge import JudgeConfig
from components.trading.statistics import Array
from components.validate import controls, deflation
from components.validate.case import Case, Questions
from components.validate.measures import Measured, Quantity, longest_block, mean_of, value_of
from components.validate.rank_correlation import centred_ranks, rank_placebo, spearman
from components.validate.slices import Slices, in_the_worst, slices_of, thirds
from components.validate.zone import ScoreZone

PLANTED_SKILL: Final = 0.25
"""Of the positive control: so much less squared error than the best peer has."""


def block_length(zone: ScoreZone, config: JudgeConfig) -> float:
    """Return the mean block, in decision times: at least the horizon, over which labels overlap."""
    said, came = _centred_ranks(zone)
    series = (squared_errors(zone), said * came, zone.predictions.error)
    per_time = [zone.per_time(rows) / zone.rows_per_time for rows in series]
    return max(longest_block(zone, per_time), float(zone.predictions.horizon))


def squared_errors(zone: ScoreZone) -> Array:
    """Return each row's squared error."""
    return (zone.predictions.score - zone.predictions.label) ** 2


def line(past: ScoreZone) -> tuple[float, float]:
    """Return level and slope of the least-squares line from the score now to the score that came."""
    now, came = past.predictions.now, past.predictions.label
    away = now - now.mean()
    spread = float(away @ away)
    slope = float(away @ came) / spread if spread > 0 else 0.0
    return float(came.mean()) - slope * float(now.mean()), slope


def peer_errors(zone: ScoreZone, past: ScoreZone) -> tuple[Array, Array]:
    """Return each row's squared error of saying that nothing changes, and of the training zone's line."""
    table, (level, slope) = zone.predictions, line(past)
    return (table.now - table.label) ** 2, (level + slope * table.now - table.label) ** 2


def error_skill(zone: ScoreZone, past: ScoreZone) -> Quantity:
    """Return 1 - mean squared error / that of the best peer, chosen anew in each resample."""
    label, errors = zone.predictions.label, (squared_errors(zone), *peer_errors(zone, past))
    mine, same, known = (zone.per_time(rows) for rows in errors)
    total, squares, rows = zone.per_time(label), zone.per_time(label**2), zone.rows_per_time

    def skill(weights: Array) -> Array:
        num = weights @ rows
        mean = weights @ total / num
        around = weights @ squares / num - mean**2
        result: Array = 1 - weights @ mine / num / np.minimum(np.minimum(weights @ same, weights @ known) / num, around)
        return result

    words = [f"{part.mean():.5f}" for part in errors]
    note = (
        f"squared error {words[0]}, of no change {words[1]}, of the line from training {words[2]}, "
        f"of the mean of this zone {label.var():.5f}"
    )
    return Quantity(skill, note)


def trial_score(zone: ScoreZone, past: ScoreZone | None, _: object) -> float:
    """Return the skill; NaN where no peer has a training zone to learn from."""
    return math.nan if past is None else value_of(error_skill(zone, past), zone)


def _centred_ranks(zone: ScoreZone) -> tuple[Array, Array]:
    return centred_ranks(zone.predictions.score), centred_ranks(zone.predictions.label)


def correlation(zone: ScoreZone) -> Quantity:
    """Return Spearman's rank correlation of the score said and the score that came, over all rows together."""
    return spearman(zone, *_centred_ranks(zone))


def reconstruction(zone: ScoreZone) -> Quantity:
    """Return the mean squared error of the reconstruction; 1 is that of always giving the training mean."""
    return mean_of(zone, zone.predictions.error)


def excess_error(zone: ScoreZone, champion: ScoreZone) -> Quantity:
    """Return the mean squared error / the champion's - 1; both zones hold the same rows."""
    mine, theirs = squared_errors(zone), squared_errors(champion)
    model, rival = zone.per_time(mine), zone.per_time(theirs)
    same = "; every score equals the champion's" if np.array_equal(mine, theirs) else ""
    note = f"squared error {mine.mean():.5f}, the champion's {theirs.mean():.5f} on {zone.num_rows:,} common rows{same}"
    return Quantity(lambda weights: weights @ model / (weights @ rival) - 1, note)


def placebo(zone: ScoreZone, *, level: float, seed: int) -> Measured:
    """Return the share of time-shifted label sets that the scores go with as well as with the real ones."""
    said, came = _centred_ranks(zone)
    undefined = "the scores, or those that came, are all the same"
    return rank_placebo(zone, said, came, level=level, seed=seed, undefined=undefined)


def regimes(zone: ScoreZone, past: ScoreZone) -> Slices:
    """Return the skill in the thirds of the score now."""
    rows = zip(("low", "middle", "high"), thirds(zone.predictions.now), strict=True)
    return slices_of(zone, dict(rows), lambda part: error_skill(part, past))


def planted(case: Case[ScoreZone], past: ScoreZone) -> controls.Control:
    """Return models that add a noisy look at its error to what the best peer says.

    With noise whose variance is (1 - s) / s times that of the error e, the best guess of e is s (e + noise); of the
    squared error (1 - s) is left, so the skill is s.
    """
    table, (level, slope) = case.zone.predictions, line(past)
    peers = (table.now, level + slope * table.now, np.full(table.label.size, table.label.mean()))
    best = min(peers, key=lambda peer: float(((table.label - peer) ** 2).mean()))
    error = table.label - best
    size = math.sqrt(float((error**2).mean()) * (1 - PLANTED_SKILL) / PLANTED_SKILL)

    def plant(noise: Array) -> Quantity:
        said = best + PLANTED_SKILL * (error + size * noise[:, 0])
        return error_skill(ScoreZone(replace(table, score=said)), past)

    asked = case.line("score_error_skill", 0.0)
    return controls.Control(f"a skill of {PLANTED_SKILL:.0%}", asked, plant, table.score[:, None])


QUESTIONS: Questions = {
    "score_error_skill": lambda case, _: case.against_peers(error_skill),
    "score_correlation": lambda case, _: case.measure(correlation(case.zone)),
    "reconstruction_mse": lambda case, _: case.measure(reconstruction(case.zone)),
    "deflated_skill": lambda case, _: deflation.skill(case, "score_error_skill", error_skill),
    "worst_regime": lambda case, _: case.with_past(lambda past: in_the_worst(case, regimes(case.zone, past))),
    "planted_control": lambda case, gate: case.with_past(lambda past: controls.found(case, gate, planted(case, past))),
    "export_parity": lambda case, _: case.parity,
    "placebo": lambda case, gate: placebo(case.zone, level=gate.bound, seed=case.config.seed),
    "feature_causality": lambda case, _: case.causality["feature_causality"],
    "answer_causality": lambda case, _: case.causality["answer_causality"],
    "champion_score_error": lambda case, _: case.against_champion(excess_error),
}
