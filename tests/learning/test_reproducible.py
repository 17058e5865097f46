"""The same seed gives the same numbers, and leaves the process as it was."""

import pytest
import torch
import torch._inductor.config

from components.core.errors import EnvironmentMissingError
from components.learning.reproducible import choose_device, device_name, reproducible, restore_rng, rng_tensors


def test_the_same_seed_gives_the_same_numbers() -> None:
    draws: list[torch.Tensor] = []
    for _ in range(2):
        with reproducible(seed=3, threads=1):
            draws.append(torch.rand(4))
    assert torch.equal(*draws)


def test_threads_and_kernels_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with reproducible(seed=0, threads=before + 1):
        assert torch.get_num_threads() == before + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("compiles", [False, True])
def test_who_compiles_has_kernels_that_are_deterministic_too(compiles: bool) -> None:
    with reproducible(seed=0, threads=1, compiles=compiles):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch._inductor.config.deterministic is compiles
    assert not torch._inductor.config.deterministic
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_random_stream_goes_on_where_it_was() -> None:
    state = rng_tensors()
    first = torch.rand(3)
    restore_rng(state)
    assert torch.equal(torch.rand(3), first)


def test_auto_takes_what_there_is() -> None:
    device = choose_device("auto")
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_name(choose_device("cpu")) == "none"


def test_asking_for_a_gpu_that_is_not_there_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentMissingError, match=r"train\.device=auto or cpu"):
        choose_device("cuda")
