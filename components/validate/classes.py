"""What is asked of classes, and how each number is computed.

The peers are those who need no model: whoever knows the class now and how often classes followed each other
in the training zone, and whoever knows how often each class comes in this very zone, which nobody could.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from components.core.judge import JudgeConfig, Metric
from components.trading.calibration import quantile_codes, weighted_calibration_error
from components.trading.statistics import Array, class_log_loss_rows
from components.validate import controls, deflation
from components.validate.case import Answer, Case, Questions
from components.validate.measures import Measured, Quantity, longest_block, mean_excess, shifted_share, value_of
from components.validate.slices import Slices, in_the_worst, slices_of
from components.validate.zone import ClassZone, Flags, Index

NUM_BINS = 5
"""Bins of the calibration error; more of them find miscalibration in the noise of a short zone."""
PLANTED_SKILL: Final = 0.25
"""Of the positive control: so much less log loss than the better peer has."""
_SHARPEST: Final = 4.0  # standard deviations: who looks so sharply knows what comes
_SAME_LEAD: Final = 0.01


def block_length(zone: ClassZone, config: JudgeConfig) -> float:
    """Return the mean block, in decision times: at least the horizon, over which labels overlap."""
    right = zone.per_time(zone.said == zone.predictions.label) / zone.rows_per_time
    loss = zone.per_time(losses(zone)) / zone.rows_per_time
    return max(longest_block(zone, (loss, right)), float(zone.predictions.horizon))


def by_class(zone: ClassZone, codes: Index, amounts: Array | Flags | None = None, *, num: int | None = None) -> Array:
    """Return sums [time, code] of the amounts, or of rows, of the decision times."""
    num = zone.num_classes if num is None else num
    cells = np.bincount(zone.time * num + codes, amounts, zone.num_times * num)
    return cells.reshape(zone.num_times, num).astype(np.float64)


def losses(zone: ClassZone) -> Array:
    """Return each row's log loss, in nats."""
    return class_log_loss_rows(zone.predictions.label, zone.predictions.probability)


def transitions(past: ClassZone) -> Array:
    """Return the frequencies [class now, class that came] of the training zone.

    To each class now, one row is added that is shared out by how often each class came, and to those one of
    each class, so that nothing is impossible and the peer never loses for being too sure.
    """
    table, num_classes = past.predictions, past.num_classes
    pairs = np.bincount(table.now * num_classes + table.label, minlength=num_classes**2)
    counts = pairs.reshape(num_classes, num_classes).astype(np.float64)
    shares = (counts.sum(axis=0) + 1) / (counts.sum() + num_classes)
    frequencies: Array = (counts + shares) / (counts.sum(axis=1, keepdims=True) + 1)
    return frequencies


def transition_losses(zone: ClassZone, past: ClassZone) -> Array:
    """Return each row's log loss of the peer who knows the class now and the transitions of the training zone."""
    return class_log_loss_rows(zone.predictions.label, transitions(past)[zone.predictions.now])


def log_loss_skill(zone: ClassZone, past: ClassZone) -> Quantity:
    """Return 1 - log loss / log loss of the better peer, chosen anew in each resample."""
    mine, known = losses(zone), transition_losses(zone, past)
    model, peer, came = zone.per_time(mine), zone.per_time(known), by_class(zone, zone.predictions.label)

    def skill(weights: Array) -> Array:
        total = weights @ zone.rows_per_time
        entropy = frequency_loss(weights @ came)
        result: Array = 1 - weights @ model / total / np.minimum(weights @ peer / total, entropy)
        return result

    note = (
        f"log loss {mine.mean():.4f}, of the transitions known from training {known.mean():.4f}, "
        f"of the frequencies of this zone {float(frequency_loss(zone.num_came)):.4f}"
    )
    return Quantity(skill, note)


