import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    mean_absolute_error,
    precision_score,
    recall_score,
)

from components.core.judge import CostConfig
from components.trading.backtest import backtest, hold
from components.trading.statistics import auc
from components.validate.metrics import confusion, measure, reliability, roc
from components.validate.zone import Zone


def test_classification_agrees_with_scikit_learn(make_zone) -> None:
    predictions = make_zone(skill=0.2, threshold=0.52)
    said, label = predictions.probability >= 0.52, predictions.label
    found = confusion(Zone(predictions))
    np.testing.assert_array_equal(
        confusion_matrix(label, said),
        [[found.true_negative, found.false_positive], [found.false_negative, found.true_positive]],
    )
    for name, reference in (
        ("accuracy", accuracy_score), ("precision", precision_score), ("recall", recall_score), ("f1", f1_score),
    ):  # fmt: skip
        assert getattr(found, name) == pytest.approx(reference(label, said), abs=1e-12)


def test_reliability_bins_hold_every_row_once(make_zone) -> None:
    predictions = make_zone(skill=0.3)
    bins = reliability(Zone(predictions))
    assert sum(item.num_rows for item in bins) == predictions.label.size
    rose = sum(item.share * item.num_rows for item in bins)
    assert rose == pytest.approx(predictions.label.sum(), abs=1e-9)
    assert [item.probability for item in bins] == sorted(item.probability for item in bins)


def test_every_metric_carries_its_zone_and_an_undefined_one_is_null(make_zone) -> None:
    zone = Zone(make_zone(skill=0.3, threshold=1.1))  # never says up
    costs = CostConfig()
    books = backtest(zone.predictions, costs), hold(zone.predictions, costs)
    metrics = measure(zone, *books, name="test", bars_per_year=252.0, usable=True)
    assert {item.zone for item in metrics.values()} == {"test"}
    assert metrics["precision"].value is None
    assert metrics["signals"].value == 0
    assert metrics["hold_sharpe"].value is not None


def test_the_roc_curve_by_hand_says_equal_probabilities_together(make_zone) -> None:
    predictions = make_zone(skill=0.3, num_times=4, num_symbols=1)
    predictions.probability[:] = [0.8, 0.3, 0.9, 0.8]
    predictions.label[:] = [1, 0, 1, 0]
    found = roc(Zone(predictions))
    assert found["fpr"] == [0.0, 0.0, 0.5, 1.0]
    assert found["tpr"] == [0.0, 0.5, 1.0, 1.0]
    assert found["threshold"][1:] == [0.9, 0.8, 0.3]
    assert found["threshold"][0] > 1


def test_the_area_below_the_roc_curve_is_the_auc(make_zone) -> None:
    predictions = make_zone(skill=0.3)
    whole, thin = (roc(Zone(predictions), max_points=num) for num in (10_000, 101))
    expected = auc(predictions.label, predictions.probability)
    assert np.trapezoid(whole["tpr"], whole["fpr"]) == pytest.approx(expected, abs=1e-12)
    assert np.trapezoid(thin["tpr"], thin["fpr"]) == pytest.approx(expected, abs=2e-3)
    assert len(thin["fpr"]) == 101


def test_one_label_alone_has_no_roc_curve(make_zone) -> None:
    predictions = make_zone(skill=0.3)
    predictions.label[:] = 1
    assert roc(Zone(predictions)) == {"fpr": [], "tpr": [], "threshold": []}


@pytest.mark.promise("S4-45")
@pytest.mark.promise("S4-90")
def test_the_published_metrics_are_all_measured(make_zone) -> None:
    zone = Zone(make_zone(skill=0.3))
    label, probability = zone.predictions.label, zone.predictions.probability
    books = backtest(zone.predictions, CostConfig()), hold(zone.predictions, CostConfig())
    metrics = measure(zone, *books, name="test", bars_per_year=252.0, usable=True)
    found = {name: item.value for name, item in metrics.items()}
    assert found["mse"] == pytest.approx(brier_score_loss(label, probability), abs=1e-12)
    assert found["mae"] == pytest.approx(mean_absolute_error(label, probability), abs=1e-12)
    assert found["accuracy"] == pytest.approx(accuracy_score(label, probability >= 0.5), abs=1e-12)
    net = books[0].net
    assert found["sharpe"] == pytest.approx(net.mean() / net.std(ddof=1) * np.sqrt(252), abs=1e-12)
    assert found["sortino"] == pytest.approx(
        net.mean() / np.sqrt((np.minimum(net, 0) ** 2).mean()) * np.sqrt(252), abs=1e-12
    )
    yearly = (1 + net.sum()) ** (252 / net.size) - 1
    assert found["calmar"] == pytest.approx(yearly / -found["max_drawdown"], abs=1e-12)
    assert {"precision", "recall", "f1"} <= {name for name, value in found.items() if value is not None}
