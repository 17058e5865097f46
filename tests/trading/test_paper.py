import json
from pathlib import Path

import numpy as np
import pytest

from components.core.errors import ArtifactError
from components.core.judge import CostConfig
from components.market.predictions import Predictions
from components.trading.backtest import backtest
from components.trading.paper import PaperAccount, replay

COSTS = CostConfig(commission=0.001, slippage=0.0005)
MONDAY, TUESDAY = (np.datetime64(day, "us") for day in ("2024-01-01", "2024-01-02"))


def zone(*, num_times: int = 40, num_symbols: int = 5, seed: int = 4) -> Predictions:
    """A ragged zone: some rows are missing, some forward returns unknown."""
    rng = np.random.default_rng(seed)
    kept = rng.random((num_times, num_symbols)) > 0.1
    time, symbol = np.nonzero(kept)
    forward_return = rng.normal(0.0, 0.02, time.size)
    forward_return[rng.random(time.size) < 0.05] = np.nan
    return Predictions(
        symbols=tuple(f"SYM{code}" for code in range(num_symbols)),
        symbol=symbol,
        timestamp=MONDAY + time * np.timedelta64(1, "D"),
        probability=rng.random(time.size),
        label=(forward_return > 0).astype(np.float64),
        forward_return=forward_return,
        threshold=0.45,
    )


def account(predictions: Predictions, capital: float = 100_000.0) -> PaperAccount:
    return PaperAccount.start(predictions.symbols, capital=capital, costs=COSTS)


@pytest.mark.promise("S3-46")
@pytest.mark.parametrize("seed", range(5))
def test_predictions_backtest_and_paper_account_agree(seed: int) -> None:
    predictions = zone(seed=seed)
    book = backtest(predictions, COSTS)
    closed, equity = replay(account(predictions), predictions)
    np.testing.assert_allclose(equity / 100_000.0, book.equity[1:], rtol=0, atol=1e-9)
    assert closed.shares == {}
    assert closed.cash == pytest.approx(equity[-1], abs=1e-9)
    assert closed.fees / 100_000.0 == pytest.approx(COSTS.per_side * book.turnover.sum(), abs=1e-9)
    assert closed.num_fills == 2 * book.num_trades


def test_orders_fill_at_the_next_open_and_pay_by_hand() -> None:
    first = PaperAccount.start(["A", "B"], capital=1000.0, costs=COSTS).decide(MONDAY, ["A"]).fill({"A": 50.0, "B": 9})
    assert first.shares == {"A": 10.0}
    assert first.cash == pytest.approx(1000 - 500 - 0.75, abs=1e-12)
    assert first.equity({"A": 55.0}) == pytest.approx(1000 + 50 - 0.75, abs=1e-12)
    second = first.decide(TUESDAY, []).fill({"A": 60.0})
    assert second.shares == {}
    assert second.cash == pytest.approx(499.25 + 600 - 0.9, abs=1e-12)


def test_an_order_without_an_open_waits() -> None:
    waiting = PaperAccount.start(["A"], capital=100.0, costs=COSTS).decide(MONDAY, ["A"]).fill({})
    assert waiting.shares == {}
    assert waiting.fill({"A": 4.0}).shares == {"A": 25.0}


def test_a_holding_without_an_open_is_marked_at_the_last_one() -> None:
    held = PaperAccount.start(["A"], capital=100.0, costs=COSTS).decide(MONDAY, ["A"]).fill({"A": 4.0})
    assert held.equity({}) == pytest.approx(100 - 0.15, abs=1e-12)


def test_a_killed_replay_goes_on_from_its_saved_state(tmp_path: Path) -> None:
    predictions, state = zone(), tmp_path / "account.json"
    whole, equity = replay(account(predictions), predictions)
    cut = predictions.timestamp < MONDAY + np.timedelta64(17, "D")
    columns = ("symbol", "timestamp", "probability", "label", "forward_return")
    early = Predictions(
        symbols=predictions.symbols,
        threshold=predictions.threshold,
        **{name: getattr(predictions, name)[cut] for name in columns},
    )
    trading = account(predictions)
    for day in range(16):  # a killed process never sells at the end: stop before the early zone does
        bar = MONDAY + day * np.timedelta64(1, "D")
        rows = early.timestamp == bar
        known = np.isfinite(early.forward_return)
        wanted = early.symbol[rows & known & (early.probability >= early.threshold)]
        index = [
            np.prod(1 + early.forward_return[(early.symbol == code) & known & (early.timestamp < bar)])
            for code in range(5)
        ]
        opens = {name: float(price) for name, price in zip(early.symbols, index, strict=True)}
        trading = trading.decide(bar, [early.symbols[code] for code in wanted]).fill(opens)
    trading.save(state)
    resumed, rest = replay(PaperAccount.load(state), predictions, state=state)
    np.testing.assert_allclose(rest, equity[16:], rtol=0, atol=1e-6)
    assert PaperAccount.load(state) == resumed
    assert resumed.num_fills == whole.num_fills


def test_a_bar_is_decided_once() -> None:
    decided = PaperAccount.start(["A"], capital=100.0, costs=COSTS).decide(TUESDAY, ["A"])
    with pytest.raises(ValueError, match="decided already"):
        decided.decide(TUESDAY, [])


def test_a_stranger_has_no_slot() -> None:
    with pytest.raises(ValueError, match="ZZZ: no slot"):
        PaperAccount.start(["A"], capital=100.0, costs=COSTS).decide(MONDAY, ["ZZZ"])


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="is no price"):
        PaperAccount.start(["A"], capital=100.0, costs=COSTS).fill({"A": price})


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    account(zone()).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "cash": "lots"}))
    with pytest.raises(ArtifactError, match="cash"):
        PaperAccount.load(path)