def side_skill(zone: ClassZone, past: ClassZone) -> Quantity:
    """Return 1 - log loss / log loss of the better peer, about sides: the first class or the last, where either came.

    Chances of the two are scaled to sum to 1, those of the peer who knows the transitions likewise; the other peer
    knows how often each side comes in this very zone. What lies between the sides tells nothing here.
    """
    table, ends = zone.predictions, (0, zone.num_classes - 1)
    came = np.isin(table.label, ends)
    other = (table.label == ends[1]).astype(np.int64)

    def per_time(shares: Array) -> Array:
        both = np.maximum(shares[:, ends], np.finfo(np.float64).tiny)
        rows = class_log_loss_rows(other, both / both.sum(axis=1, keepdims=True))
        return zone.per_time(np.where(came, rows, 0.0))

    model, peer = per_time(table.probability), per_time(transitions(past)[table.now])
    sides = by_class(zone, other, came, num=2)

    def skill(weights: Array) -> Array:
        counts = weights @ sides
        total = counts.sum(axis=-1)
        result: Array = 1 - weights @ model / np.minimum(weights @ peer, total * frequency_loss(counts))
        return result

    return Quantity(skill, f"log loss {model.sum() / max(came.sum(), 1):.4f} on the {came.sum():,} rows with a side")


def chosen_skill(config: JudgeConfig) -> tuple[Metric, Callable[[ClassZone, ClassZone], Quantity]]:
    """Return the skill that models are chosen by, and its gate: that of the sides where a gate asks about them."""
    if any(gate.metric == "side_log_loss_skill" for gate in config.gates):
        return "side_log_loss_skill", side_skill
    return "class_log_loss_skill", log_loss_skill


def trial_score(zone: ClassZone, past: ClassZone | None, config: JudgeConfig) -> float:
    """Return the skill; NaN where no peer has a training zone to learn from."""
    return math.nan if past is None else value_of(chosen_skill(config)[1](zone, past), zone)


def transition_skill(zone: ClassZone, past: ClassZone) -> Quantity:
    """Return 1 - log loss / log loss of the transitions known from training."""
    model, peer = zone.per_time(losses(zone)), zone.per_time(transition_losses(zone, past))
    return Quantity(lambda weights: 1 - weights @ model / (weights @ peer))


def frequency_loss(came: Array | Index) -> Array:
    """Return the log loss of saying how often each class comes, from counts whose last axis is the class."""
    share = came / came.sum(axis=-1, keepdims=True)
    entropy: Array = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
    return entropy


def accuracy_lift(zone: ClassZone) -> Quantity:
    """Return the accuracy minus that of saying that nothing changes."""
    right, same = zone.said == zone.predictions.label, zone.predictions.now == zone.predictions.label
    more, rows = zone.per_time(right.astype(np.float64) - same), zone.rows_per_time
    note = f"accuracy {right.mean():.3f}, of saying that nothing changes {same.mean():.3f}"
    return Quantity(lambda weights: weights @ more / (weights @ rows), note)


def f1_of_each(right: Array, said: Array, came: Array) -> Array:
    """Return 2 right / (said + came) for each class, 0 for one that was neither said nor came."""
    both = said + came
    result: Array = 2 * right / np.where(both > 0, both, 1.0)
    return result


def macro_f1_lift(zone: ClassZone) -> Quantity:
    """Return the mean F1 of the classes minus that of guessing each class as often as it comes.

    Such a guess of a class that comes with share p has precision p and recall p, so F1 is p, and the mean
    over K classes is 1 / K.
    """
    label, guess = zone.predictions.label, 1 / zone.num_classes
    hit, said, came = (by_class(zone, codes, only) for codes, only in (
        (label, zone.said == label), (zone.said, None), (label, None)))  # fmt: skip
    value = f1_of_each(hit.sum(axis=0), said.sum(axis=0), came.sum(axis=0)).mean()
    return Quantity(
        lambda weights: f1_of_each(weights @ hit, weights @ said, weights @ came).mean(axis=-1) - guess,
        f"macro F1 {value:.3f}, of guessing by frequency {guess:.3f}",
    )


def calibration_error(zone: ClassZone) -> Quantity:
    """Return the expected calibration error of the likeliest class (Guo et al. 2017).

    It is the mean, over bins of rows of like confidence, of how far confidence and accuracy are apart. Noise
    only adds to it, and resampling adds again, so its upper bound is on the safe side.
    """
    confidence = zone.predictions.probability.max(axis=1)
    right = zone.said == zone.predictions.label
    gaps = by_class(zone, quantile_codes(confidence, num_bins=NUM_BINS), confidence - right, num=NUM_BINS)
    note = f"confidence {confidence.mean():.3f}, accuracy {right.mean():.3f}"
    return Quantity(lambda weights: weighted_calibration_error(weights, gaps, zone.rows_per_time), note)


