"""TensorBoard shows each step once, under the published names."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.learning.events import EVAL_LOSS, TRAIN_LOSS, Events, profit_values


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in EventAccumulator(str(folder)).Reload().Scalars(tag)]


def test_a_resumed_run_shows_each_step_once(tmp_path: Path) -> None:
    killed = Events(tmp_path, first_step=1)
    for step in (1, 2, 3, 4):
        killed.write(step, {"train/loss": step, "eval/loss": 10 + step})
    resumed = Events(tmp_path, first_step=3)  # the newest checkpoint was that of step 2
    for step in (3, 4, 5):
        resumed.write(step, {TRAIN_LOSS: 100 + step, EVAL_LOSS: 200 + step})
    assert points(tmp_path, "train/loss") == [(1, 1), (2, 2), (3, 103), (4, 104), (5, 105)]
    assert points(tmp_path, "eval/loss") == [(1, 11), (2, 12), (3, 203), (4, 204), (5, 205)]
    resumed.close()
    killed.close()


def test_twenty_interruptions_within_a_second_lose_and_double_no_step(tmp_path: Path) -> None:
    for step in range(1, 21):
        events = Events(tmp_path, first_step=step)
        events.write(step, {TRAIN_LOSS: step})
        events.write(step + 1, {TRAIN_LOSS: -1.0})  # never reached a checkpoint
    last = Events(tmp_path, first_step=21)
    assert points(tmp_path, TRAIN_LOSS) == [(step, float(step)) for step in range(1, 21)]
    last.close()


def test_half_a_record_of_a_killed_writer_is_dropped(tmp_path: Path) -> None:
    events = Events(tmp_path, first_step=1)
    events.write(1, {TRAIN_LOSS: 0.5})
    events.write(2, {TRAIN_LOSS: 0.25})
    events.close()
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    resumed = Events(tmp_path, first_step=2)
    resumed.write(2, {TRAIN_LOSS: 0.75})
    resumed.close()
    assert points(tmp_path, TRAIN_LOSS) == [(1, 0.5), (2, 0.75)]


def test_profit_has_its_published_tags(tmp_path: Path) -> None:
    events = Events(tmp_path, first_step=1)
    for step, money in enumerate((0.0, 120.0, 80.0), start=1):
        values = profit_values(
            total_return=money / 10_000, sharpe_ratio=1.5, win_rate=0.5, max_drawdown=-0.25, num_trades=4,
            profit_and_loss=money,
        )  # fmt: skip
        events.write(step, values)
    events.close()
    assert points(tmp_path, "profit/pnl") == [(1, 0.0), (2, 120.0), (3, 80.0)]
    assert [value for _, value in points(tmp_path, "profit/total_return")] == pytest.approx([0.0, 0.012, 0.008])
    last = {tag: points(tmp_path, f"profit/{tag}")[-1][1] for tag in ("sharpe_ratio", "win_rate", "max_drawdown")}
    assert last == {"sharpe_ratio": 1.5, "win_rate": 0.5, "max_drawdown": -0.25}
    assert points(tmp_path, "profit/num_trades")[-1] == (3, 4.0)
