"""The gradient of a batch is the same however it is gathered, and a wild one is bounded or refused."""

import copy
import dataclasses
import json
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from components.learning.faults import DivergedError
from components.learning.gradient import GradientNorms, clip_gradient, parts, run_stack
from components.learning.settings import GradientConfig


@pytest.mark.promise("S4-94")
def test_gradient_is_scaled_to_the_largest_norm_and_the_norm_it_had_is_returned() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[3.0, 4.0]])
    assert clip_gradient(model, GradientConfig().clip_norm, place="here", lr=0.1) == 5.0
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.6, 0.8]]), rtol=1e-5, atol=0)


def test_a_small_gradient_is_left_alone() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[0.3, 0.4]])
    assert clip_gradient(model, 1.0, place="here", lr=0.1) == pytest.approx(0.5)
    assert torch.equal(model.weight.grad, torch.tensor([[0.3, 0.4]]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_stops_unless_its_step_will_be_skipped(bad: float) -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[bad, 0.0]])
    with pytest.raises(DivergedError, match=rf"here: the gradient's norm is {bad}.*train\.lr \(was 0\.1\)"):
        clip_gradient(model, 1.0, place="here", lr=0.1)
    assert not math.isfinite(clip_gradient(model, 1.0, place="here", lr=0.1, may_overflow=True))


@pytest.mark.promise("S4-58")
def test_norms_of_an_epoch_are_recorded() -> None:
    record = GradientNorms()
    assert math.isnan(record.mean)
    for norm in (0.5, 3.0, math.inf, 1.0):
        record = record.add(norm, bound=1.0)
    assert (record.mean, record.largest, record.overflowed) == (1.5, 3.0, 1)
    assert record.clipped_share == pytest.approx(1 / 3)
    assert GradientNorms(**json.loads(json.dumps(dataclasses.asdict(record)))) == record


@pytest.mark.promise("S2-55")
@pytest.mark.parametrize("num_parts", [2, 3, 4, 32, 50])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(num_parts: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
    inputs, targets, samples = torch.randn(40, 5), torch.randn(40, 1), torch.randperm(40)[:32]
    mse_loss(model(inputs[samples]), targets[samples]).backward()
    whole = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    shares = 0.0
    for part, share in parts(samples, num_parts):
        (mse_loss(model(inputs[part]), targets[part]) * share).backward()
        shares += share
    assert shares == pytest.approx(1.0)
    for parameter, gradient in zip(model.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-6)


def test_one_part_is_the_batch() -> None:
    samples = torch.arange(7)
    [(part, share)] = parts(samples, 1)
    assert torch.equal(part, samples)
    assert share == 1.0


class Counted(nn.Module):
    """A layer with dropout that counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.passes = nn.Linear(8, 8), 0

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return torch.nn.functional.dropout(torch.tanh(self.linear(hidden)), 0.3)


@pytest.mark.promise("S4-97")
@pytest.mark.parametrize("num_layers", [8, 6, 3])
def test_four_segments_give_the_same_gradient_and_pass_twice(num_layers: int) -> None:
    torch.manual_seed(0)
    layers = [Counted() for _ in range(num_layers)]
    hidden = torch.randn(4, 8, requires_grad=True)
    gradients: list[list[torch.Tensor]] = []
    passes: list[int] = []
    for segments in (None, 4):
        stack = copy.deepcopy(layers)
        torch.manual_seed(7)
        loss = run_stack(stack, hidden, segments=segments).square().sum()
        gradients.append(list(torch.autograd.grad(loss, [hidden, *(layer.linear.weight for layer in stack)])))
        passes.append(sum(layer.passes for layer in stack))
    assert passes == [num_layers, 2 * num_layers]
    for plain, segmented in zip(*gradients, strict=True):
        assert torch.equal(plain, segmented)


def test_without_a_gradient_nothing_is_computed_twice() -> None:
    layers = [Counted(), Counted()]
    with torch.no_grad():
        run_stack(layers, torch.zeros(1, 8), segments=2)
    assert [layer.passes for layer in layers] == [1, 1]