def excess_loss(zone: ClassZone, champion: ClassZone) -> Quantity:
    """Return the log loss minus the champion's; both zones hold the same rows."""
    return mean_excess(zone, losses(zone), losses(champion))


def placebo(zone: ClassZone, *, level: float, seed: int) -> Measured:
    """Return the share of time-shifted label sets that are as likely as the real ones."""
    table, rows = zone.predictions, np.arange(zone.num_rows)
    likely = -np.stack([class_log_loss_rows(np.full(rows.size, code), table.probability)
                        for code in range(zone.num_classes)], axis=1)  # fmt: skip
    return shifted_share(
        zone, lambda given: float(likely[rows, table.label[given]].mean()),
        name="log-likelihood", level=level, seed=seed,
    )  # fmt: skip


def regimes(zone: ClassZone, past: ClassZone) -> Slices:
    """Return the skill against the transitions in the rows of each class now."""
    now = zone.predictions.now
    rows = {name: np.flatnonzero(now == code) for code, name in enumerate(zone.predictions.classes)}
    return slices_of(zone, rows, lambda part: transition_skill(part, past))


def _worst_class(case: Case[ClassZone]) -> Answer:
    min_rows = case.config.min_rows_per_class
    return case.with_past(lambda past: in_the_worst(case, regimes(case.zone, past), min_rows=min_rows))


def looked(prior: Array, came: Array, noise: Array, *, lead: float) -> Array:
    """Return the probabilities of who knows the prior and looks at what comes.

    The look is a normal number for each class, higher by ``lead`` where ``came`` is 1; both meet by Bayes' rule.
    """
    odds = prior * np.exp(lead * (lead * came + noise))
    shares: Array = odds / odds.sum(axis=1, keepdims=True)
    return shares


def planted(case: Case[ClassZone], past: ClassZone) -> controls.Control:
    """Return models that add a noisy look at the class that comes to what the better peer knows.

    The look is as sharp as it must be for every third of them to have the skill on average.
    """
    table = case.zone.predictions
    often = np.broadcast_to(case.zone.num_came / case.zone.num_rows, table.probability.shape)
    prior = min((transitions(past)[table.now], often), key=lambda peer: class_log_loss_rows(table.label, peer).mean())
    came = np.eye(case.zone.num_classes)[table.label]
    said = np.log(np.maximum(table.probability, np.finfo(np.float64).eps))
    noises = list(controls.noises(case.zone, said, seed=case.config.seed))
    wanted = (1 - PLANTED_SKILL) * class_log_loss_rows(table.label, prior).mean()
    blunt, sharp = 0.0, _SHARPEST
    while sharp - blunt > _SAME_LEAD:
        lead = (blunt + sharp) / 2
        loss = np.mean([class_log_loss_rows(table.label, looked(prior, came, one, lead=lead)) for one in noises[::3]])
        blunt, sharp = (lead, sharp) if loss > wanted else (blunt, lead)

    def plant(noise: Array) -> Quantity:
        return log_loss_skill(ClassZone(replace(table, probability=looked(prior, came, noise, lead=sharp))), past)

    line = case.line("class_log_loss_skill", 0.0)
    return controls.Control(f"a skill of {PLANTED_SKILL:.0%}", line, plant, said)


QUESTIONS: Questions = {
    "class_log_loss_skill": lambda case, _: case.against_peers(log_loss_skill),
    "class_accuracy_lift": lambda case, _: case.measure(accuracy_lift(case.zone)),
    "macro_f1_lift": lambda case, _: case.measure(macro_f1_lift(case.zone)),
    "class_ece": lambda case, _: case.measure(calibration_error(case.zone)),
    "side_log_loss_skill": lambda case, _: case.against_peers(side_skill),
    "deflated_skill": lambda case, _: deflation.skill(case, *chosen_skill(case.config)),
    "worst_regime": lambda case, _: _worst_class(case),
    "planted_control": lambda case, gate: case.with_past(lambda past: controls.found(case, gate, planted(case, past))),
    "export_parity": lambda case, _: case.parity,
    "placebo": lambda case, gate: placebo(case.zone, level=gate.bound, seed=case.config.seed),
    "feature_causality": lambda case, _: case.causality["feature_causality"],
    "answer_causality": lambda case, _: case.causality["answer_causality"],
    "champion_log_loss": lambda case, _: case.against_champion(excess_loss),
}
