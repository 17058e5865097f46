"""Metrics against scikit-learn; selection, lines and advice by hand."""

import math

import numpy as np
import pytest
from sklearn import metrics

from components.families.price_action.evaluate import (
    Best,
    Score,
    advice,
    candidate,
    epoch_line,
    new_best_line,
    score,
    wins,
)
from components.trading.confusion import Confusion


@pytest.mark.promise("S3-28")
@pytest.mark.promise("S3-29")
@pytest.mark.promise("S3-30")
@pytest.mark.promise("S3-31")
@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_odds = rng.standard_normal(200)
    labels = (log_odds + rng.standard_normal(200) > 0.5).astype(np.float64)
    found, said = score(log_odds, labels).metrics(), log_odds > 0
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, said), abs=1e-15)
    assert found["precision"] == pytest.approx(metrics.precision_score(labels, said), abs=1e-15)
    assert found["recall"] == pytest.approx(metrics.recall_score(labels, said), abs=1e-15)
    assert found["f1"] == pytest.approx(metrics.f1_score(labels, said), abs=1e-15)
    assert found["loss"] == pytest.approx(metrics.log_loss(labels, 1 / (1 + np.exp(-log_odds))), abs=1e-12)


def test_counts_by_hand_and_their_sum() -> None:
    said, was = np.array([True, True, False, False, True]), np.array([True, False, False, True, True])
    counts = Confusion.of(said, was)
    assert counts == Confusion(2, 1, 1, 1)
    assert counts + counts == Confusion(4, 2, 2, 2)
    assert (counts.accuracy, counts.precision, counts.recall, counts.f1) == (3 / 5, 2 / 3, 2 / 3, 2 / 3)


def test_without_a_signal_precision_is_undefined_and_the_history_counts_it_as_zero() -> None:
    counts = Confusion.of(np.zeros(3, dtype=bool), np.ones(3, dtype=bool))
    assert math.isnan(counts.precision)
    assert (counts.recall, counts.f1) == (0.0, 0.0)
    assert Score(0.7, counts).metrics() == {"loss": 0.7, "accuracy": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}


@pytest.mark.promise("S3-32")
def test_the_more_precise_epoch_wins_within_the_tolerance() -> None:
    chosen = Best(epoch=1, loss=0.600, precision_bound=0.50)
    precise = Best(epoch=2, loss=0.605, precision_bound=0.60)
    assert wins(precise, chosen, lowest=0.600, tolerance=0.01)
    assert not wins(precise, chosen, lowest=0.600, tolerance=0.001)
    lower = Best(epoch=3, loss=0.590, precision_bound=0.10)
    assert wins(lower, chosen, lowest=0.590, tolerance=0.001)
    assert not wins(lower, chosen, lowest=0.590, tolerance=0.05)


@pytest.mark.promise("S3-32")
def test_three_lucky_hits_do_not_beat_sixty_of_eighty() -> None:
    lucky = candidate(1, Score(0.6, Confusion(3, 0, 100, 50)), confidence=0.95)
    solid = candidate(2, Score(0.6, Confusion(60, 20, 50, 23)), confidence=0.95)
    assert solid.precision_bound > lucky.precision_bound


@pytest.mark.promise("S3-26")
def test_epoch_line() -> None:
    train, validation = Score(0.69124, Confusion(51, 49, 2, 0)), Score(0.689, Confusion(1, 1, 1, 0))
    assert epoch_line(3, 100, train, validation) == (
        "epoch 3/100  train loss 0.6912 acc 0.520 F1 0.68  val loss 0.6890 acc 0.667 F1 0.67"
    )


@pytest.mark.promise("S3-27")
def test_new_best_line() -> None:
    line = new_best_line(Best(epoch=3, loss=0.68901, precision_bound=0.5), precision=0.5512)
    assert line == "new best: epoch 3, val loss 0.6890, precision 0.551"


def history(train: list[float], validation: list[float], f1: float) -> dict[str, list[float]]:
    return {"train_loss": train, "val_loss": validation, "val_f1": [f1] * len(train)}


@pytest.mark.promise("S3-41")
def test_low_f1_advises_a_wider_network_or_a_smaller_step() -> None:
    (line,) = advice(history([0.7, 0.69], [0.7, 0.69], f1=0.21), best_epoch=2)
    assert "0.21" in line
    assert "model.d_model=256" in line
    assert "model.layers=4" in line
    assert "train.lr=0.0005" in line


@pytest.mark.promise("S3-42")
def test_overfitting_advises_dropout_and_decay() -> None:
    (line,) = advice(history([0.6, 0.5, 0.3], [0.6, 0.65, 0.8], f1=0.6), best_epoch=1)
    assert "model.dropout=0.2" in line
    assert "train.weight_decay=0.05" in line


def test_a_healthy_training_needs_no_advice() -> None:
    assert advice(history([0.6, 0.5], [0.6, 0.55], f1=0.6), best_epoch=2) == []
