"""Prediction loss and profit side by side."""

from dataclasses import replace

import numpy as np
import pytest
from report_page import Page

from components.core.judge import CostConfig, JudgeConfig
from components.market.predictions import Predictions
from components.trading.backtest import Book, backtest
from components.validate.judge import judge
from components.validate.loss_profit import loss_profit_correlation, losses_by_time, parts
from components.validate.zone import Zone

FREE = CostConfig(commission=0.0, slippage=0.0)


def traded(probability: list[float], label: list[float], earned: list[float]) -> tuple[Zone, Book]:
    size = len(label)
    table = Predictions(
        ("AAA",), np.zeros(size, dtype=np.int64),
        np.datetime64("2024-01-01", "us") + np.arange(size) * np.timedelta64(1, "D"),
        np.array(probability), np.array(label), np.array(earned), threshold=0.5,
    )  # fmt: skip
    return Zone(table), backtest(table, FREE)


@pytest.mark.promise("S2-57")
def test_the_correlation_by_hand() -> None:
    zone, book = traded([0.8, 0.8, 0.8, 0.8], [1.0, 0.0, 1.0, 0.0], [0.01, -0.01, 0.01, -0.01])
    right, wrong = -np.log(0.8), -np.log(0.2)
    np.testing.assert_allclose(losses_by_time(zone), [right, wrong, right, wrong], rtol=1e-12)
    # Each loss is low where the bar rose; gains differ a little, as the shares are kept: 1, -1.01, 0.9999, -1.009899 %.
    gain = np.array([0.01, -0.0101, 0.009999, -0.01009899])
    np.testing.assert_allclose(book.net, gain, rtol=1e-12)
    away, off = np.array([-1, 1, -1, 1]), gain - gain.mean()
    assert loss_profit_correlation(zone, book) == pytest.approx(away @ off / (2 * np.sqrt(off @ off)), rel=1e-12)


def test_the_mean_loss_of_a_time_counts_every_symbol_once(make_zone) -> None:
    zone = Zone(make_zone(skill=0.3, num_times=30, num_symbols=4))
    table = zone.predictions
    rows = -np.log(np.where(table.label == 1, table.probability, 1 - table.probability))
    np.testing.assert_allclose(losses_by_time(zone), rows.reshape(30, 4).mean(axis=1), rtol=1e-12)


def test_fifths_go_from_low_to_high_loss_and_hold_every_time(make_zone) -> None:
    zone = Zone(make_zone(skill=0.3, num_times=103))
    book = backtest(zone.predictions, FREE)
    found = parts(zone, book)
    assert [part.num_times for part in found] == [21, 21, 21, 20, 20]
    assert sorted(part.loss for part in found) == [part.loss for part in found]
    assert sum(part.num_times * part.net for part in found) == pytest.approx(book.net.sum(), rel=1e-12)


def test_a_book_that_never_trades_has_no_correlation(make_zone) -> None:
    zone = Zone(replace(make_zone(skill=0.3), threshold=1.0))
    assert np.isnan(loss_profit_correlation(zone, backtest(zone.predictions, FREE)))


@pytest.mark.promise("S2-57")
def test_verdict_and_report_show_both_and_how_they_go_together(bench, make_zone) -> None:
    table, bundle = make_zone(skill=0.35), bench.bundle()
    verdict = judge(
        bundle, bench.examples(table), bench.folder / "out", bench.run, config=JudgeConfig(bootstrap_samples=50),
        family=bench.family({bundle.digest: table}), champion=None,
    )  # fmt: skip
    zone, metrics = Zone(table), verdict.metrics
    found = metrics["loss_profit_correlation"].value
    assert found == pytest.approx(loss_profit_correlation(zone, backtest(table, CostConfig())), abs=1e-12)
    assert found < 0 < metrics["log_loss"].value
    text = Page((bench.folder / "out" / "report.html").read_text(encoding="utf-8")).text
    assert f"a correlation of {format(found, '+.3f')}".replace("-", "\N{MINUS SIGN}") in text
