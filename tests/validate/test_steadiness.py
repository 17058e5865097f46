"""The newest days beside earlier ones: alike by chance, unlike where a feature moved, unknown where there are few."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import numpy as np
import pytest

from components.learning.examples import Examples
from components.market.windows import Panel
from components.validate.steadiness import NUM_EARLIER, Steadiness, steadiness


def rows(num_times: int, *, moved: float = 0.0, since: int = 0, seed: int = 0) -> Examples:
    """Return five symbols of three features of white noise, ``moved`` further from bar ``since`` on."""
    values = np.random.default_rng(seed).standard_normal((5, num_times, 3)).astype(np.float32)
    values[:, since:] += moved
    panel = Panel(values, np.ones((5, num_times), dtype=np.bool_), np.arange(num_times).astype("datetime64[us]"))
    cells = np.full((5, num_times), np.nan)
    return Examples(
        digest="", columns=("a", "b", "c"), symbols=tuple("ABCDE"), zones=("test",), panel=panel,
        zone=np.zeros(num_times, dtype=np.int64), label=cells, forward_return=cells, now=cells, move=cells,
        classes=(), mean=np.zeros(3), std=np.ones(3), manifest={},
    )  # fmt: skip


def found(data: Examples, since: int) -> Steadiness:
    times = np.arange(data.panel.values.shape[1])
    return steadiness(data, training=times < 300, live=times >= since, seed=0)


@pytest.mark.promise("S4-105")
def test_what_moved_lies_further_from_the_training_than_every_earlier_stretch() -> None:
    seen = found(rows(660, moved=1.0, since=600), 600)
    assert (seen.num_times, len(seen.earlier)) == (600 // NUM_EARLIER, NUM_EARLIER)
    assert seen.newest > 3 > max(seen.earlier)
    assert {item["name"] for item in seen.features} == {"a", "b", "c"}
    assert [item["psi"] for item in seen.features] == sorted((item["psi"] for item in seen.features), reverse=True)
    assert seen.mmd > 0.1
    assert found(rows(660), 600).mmd < 0.01


@pytest.mark.promise("S4-105")
def test_days_as_before_are_furthest_away_about_once_in_twenty() -> None:
    draws = (found(rows(640, seed=seed), 600) for seed in range(40))
    assert sum(seen.newest > max(seen.earlier) for seen in draws) <= 6  # 2 expected; more than 6 in 1 of 200


def test_few_days_are_not_compared_and_a_number_that_is_none_stays_none() -> None:
    assert found(rows(619), 600).num_times == 0
    assert found(rows(379), 379 - 20).num_times == 0  # 18 a stretch
    broken = rows(660)
    broken.panel.values[0, 650, 1] = np.nan
    assert np.isnan(found(broken, 600).newest)
