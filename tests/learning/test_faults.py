"""A step that cannot go on says which setting to change."""

import math

import pytest
import torch

from components.core.errors import BAD_DATA
from components.learning.faults import DivergedError, OutOfMemoryError, checked_loss, memory_advice


@pytest.mark.promise("S0-50")
@pytest.mark.promise("S3-40")
@pytest.mark.parametrize(("batch", "smaller"), [(32, 16), (256, 16), (16, 8), (1, 1)])
def test_out_of_memory_names_the_next_batch(batch: int, smaller: int) -> None:
    words = f"train.batch={batch} .* train.batch={smaller}$"
    with pytest.raises(OutOfMemoryError, match=words) as caught, memory_advice(batch=batch):
        torch.empty(2**50)
    assert caught.value.exit_code == BAD_DATA


def test_out_of_memory_names_no_batch_below_the_least() -> None:
    with pytest.raises(OutOfMemoryError, match=r"use train\.batch=64$"), memory_advice(batch=512, least=64):
        torch.empty(2**50)


@pytest.mark.promise("S4-97")
def test_out_of_memory_names_gradient_checkpointing() -> None:
    with pytest.raises(OutOfMemoryError, match=r"Set train\.gradient\.segments=4"), memory_advice(batch=32):
        torch.empty(2**50)


def test_another_error_passes_through() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_advice(batch=32):
        torch.zeros(2).reshape(3)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops(loss: float) -> None:
    with pytest.raises(DivergedError, match=r"epoch 2, batch 5: .*Lower train\.lr \(was 0\.1\)"):
        checked_loss(loss, place="epoch 2, batch 5", lr=0.1)
