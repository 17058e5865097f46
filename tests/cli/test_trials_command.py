"""``qf trials`` on ledgers and returns made by hand: nothing is trained."""

import io
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from judged import lay_down, make_bundle, make_verdict

from cli.main import qf
from components.core.errors import UsageError
from components.core.files import write_json
from components.core.span import Span
from components.core.trials import Trial, record
from components.core.workspace import Workspace
from components.trading import sharpe
from components.trading.overfitting import cross_validate
from components.trading.statistics import sharpe_ratio
from components.trading.superiority import superior_ability
from components.validate.returns import BARS_PER_YEAR, RETURNS

NUM_TIMES = 250
SPAN = Span("2024-01-01T00:00:00+00:00", "2024-09-06T00:00:00+00:00")
PER_YEAR = 252.5
DAYS = np.datetime64("2024-01-01", "us") + np.arange(NUM_TIMES) * np.timedelta64(1, "D")


def ask(root: Workspace, *arguments: str) -> str:
    result = CliRunner().invoke(qf, ["trials", "price-action", "--root", str(root.root), *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def asked(root: Workspace) -> dict:
    return json.loads(ask(root, "-o", "json"))


def enter(root: Workspace, name: str, net: np.ndarray | None, *, bundle: str = "", **changes: object) -> None:
    """Write a trial down; ``net`` is what it earned at each of the days, none if it says no directions."""
    facts: dict = {
        "kind": "judge", "run_key": f"run-{name}", "bundle": bundle or sha256(name.encode()).hexdigest(),
        "recipe": name * 64, "examples": "e" * 64, "span": SPAN, "num_times": NUM_TIMES, "score": 0.1,
    }  # fmt: skip
    if net is not None:
        file = io.BytesIO()
        table = pa.table({"timestamp": pa.array(DAYS[: net.size], pa.timestamp("us", tz="UTC")), "net": net})
        pq.write_table(table.replace_schema_metadata({BARS_PER_YEAR: str(PER_YEAR)}), file)
        folder = root.run(f"run-{name}")
        folder.mkdir(parents=True)
        (folder / RETURNS).write_bytes(file.getvalue())
        score = sharpe_ratio(net, periods_per_year=1.0)
        facts |= {"returns": sha256(file.getvalue()).hexdigest(), "score": score}
    record(root.trials("price_action", "real"), Trial(**(facts | changes)))


def noise(num: int, *, drift: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [0.01 * rng.standard_normal(NUM_TIMES) + drift * place for place in range(num)]


@pytest.fixture
def root(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "root"))


def test_the_numbers_are_those_of_the_functions(root: Workspace) -> None:
    nets = noise(5, drift=0.0004)
    for name, net in zip("abcde", nets, strict=True):
        enter(root, name, net)
    nets.sort(key=lambda net: -sharpe_ratio(net, periods_per_year=1.0))
    scores = np.array([sharpe_ratio(net, periods_per_year=1.0) for net in nets])
    variance, best = float(scores.var(ddof=1)), sharpe.moments_of(nets[0])
    luck = sharpe.deflated_benchmark(5, variance)
    found = asked(root)
    assert found["luck"] == {
        "num_trials": 5,
        "best_sharpe": pytest.approx(scores[0] * PER_YEAR**0.5),
        "expected_best_sharpe": pytest.approx(luck * PER_YEAR**0.5),
        "deflated_sharpe": sharpe.deflated_sharpe(best, num_trials=5, trial_variance=variance, form="2014"),
        "minimum_track_record": sharpe.minimum_track_record(best, form="2014", benchmark=luck),
        "minimum_backtest_years": sharpe.minimum_backtest_years(5, annual_sharpe=1.0),
    }
    side_by_side = np.stack(nets, axis=1)
    assert found["comparison"] == {
        "num_times": NUM_TIMES,
        "overfitting": cross_validate(side_by_side, num_configs=5, num_blocks=10).probability,
        "superiority": superior_ability(-side_by_side, np.zeros(NUM_TIMES), seed=0).consistent,
    }
    assert found["num_compared"] == 5


def test_the_best_comes_first_and_one_without_a_score_last(root: Workspace) -> None:
    enter(root, "a", None, score=None)
    for name, net in zip("bcd", noise(3, drift=0.002), strict=True):
        enter(root, name, net)
    runs = ["run-d", "run-c", "run-b", "run-a"]
    assert [row["run"] for row in asked(root)["trials"]] == runs
    lines = ask(root).splitlines()
    assert [line.split()[0] for line in lines[3:7]] == runs
    assert "4 trials, 3 with a score" in ask(root)
    assert "the returns of 3 of 4 trials are there and checked" in ask(root)


def test_returns_that_are_gone_or_altered_are_named_and_left_out(root: Workspace) -> None:
    nets = noise(4)
    for name, net in zip("abcd", nets, strict=True):
        enter(root, name, net)
    (root.run("run-a") / RETURNS).unlink()
    path = root.run("run-b") / RETURNS
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = asked(root)
    left_out = {row["run"]: row["left_out"] for row in found["trials"]}
    assert "no such file" in left_out["run-a"]
    assert "altered" in left_out["run-b"]
    assert (left_out["run-c"], left_out["run-d"]) == (None, None)
    rest = np.stack(sorted(nets[2:], key=lambda net: -sharpe_ratio(net, periods_per_year=1.0)), axis=1)
    assert found["comparison"]["overfitting"] == cross_validate(rest, num_configs=2, num_blocks=10).probability
    assert (found["num_compared"], found["luck"]["num_trials"]) == (2, 4)
    assert "left out: run run-a" in ask(root)
    assert "left out: run run-b" in ask(root)


def test_without_the_best_one_s_returns_its_deflated_ratio_is_unknown(root: Workspace) -> None:
    for name, net in zip("abc", noise(3, drift=0.002), strict=True):
        enter(root, name, net)
    (root.run("run-c") / RETURNS).unlink()
    luck = asked(root)["luck"]
    assert (luck["deflated_sharpe"], luck["minimum_track_record"]) == (None, None)
    assert luck["expected_best_sharpe"] > 0
    for name in "ab":
        (root.run(f"run-{name}") / RETURNS).unlink()
    found = asked(root)
    assert (found["luck"]["best_sharpe"], found["luck"]["expected_best_sharpe"]) == (None, None)
    assert found["comparison"] is None


def test_only_common_decision_times_are_compared(root: Workspace) -> None:
    first, second = noise(2)
    enter(root, "a", first)
    enter(root, "b", second[:100], num_times=100)
    assert asked(root)["comparison"]["num_times"] == 100
    enter(root, "c", second[:19], num_times=19)
    assert asked(root)["comparison"] is None
    assert "it takes 2, with 20 decision times in common" in ask(root)


def test_a_best_that_is_not_above_luck_never_has_a_record_long_enough(root: Workspace) -> None:
    alternating = 0.01 * np.where(np.arange(NUM_TIMES) % 2, 1.0, -1.0)
    enter(root, "a", alternating)
    enter(root, "b", alternating - 0.001)
    assert asked(root)["luck"]["minimum_track_record"] is None
    assert "never  the best is not above luck" in ask(root)


def test_trials_on_older_days_are_another_search(root: Workspace) -> None:
    old, new, newer = noise(3)
    enter(root, "a", old, span=Span("2022-01-01", "2022-12-31"))
    enter(root, "b", new)
    enter(root, "c", newer)
    assert {row["run"] for row in asked(root)["trials"]} == {"run-b", "run-c"}


def test_of_a_single_trial_it_says_that_nothing_was_chosen(root: Workspace) -> None:
    enter(root, "a", noise(1)[0])
    assert "1 trial, fewer than 2 with a score" in ask(root)
    found = asked(root)
    assert (found["luck"], found["comparison"]) == (None, None)


def test_of_what_is_not_traded_the_table_and_the_count_are_all(root: Workspace) -> None:
    enter(root, "a", None, score=0.2)
    enter(root, "b", None, score=0.3)
    assert ask(root).splitlines()[-1].startswith("2 trials; ")
    assert asked(root)["luck"] is None


def test_the_verdict_is_shown_once_its_signature_was_checked(root: Workspace, tmp_path: Path) -> None:
    first, second = noise(2)
    for number, (name, net) in enumerate((("a", first), ("b", second))):
        bundle = make_bundle(tmp_path / name, number)
        enter(root, name, net, bundle=bundle.digest)
        folder = lay_down(tmp_path / f"verdict-{name}", make_verdict(bundle, "real"), root)
        write_json(root.run(f"run-{name}") / "validate.json", {"folder": str(folder)})
    enter(root, "c", None, run_key="run-a")  # which judged another bundle since
    path = tmp_path / "verdict-b" / "verdict.json"
    path.write_text(path.read_text().replace('"because"', '"why not"'))
    rows = {row["recipe"][0]: row for row in asked(root)["trials"]}
    assert (rows["a"]["verdict"], rows["a"]["created"]) == ("pass", "2026-01-05T12:00:00+00:00")
    assert (rows["b"]["verdict"], rows["c"]["verdict"], rows["c"]["unverified"]) == (None, None, None)
    assert "signature does not fit" in rows["b"]["unverified"]
    assert "not to be believed: run run-b" in ask(root)


def test_an_empty_ledger_and_an_unknown_dataset_are_refused_in_words(root: Workspace) -> None:
    with pytest.raises(UsageError, match="no trial yet"):
        ask(root)
    enter(root, "a", noise(1)[0])
    with pytest.raises(UsageError, match="never tried on 'other'"):
        ask(root, "--dataset", "other")


def test_arch_is_not_imported_before_it_is_needed(top: Path) -> None:
    program = "import sys, cli.trials; print('arch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=top, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
