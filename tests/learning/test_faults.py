"""A step that cannot go on says which setting to change."""

import math

import pytest
import torch
from torch import nn

from components.core.errors import BAD_DATA
from components.learning.faults import DivergedError, OutOfMemoryError, checked_loss, clip_gradient, memory_advice


@pytest.mark.promise("S3-40")
@pytest.mark.parametrize(("batch", "smaller"), [(32, 16), (256, 16), (16, 8), (1, 1)])
def test_out_of_memory_names_the_next_batch(batch: int, smaller: int) -> None:
    words = f"train.batch={batch} .* train.batch={smaller}$"
    with pytest.raises(OutOfMemoryError, match=words) as caught, memory_advice(batch=batch):
        torch.empty(2**50)
    assert caught.value.exit_code == BAD_DATA


def test_another_error_passes_through() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_advice(batch=32):
        torch.zeros(2).reshape(3)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops(loss: float) -> None:
    with pytest.raises(DivergedError, match=r"epoch 2, batch 5: .*Lower train\.lr \(was 0\.1\)"):
        checked_loss(loss, place="epoch 2, batch 5", lr=0.1)


def test_gradient_is_scaled_to_the_largest_norm() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[3.0, 4.0]])
    clip_gradient(model, 1.0, place="here", lr=0.1)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.6, 0.8]]), rtol=1e-5, atol=0)


def test_a_gradient_that_is_no_number_stops() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[math.nan, 0.0]])
    with pytest.raises(DivergedError, match="gradient's norm is nan"):
        clip_gradient(model, 1.0, place="here", lr=0.1)
