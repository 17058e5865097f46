"""What a forecaster said is kept: through kills, beside other processes, and not a bit longer than it is sound."""

import logging
from pathlib import Path

import numpy as np
import pytest
from forecast_market import ASOF, Momentum, run_in, write_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import InterruptedRunError
from components.features.forecast_memory import KEPT_TOGETHER, Floats, ForecastMemory, Window
from components.features.forecasting import LEAST_BARS, Remembered, made_of, panel_forecasts
from components.features.forecasts import write_forecasts

LOG = logging.getLogger("forecast")


def answers(memory: ForecastMemory) -> dict[bytes, list[float]]:
    return {window: said.tolist() for window, said in memory.known.items()}


def fill(memory: ForecastMemory, first: int, count: int) -> dict[bytes, list[float]]:
    """Keep answers that their number tells."""
    said = {number.to_bytes(16): np.array([number / 3, -number / 7]) for number in range(first, first + count)}
    for window, value in said.items():
        memory.keep(window, value)
    return {window: value.tolist() for window, value in said.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["keep 100", "keep 300", "killed", "saved", "merged"]), max_size=12))
def test_a_kill_costs_no_more_than_the_answers_of_one_file(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("memory")
    memory, said, at = ForecastMemory(folder, LOG), {}, 0
    for act in acts:
        if act.startswith("keep"):
            count = int(act.split()[1])
            said |= fill(memory, at, count)
            at += count
        elif act == "killed":
            known, memory = answers(memory), ForecastMemory(folder, LOG)
            lost = known.keys() - memory.known.keys()
            assert len(lost) < KEPT_TOGETHER
            said = {window: value for window, value in said.items() if window not in lost}
        else:
            memory.save() if act == "saved" else memory.merge()
            assert answers(ForecastMemory(folder, LOG)) == said
    memory.merge()
    assert answers(ForecastMemory(folder, LOG)) == answers(memory) == said
    assert len(list(folder.iterdir())) == (1 if said else 0)


def test_of_two_that_ask_at_once_neither_loses_an_answer(tmp_path: Path) -> None:
    first = ForecastMemory(tmp_path, LOG)
    said = fill(first, 0, 10)
    first.save()
    second = ForecastMemory(tmp_path, LOG)
    said |= fill(second, 10, 10) | fill(first, 20, 10)
    first.merge()
    second.merge()
    assert answers(ForecastMemory(tmp_path, LOG)) == said


def test_a_damaged_file_is_named_and_what_it_held_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = ForecastMemory(tmp_path, LOG)
    fill(memory, 0, 10)
    memory.save()
    sound = fill(memory, 10, 10)
    memory.save()
    [damaged] = [file for file in tmp_path.iterdir() if (0).to_bytes(16) in file.read_bytes()]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\1")
    again = ForecastMemory(tmp_path, LOG)
    assert answers(again) == sound
    assert f"{damaged}: sha256 is not that of its name" in caplog.text
    whole = sound | fill(again, 0, 10)
    again.merge()
    assert not damaged.exists()
    assert answers(ForecastMemory(tmp_path, LOG)) == whole


def test_next_week_only_what_is_new_is_asked(tmp_path: Path) -> None:
    close = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, (2, 95)), axis=1))
    asked: list[int] = []
    for num_bars in (90, 95, 95):
        model, memory = Momentum(), ForecastMemory(tmp_path, LOG)
        ask = Remembered(
            model.moments, memory, num_windows=190, num_samples=2, clock=lambda: ASOF, limit_s=1.0, started=ASOF
        )
        found = panel_forecasts(close[:, :num_bars], ask, horizon=7)
        np.testing.assert_array_equal(found, panel_forecasts(close[:, :num_bars], Momentum().moments, horizon=7))
        memory.merge()
        asked.append(model.asked)
    assert asked == [2 * (90 - LEAST_BARS + 1), 2 * 5, 0]


def test_a_step_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    write_bars(tmp_path / "snapshot")
    calm = made_of(tmp_path / "snapshot", Momentum(), run_in(tmp_path / "calm"))  # pyright: ignore[reportArgumentType]
    run = run_in(tmp_path)

    class Stopped(Momentum):
        def moments(self, window: Window) -> Floats:
            if self.asked == 19:
                run.stop.set()
            return super().moments(window)

    with pytest.raises(InterruptedRunError, match="The same command goes on"):
        made_of(tmp_path / "snapshot", Stopped(), run)  # pyright: ignore[reportArgumentType] - asked alike
    again = Momentum()
    made = made_of(tmp_path / "snapshot", again, run_in(tmp_path))  # pyright: ignore[reportArgumentType]
    alone = Momentum()
    made_of(tmp_path / "snapshot", alone, run_in(tmp_path / "alone"))  # pyright: ignore[reportArgumentType]
    assert again.asked == alone.asked - 20
    first, second = (
        write_forecasts(tmp_path / name, one, snapshot_digest="") for name, one in (("once", calm), ("again", made))
    )
    assert first == second


def test_another_forecaster_is_asked_anew(tmp_path: Path) -> None:
    write_bars(tmp_path / "snapshot")
    for identity in ("one", "other"):
        model = Momentum(identity=identity)
        made_of(tmp_path / "snapshot", model, run_in(tmp_path))  # pyright: ignore[reportArgumentType] - asked alike
        assert model.asked > 0
    assert {folder.name for folder in (tmp_path / "forecasts").iterdir()} == {"one", "other"}
