"""What goes wrong in a training step, said with its remedy."""

import contextlib
import math
from collections.abc import Generator

import torch

from components.core.errors import QuantfoundryError

_SMALL_BATCH = 16
_CPU_MESSAGES = ("can't allocate memory", "not enough memory")


class DivergedError(QuantfoundryError):
    """The loss or its gradient is no longer a finite number."""


class OutOfMemoryError(QuantfoundryError):
    """A step does not fit into the memory of its device."""


def checked_loss(loss: float, *, place: str, lr: float) -> float:
    """Return ``loss`` if it is finite.

    Raises:
        DivergedError: If it is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise DivergedError(f"{place}: the loss is {loss}. Lower train.lr (was {lr:g}) or clean the data")
    return loss


@contextlib.contextmanager
def memory_advice(*, batch: int, has_segments: bool = True, least: int = 1) -> Generator[None]:
    """Turn a failed allocation into an error that names the next smaller batch.

    Of a network that ``has_segments``, which save activations, it names those first. No batch below ``least`` is named.

    Raises:
        OutOfMemoryError: If the block runs out of memory.
    """
    smaller = max(least, _SMALL_BATCH if batch > _SMALL_BATCH else batch // 2)
    first = "Set train.gradient.segments=4, or use" if has_segments else "Use"
    with out_of_memory(f"train.batch={batch} does not fit into memory. {first} train.batch={smaller}"):
        yield


@contextlib.contextmanager
def out_of_memory(advice: str) -> Generator[None]:
    """Turn a failed allocation, on the CPU or a GPU, into an error that says ``advice``.

    Raises:
        OutOfMemoryError: If the block runs out of memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemoryError(advice) from error
    except RuntimeError as error:
        if not any(message in str(error) for message in _CPU_MESSAGES):
            raise
        raise OutOfMemoryError(advice) from error
