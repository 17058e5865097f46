"""One device, one seed, a fixed number of threads: the same numbers on every run."""

import contextlib
import os
from collections.abc import Generator, Mapping

import torch
from torch import Tensor

from components.core.errors import EnvironmentMissingError


def choose_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu`` or ``cuda``; auto takes a GPU if there is one.

    Raises:
        EnvironmentMissingError: If a GPU is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentMissingError("train.device is 'cuda' but torch sees no GPU. Use train.device=auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or ``none``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "none"


@contextlib.contextmanager
def reproducible(*, seed: int, threads: int, compiles: bool = False) -> Generator[None]:
    """Seed torch, fix its threads and allow only deterministic kernels until the block ends.

    With ``compiles`` the compiler is told so too; it takes two seconds to load, so nobody else does.
    """
    before_threads, before_mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses deterministic mode without it
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")
    if compiles:
        torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
    try:
        yield
    finally:
        torch.set_num_threads(before_threads)
        if compiles:
            torch.use_deterministic_algorithms(False)
        torch.set_deterministic_debug_mode(before_mode)


def rng_tensors() -> dict[str, Tensor]:
    """Return the state of torch's random streams, by name."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda.{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def restore_rng(states: Mapping[str, Tensor]) -> None:
    """Set torch's random streams to what ``rng_tensors`` returned."""
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        if name.startswith("cuda.") and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.removeprefix("cuda.")))
