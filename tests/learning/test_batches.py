"""Windows gathered by index equal windows cut one by one; an epoch's order depends on its number alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.learning.batches import Windows, epoch_order


@pytest.mark.parametrize("window", [1, 5, 20])
def test_gathered_windows_equal_slices(window: int) -> None:
    panel = torch.randn(3, 20, 4, generator=torch.Generator().manual_seed(0))
    ends = torch.tensor([(symbol, end) for symbol in range(3) for end in range(window - 1, 20)])
    expected = torch.stack([panel[symbol, end - window + 1 : end + 1] for symbol, end in ends.tolist()])
    assert torch.equal(Windows(panel, window).gather(ends), expected)


def test_no_window_is_copied_before_it_is_asked_for() -> None:
    panel = torch.zeros(2, 10, 3)
    windows = Windows(panel, 4)
    panel[1, 9, 2] = 7.0
    assert windows.gather(torch.tensor([[1, 9]]))[0, 3, 2] == 7.0


@pytest.mark.promise("S3-16")
def test_without_shuffling_an_epoch_is_in_the_order_of_time() -> None:
    assert epoch_order(5, epoch=3, most=None, shuffle=False, seed=1).tolist() == [0, 1, 2, 3, 4]


def test_evenly_spaced_windows_by_hand() -> None:
    orders = [epoch_order(10, epoch=epoch, most=4, shuffle=False, seed=0).tolist() for epoch in range(4)]
    assert orders == [[0, 2, 5, 7], [0, 3, 5, 8], [1, 4, 6, 9], [0, 2, 5, 7]]


@settings(max_examples=100, deadline=None)
@given(num_windows=st.integers(1, 200), most=st.integers(1, 60), shuffle=st.booleans(), seed=st.integers(0, 9))
def test_every_window_is_seen_in_turn(num_windows: int, most: int, shuffle: bool, seed: int) -> None:
    seen: set[int] = set()
    for epoch in range(-(-num_windows // most)):
        order = epoch_order(num_windows, epoch=epoch, most=most, shuffle=shuffle, seed=seed)
        assert len(set(order.tolist())) == len(order) == min(most, num_windows)
        assert shuffle or np.all(np.diff(order) > 0)
        assert np.array_equal(order, epoch_order(num_windows, epoch=epoch, most=most, shuffle=shuffle, seed=seed))
        seen.update(order.tolist())
    assert seen == set(range(num_windows))


def test_shuffling_differs_by_epoch_and_by_seed() -> None:
    first, second, other = (
        epoch_order(50, epoch=epoch, most=None, shuffle=True, seed=seed).tolist()
        for epoch, seed in ((0, 0), (1, 0), (0, 1))
    )
    assert first != second
    assert first != other
