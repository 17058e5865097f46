"""Slabs hold every sample once, with the very window that the sample has by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.learning.batches import Windows
from components.learning.slabs import NONE, Slabs
from components.market.windows import window_ends

CPU = torch.device("cpu")


def test_samples_of_two_symbols_by_hand() -> None:
    ends = np.array([(0, 3), (0, 4), (1, 4), (0, 5), (0, 6), (0, 8), (1, 8)])
    slabs = Slabs.of(ends, rows=3, num_times=9, device=CPU)
    assert slabs.ends.tolist() == [[0, 5], [1, 5], [0, 8], [1, 8]]
    assert slabs.samples.tolist() == [[0, 1, 3], [NONE, 2, NONE], [4, NONE, 5], [NONE, NONE, 6]]
    assert slabs.num_samples(torch.tensor([0, 3])) == 4
    assert slabs.by_sample(np.array([0.0, 1.0, 3.0, 2.0, 4.0, 5.0, 6.0])).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert slabs.take(torch.tensor([3, 1])).ends.tolist() == [[1, 8], [1, 5]]


def test_the_last_slab_is_moved_back_and_counts_no_sample_again() -> None:
    ends = np.array([(0, 3), (0, 4), (0, 5), (0, 6), (0, 7)])
    slabs = Slabs.of(ends, rows=3, num_times=8, device=CPU)
    assert slabs.ends.tolist() == [[0, 5], [0, 7]]
    assert slabs.samples.tolist() == [[0, 1, 2], [NONE, 3, 4]]


def test_one_row_each_is_the_samples_themselves() -> None:
    ends = np.array([(0, 3), (1, 3), (0, 4), (2, 7)])
    slabs = Slabs.of(ends, rows=1, num_times=8, device=CPU)
    assert slabs.ends.tolist() == ends.tolist()
    assert slabs.samples.tolist() == [[0], [1], [2], [3]]


def test_no_sample_gives_no_slab() -> None:
    slabs = Slabs.of(np.empty((0, 2), dtype=np.int64), rows=4, num_times=8, device=CPU)
    assert len(slabs) == 0
    assert not list(slabs.split(16))
    assert len(slabs.by_sample(np.empty(0))) == 0


def test_groups_hold_no_more_windows_than_asked_for() -> None:
    ends = np.array([(symbol, end) for end in range(3, 11) for symbol in range(5)])
    slabs = Slabs.of(ends, rows=4, num_times=11, device=CPU)
    assert [len(group) for group in slabs.split(13)] == [3, 3, 3, 1]
    assert [len(group) for group in slabs.split(1)] == [1] * 10


@pytest.mark.parametrize("rows", [0, 9])
def test_a_slab_longer_than_the_panel_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match=f"want 1 to 8 rows in a slab, was {rows}"):
        Slabs.of(np.array([(0, 7)]), rows=rows, num_times=8, device=CPU)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 6), st.integers(0, 3))
def test_each_sample_finds_its_own_window_among_gaps(seed: int, rows: int, window: int, num_zones: int) -> None:
    rng = np.random.default_rng(seed)
    num_times = int(rng.integers(window + rows - 1, 40))
    present = rng.random((3, num_times)) > 0.1
    zone = np.minimum(np.arange(num_times) * (num_zones + 1) // num_times, num_zones)
    ends = window_ends(present, zone, window, 1)
    panel = torch.randn(3, num_times, 2, generator=torch.Generator().manual_seed(seed))
    slabs = Slabs.of(ends, rows=rows, num_times=num_times, device=CPU)
    gathered = Windows(panel, window + rows - 1).gather(slabs.ends)
    assert sorted(slabs.samples[slabs.counted].tolist()) == list(range(len(ends)))
    for slab, row in slabs.counted.nonzero().tolist():
        symbol, end = ends[slabs.samples[slab, row]]
        expected = panel[symbol, end - window + 1 : end + 1]
        assert torch.equal(gathered[slab, row : row + window], expected)


def test_spaced_slabs_of_one_symbol_by_hand() -> None:
    ends = np.array([(0, end) for end in range(3, 11)])
    slabs = Slabs.spaced(ends, rows=2, stride=2, num_times=12, device=CPU)
    assert slabs.ends.tolist() == [[0, 5], [0, 6], [0, 9], [0, 10]]
    assert slabs.samples.tolist() == [[0, 2], [1, 3], [4, 6], [5, 7]]
    with pytest.raises(ValueError, match="no sample may end among the last 2 bars"):
        Slabs.spaced(ends, rows=2, stride=3, num_times=11, device=CPU)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.integers(1, 6))
def test_each_sample_finds_its_own_window_among_spaced_ones(seed: int, rows: int, stride: int, window: int) -> None:
    rng = np.random.default_rng(seed)
    num_times = int(rng.integers(window + rows * stride + 3, 60))
    ends = window_ends(rng.random((3, num_times)) > 0.1, np.zeros(num_times, dtype=np.int64), window, 3)
    if not len(ends) or (num_times - ends[:, 1].min()) // stride < rows:
        return
    panel = torch.randn(3, num_times, 2, generator=torch.Generator().manual_seed(seed))
    slabs = Slabs.spaced(ends, rows=rows, stride=stride, num_times=num_times, device=CPU)
    gathered = Windows(panel, window + (rows - 1) * stride).gather(slabs.ends)
    assert sorted(slabs.samples[slabs.counted].tolist()) == list(range(len(ends)))
    for slab, row in slabs.counted.nonzero().tolist():
        symbol, end = ends[slabs.samples[slab, row]]
        expected = panel[symbol, end - window + 1 : end + 1]
        assert torch.equal(gathered[slab, row * stride : row * stride + window], expected)
