"""The paper account by weights: the backtest's book, one bar at a time, with a ledger that a kill does not change."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import ArtifactError, UsageError
from components.core.files import canonical_json
from components.core.judge import CostConfig
from components.market.predictions import AllocationPredictions
from components.trading.allocation import trade_allocations
from components.trading.candles import Candles
from components.trading.paper_ledger import PaperLedger
from components.trading.paper_replay import Feed, replay, resumed
from components.trading.paper_weights import WeightedAccount

COSTS = CostConfig()
MONDAY, TUESDAY = (np.datetime64(day, "us") for day in ("2024-01-01", "2024-01-02"))


def made(seed: int, num_bars: int, num_symbols: int) -> tuple[Feed, AllocationPredictions]:
    """Return a feed and the same as a table: decisions at each close but the last two, whose returns are known."""
    rng = np.random.default_rng(seed)
    opens = 50 * np.cumprod(1 + 0.03 * rng.standard_normal((num_symbols, num_bars)), axis=1)
    times = MONDAY + np.arange(num_bars) * np.timedelta64(1, "D")
    names = tuple(f"SYM{code}" for code in range(num_symbols))
    weight = rng.uniform(-1, 1, (num_bars, num_symbols)) / num_symbols
    weight[rng.random(weight.shape) < 0.2] = 0.0
    candles = Candles(names, times, open=opens, high=opens, low=opens, close=opens)
    feed = Feed(candles, [dict(zip(names, row.tolist(), strict=True)) for row in weight])
    known, forward = weight[:-2], (opens[:, 2:] / opens[:, 1:-1] - 1).T
    time, symbol = (axis.ravel() for axis in np.indices(known.shape))
    rows = (known.ravel(), np.zeros(known.size), np.zeros(known.size), forward.ravel())
    return feed, AllocationPredictions(names, symbol, times[time], known.ravel(), *rows)


def account(feed: Feed) -> WeightedAccount:
    return WeightedAccount.start(feed.candles.symbols, capital=10_000.0, costs=COSTS)


@pytest.mark.promise("S2-60")
@given(st.integers(0, 10_000), st.integers(4, 30), st.integers(1, 5))
def test_the_ledger_is_the_book_of_the_backtest(
    tmp_path_factory: pytest.TempPathFactory, seed: int, num_bars: int, num_symbols: int
) -> None:
    feed, table = made(seed, num_bars, num_symbols)
    book, ledger = trade_allocations(table, COSTS), PaperLedger.open(tmp_path_factory.mktemp("book") / "ledger.jsonl")
    replay(feed, account(feed), ledger)
    equity = np.array([entry["equity"] for entry in ledger.entries])
    last_sale = COSTS.per_side * np.abs(table.weight[-num_symbols:] * (1 + table.forward_return[-num_symbols:])).sum()
    expected = book.equity[1:].copy()
    expected[-1] += last_sale  # the book is closed there, the account goes on
    np.testing.assert_allclose(equity[2:] / 10_000, expected, atol=1e-9)
    fees = sum(fill["fee"] for entry in ledger.entries[1:-1] for fill in entry["fills"])
    assert fees / 10_000 == pytest.approx(COSTS.per_side * book.turnover.sum() - last_sale, abs=1e-9)
    ledger.close()


CHILD = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from components.trading.paper_ledger import PaperLedger
from components.trading.paper_replay import replay, resumed
from test_paper_weights import account, made
feed, _ = made(int(sys.argv[2]), 400, 5)
ledger = PaperLedger.open(Path(sys.argv[1]))
replay(feed, resumed(ledger, {"model": "m"}, account(feed), Path(sys.argv[1])), ledger)
"""


@pytest.mark.promise("S2-60")
def test_killed_in_the_middle_the_ledger_ends_in_the_same_bytes(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")  # noqa: T201 - a fault test says how to repeat it
    rng = np.random.default_rng(seed)
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"

    def start(path: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", CHILD, str(path), "7", str(Path(__file__).parent)])

    assert start(whole).wait() == 0
    size, num_kills = whole.stat().st_size, 0
    for share in sorted(rng.uniform(0.05, 0.9, 3)):
        child = start(killed)
        while child.poll() is None and (not killed.exists() or killed.stat().st_size < share * size):
            time.sleep(0.001)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.wait()
            num_kills += 1
    assert num_kills
    with killed.open("ab") as file:  # what a kill in the middle of a line leaves
        file.write(b'{"account":{"cas')
    assert start(killed).wait() == 0
    assert killed.read_bytes() == whole.read_bytes()


def test_orders_fill_at_the_next_open_and_pay_by_hand() -> None:
    begun = WeightedAccount.start(["A", "B"], capital=1000.0, costs=CostConfig(commission=0.001, slippage=0.0005))
    first, fills = begun.decide(MONDAY, {"A": 0.5, "B": -0.25}).fill({"A": 50.0, "B": 5.0})
    assert first.shares == {"A": 10.0, "B": -50.0}
    assert [fill.quantity for fill in fills] == [10.0, -50.0]
    assert first.cash == pytest.approx(1000 - 500 + 250 - 0.75 - 0.375)
    second, fills = first.decide(TUESDAY, {"A": 0.5}).fill({"A": 100.0})  # B has no open and stays as it is
    assert second.shares == {"A": 5.0, "B": -50.0}
    assert second.equity({"A": 100.0}) == pytest.approx(1000 + 500 - 1.125 - 0.75)
    assert [fill.fee for fill in fills] == [pytest.approx(0.75)]


def test_a_ledger_of_another_model_and_an_altered_one_are_refused(tmp_path: Path) -> None:
    feed, _ = made(1, 6, 2)
    path = tmp_path / "ledger.jsonl"
    ledger = PaperLedger.open(path)
    replay(feed, resumed(ledger, {"model": "m"}, account(feed), path), ledger)
    ledger.close()
    with closing(PaperLedger.open(path)) as again, pytest.raises(UsageError, match="begun with another model"):
        resumed(again, {"model": "other"}, account(feed), path)
    lines = path.read_text().splitlines()
    entry = json.loads(lines[3]) | {"equity": 1e9}
    path.write_text("\n".join([*lines[:3], canonical_json(entry), *lines[4:]]) + "\n")
    with pytest.raises(ArtifactError, match="line 5 does not follow"):
        PaperLedger.open(path)
    path.write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    with pytest.raises(ArtifactError, match="line 3 does not follow"):
        PaperLedger.open(path)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="is no price"):
        WeightedAccount.start(["A"], capital=100.0, costs=COSTS).decide(MONDAY, {"A": 1.0}).fill({"A": price})


@pytest.mark.parametrize(
    ("weights", "words"),
    [({"Z": 0.1}, "Z: not in this account"), ({"A": 1.1}, "more than the capital"), ({"A": float("nan")}, "more than")],
)
def test_weights_that_cannot_be_held_are_refused(weights: dict[str, float], words: str) -> None:
    fresh = WeightedAccount.start(["A"], capital=100.0, costs=COSTS)
    with pytest.raises(ValueError, match=words):
        fresh.decide(MONDAY, weights)
    with pytest.raises(ValueError, match="decided already"):
        fresh.decide(TUESDAY, {}).decide(MONDAY, {})
