"""Data-parallel training: several processes share each batch and keep equal weights.

Each process holds a replica; ``DistributedDataParallel`` averages the gradients (Li et al. 2020, "PyTorch
Distributed"), over gloo on CPUs and nccl on GPUs. The batch of a step is the same whatever the number of
processes, so the same recipe means the same training, up to the order of floating-point sums.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import contextlib
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.core.errors import EnvironmentMissingError

Made = TypeVar("Made")
Number = TypeVar("Number", bound=np.generic)

TIMEOUT: Final = timedelta(minutes=5)
"""How long one process waits for another before the whole gang is given up."""
_SEED_STEP: Final = 1_000_003
_RANK, _LOCAL_RANK, _SIZE = "RANK", "LOCAL_RANK", "WORLD_SIZE"


@dataclass(frozen=True)
class World:
    """The processes of one training, as seen from one of them."""

    rank: int = 0
    local_rank: int = 0
    """Place on this host: the number of its GPU."""
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints, logs and the bundle."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """Return the start of this process's own random streams; alone, ``seed`` itself."""
        return seed + _SEED_STEP * self.rank

    def turn(self, num: int, device: torch.device) -> Tensor:
        """Return the positions of ``num`` samples that this process answers.

        Each process has as many, so all may wait for all after each batch; a last one may come twice.
        """
        end = -(-num // self.size) * self.size
        return torch.arange(self.rank, end, self.size, device=device).clamp_(max=num - 1)

    def in_turn(self, answers: npt.NDArray[Number], num: int) -> npt.NDArray[Number]:
        """Return the answers [sample, ...] to all ``num`` samples, of which ``answers`` are those of ``turn``."""
        parts = np.stack(self.gathered(answers), axis=1)
        return parts.reshape(-1, *answers.shape[1:])[:num]

    def whole(self, mine: Tensor, num: int) -> Tensor:
        """Return what all processes answer of a batch (num, ...), of which ``mine`` is what this one answers in turn.

        The gradient reaches this process's own answers, so large that its mean over the processes is that of the
        whole: a loss that is no mean over samples, too, is the same as of one process.
        """
        if self.size == 1:
            return mine
        own = mine.detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own)
        mine.register_hook(self._times_size)
        parts[self.rank] = mine
        return torch.stack(parts, dim=1).flatten(0, 1)[:num]

    def _times_size(self, gradient: Tensor) -> Tensor:
        return gradient * self.size

    def replica(self, module: nn.Module, device: torch.device, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``call``, a method of ``module``, with gradients averaged over all processes; alone, as it is."""
        if self.size == 1:
            return call
        called = _Called(module, call)
        return DistributedDataParallel(called, device_ids=[device.index] if device.type == "cuda" else None)

    def total(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Return the sums of ``values`` over all processes, the same bits in each."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(summed)
        return summed.tolist()

    def gathered(self, part: Any) -> list[Any]:
        """Return what every process gave, by rank."""
        if self.size == 1:
            return [part]
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, part)
        return parts

    def wait(self) -> None:
        """Return when every process is here."""
        if self.size > 1:
            dist.barrier()

    def first(self, make: Callable[[], Made]) -> Made:
        """Return what ``make`` gives; the first process calls it before the others do."""
        if not self.leads:
            self.wait()
        made = make()
        if self.leads:
            self.wait()
        return made


class _Called(nn.Module):
    """A network by one of its methods, which is how its replicas are called."""

    def __init__(self, module: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.module, self._call = module, call

    def forward(self, *values: Any, **named: Any) -> Any:
        return self._call(*values, **named)


ALONE: Final = World()


@contextlib.contextmanager
def joined(device: str) -> Generator[World]:
    """Yield the world that the launcher describes in the environment; without one, this process alone.

    ``device`` is ``cpu``, ``cuda`` or ``auto``, as in a recipe.

    Raises:
        EnvironmentMissingError: If there are fewer GPUs than processes of this host.
    """
    size = int(os.environ.get(_SIZE, "1"))
    if size == 1:
        yield ALONE
        return
    world = World(int(os.environ[_RANK]), int(os.environ[_LOCAL_RANK]), size)
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        seen = torch.cuda.device_count()
        if world.local_rank >= seen:
            raise EnvironmentMissingError(
                f"process {world.local_rank} of this host has no GPU of its own: torch sees {seen}. "
                "Lower processes, or ask for more GPUs"
            )
        torch.cuda.set_device(world.local_rank)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=TIMEOUT)
    try:
        yield world
    finally:
        dist.destroy_process_group()


def merged_rng(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the random streams of all processes, each name with its rank before it."""
    return {f"{rank}.{name}": tensor for rank, part in enumerate(parts) for name, tensor in part.items()}


def own_rng(tensors: dict[str, Tensor], world: World) -> dict[str, Tensor]:
    """Return this process's random streams of what ``merged_rng`` returned."""
    prefix = f"{world.rank}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
