"""Batches made ahead of the step that takes them, by threads: the same batches whatever their number."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from torch import Tensor

Batch = TypeVar("Batch")
Make = Callable[[Tensor, tuple[int, int]], Batch]


class Feed(Generic[Batch]):
    """Batches in the order of a training, each a function of its samples, its epoch and its number alone.

    The threads outlive an epoch. Without any, a batch is made when it is taken.
    """

    def __init__(self, make: Make[Batch], *, workers: int) -> None:
        self._make, self._workers = make, workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="feed") if workers else None
        self._coming: Iterator[tuple[Tensor, tuple[int, int]]] = iter(())
        self._ahead: deque[tuple[Tensor, Future[Batch]]] = deque()

    def start(self, coming: Iterable[Tensor], *, epoch: int, first: int) -> None:
        """Begin with the samples that ``coming`` yields, the first of which is batch number ``first`` of its epoch."""
        for _, batch in self._ahead:
            batch.cancel()
        self._ahead.clear()
        self._coming = ((samples, (epoch, number)) for number, samples in enumerate(coming, start=first))

    def take(self, samples: Tensor) -> Batch:
        """Return the batch of ``samples``, which must be the next ones.

        Raises:
            ValueError: If they are not.
        """
        if self._pool is None:
            planned, place = next(self._coming)
            batch = self._make(planned, place)
        else:
            self._fill(self._pool)
            planned, future = self._ahead.popleft()
            batch = future.result()
            self._fill(self._pool)
        if planned.shape != samples.shape or not bool((planned == samples).all()):
            raise ValueError("these samples are not the next ones of the epoch")
        return batch

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        while len(self._ahead) < self._workers and (item := next(self._coming, None)) is not None:
            self._ahead.append((item[0], pool.submit(self._make, *item)))

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
