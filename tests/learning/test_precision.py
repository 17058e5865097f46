"""16 bits where the device gains from them; float32 is left alone to the bit."""

import pytest
import torch
from torch import nn

from components.core.errors import EnvironmentMissingError
from components.learning.precision import Precision, computes_bfloat16, resolved_format
from components.learning.settings import LoopConfig, PrecisionConfig

CPU = torch.device("cpu")
AUTO = PrecisionConfig(format="auto")


def trained(config: PrecisionConfig) -> tuple[torch.dtype, torch.Tensor]:
    """Return the format of the output, and the weights after three steps."""
    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    optimizer, inputs = torch.optim.SGD(model.parameters(), lr=0.1), torch.randn(16, 8)
    precision = Precision(config, CPU)
    output = torch.empty(0)
    for _ in range(3):
        optimizer.zero_grad()
        with precision.autocast():
            output = model(inputs)
        precision.backward(output.float().square().mean())
        precision.unscale(optimizer)
        precision.step(optimizer)
    return output.dtype, model.weight.detach()


def test_float32_changes_no_bit() -> None:
    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    optimizer, inputs = torch.optim.SGD(model.parameters(), lr=0.1), torch.randn(16, 8)
    for _ in range(3):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
    dtype, weights = trained(PrecisionConfig())
    assert dtype == torch.float32
    assert torch.equal(weights, model.weight)


def test_bfloat16_computes_in_16_bits_and_keeps_weights_in_32() -> None:
    dtype, weights = trained(PrecisionConfig(format="bfloat16"))
    assert dtype == torch.bfloat16
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights, trained(PrecisionConfig())[1], rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "expected"),
    [
        ("cuda", True, torch.bfloat16),
        ("cuda", False, torch.float16),
        ("cpu", True, torch.bfloat16),
        ("cpu", False, torch.float32),
    ],
)
def test_auto_is_16_bits_on_every_gpu_and_where_the_cpu_computes_in_them(
    device: str, *, has_bfloat16: bool, expected: torch.dtype
) -> None:
    found = resolved_format(LoopConfig(precision=AUTO).precision, torch.device(device), has_bfloat16=has_bfloat16)
    assert found == expected
    plain = resolved_format(LoopConfig().precision, torch.device(device), has_bfloat16=has_bfloat16)
    assert plain == torch.float32


def test_auto_is_resolved_for_this_cpu() -> None:
    expected = resolved_format(AUTO, CPU, has_bfloat16=computes_bfloat16(CPU))
    assert Precision(AUTO, CPU).dtype == expected


def test_float16_without_a_gpu_is_refused() -> None:
    with pytest.raises(EnvironmentMissingError, match="wants a GPU"):
        Precision(PrecisionConfig(format="float16"), CPU)


def test_without_scaling_there_is_no_state_and_no_overflow_is_borne() -> None:
    precision = Precision(PrecisionConfig(format="bfloat16"), CPU)
    assert precision.values() == {}
    assert not precision.may_overflow


@pytest.mark.gpu
def test_float16_on_a_gpu_scales_its_losses_and_its_scale_comes_back() -> None:
    device = torch.device("cuda")
    precision = Precision(PrecisionConfig(format="float16"), device)
    model = nn.Linear(4, 1, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.detach().clone()
    precision.backward(model(torch.full((1, 4), 1e38, device=device)).sum())
    precision.unscale(optimizer)
    precision.step(optimizer)
    assert torch.equal(model.weight, before)
    again = Precision(PrecisionConfig(format="float16"), device)
    again.restore(precision.values())
    assert again.values() == precision.values()
    assert precision.values()["scale"] == 2.0**15


@pytest.mark.promise("S4-49")
def test_a_format_for_gpus_alone_leaves_a_cpu_at_32_bits() -> None:
    gpu_only = PrecisionConfig(format="gpu")
    assert resolved_format(gpu_only, CPU, has_bfloat16=True) == torch.float32
    cuda = torch.device("cuda")
    assert resolved_format(gpu_only, cuda, has_bfloat16=True) == torch.bfloat16
    assert resolved_format(gpu_only, cuda, has_bfloat16=False) == torch.float16
