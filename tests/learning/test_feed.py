"""Batches made ahead: the same ones in the same order whatever the number of threads, and truly by threads."""

import threading
from contextlib import closing

import pytest
import torch
from torch import Tensor

from components.learning.feed import Feed


def batches(num: int) -> list[Tensor]:
    return list(torch.arange(4 * num).split(4))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_each_batch_is_a_function_of_its_samples_and_its_place(workers: int) -> None:
    seen = list[tuple[int, int]]()
    with closing(Feed(lambda samples, place: (samples.sum().item(), place), workers=workers)) as feed:
        for epoch in range(2):
            feed.start(batches(5)[2:], epoch=epoch, first=2)
            for number, samples in enumerate(batches(5)[2:], start=2):
                total, place = feed.take(samples)
                assert total == samples.sum().item()
                assert place == (epoch, number)
                seen.append(place)
    assert len(seen) == 6


@pytest.mark.promise("S4-50")
def test_threads_make_batches_before_they_are_taken_and_outlive_an_epoch() -> None:
    names, ready = set[str](), threading.Barrier(3, timeout=30)

    def make(samples: Tensor, _: tuple[int, int]) -> Tensor:
        names.add(threading.current_thread().name)
        ready.wait()  # returns only once three batches are being made at the same time
        return samples

    with closing(Feed(make, workers=3)) as feed:
        for epoch in range(2):
            feed.start(batches(3), epoch=epoch, first=0)
            for samples in batches(3):
                feed.take(samples)
    assert names == {"feed_0", "feed_1", "feed_2"}


@pytest.mark.parametrize("workers", [0, 2])
def test_other_samples_than_the_next_are_refused(workers: int) -> None:
    with closing(Feed(lambda samples, _: samples, workers=workers)) as feed:
        feed.start(batches(3), epoch=0, first=0)
        with pytest.raises(ValueError, match="not the next ones"):
            feed.take(batches(3)[1])
