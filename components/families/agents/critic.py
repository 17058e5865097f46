"""Two networks that value an action, of which the lower value is believed, as one network of stacked layers.

Source: Fujimoto et al. (2018), "Addressing function approximation error in actor-critic methods", on why two.
"""

# pyright: reportUnknownMemberType=false
import copy
import itertools
import math
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from components.families.agents.config import NetworkConfig
from components.families.agents.networks import extractor

TWINS = 2
Network = TypeVar("Network", bound=nn.Module)


class TwinLinear(nn.Module):
    """A linear layer of each twin: (twin, batch, in) in, (twin, batch, out) out, in one product."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(num_inputs)  # as torch starts its own linear layers
        self.weight = nn.Parameter(torch.empty(TWINS, num_inputs, num_outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(TWINS, 1, num_outputs).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return each twin's own product."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class TwinCritic(nn.Module):
    """What an action is worth where something was observed, said twice. Reading bars in order is done once for both."""

    def __init__(self, config: NetworkConfig, *, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.reader, width = extractor(config, observation_size)
        widths = (width + action_size, *config.hidden)
        parts: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            parts += [TwinLinear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*parts, TwinLinear(widths[-1], 1))

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return (twin, batch) of observations (batch, feature) and actions (batch, action)."""
        inputs = torch.cat([self.reader(observation), action], dim=1)
        return self.layers(inputs.expand(TWINS, -1, -1)).squeeze(-1)


def frozen_copy(network: Network) -> Network:
    """Return a copy that gets no gradients: a target."""
    return copy.deepcopy(network).requires_grad_(requires_grad=False)


def follow(targets: Iterable[nn.Module], networks: Iterable[nn.Module], *, tau: float) -> None:
    """Move the weights of each target the part ``tau`` of the way to its network's."""
    with torch.no_grad():
        for target, network in zip(targets, networks, strict=True):
            for old, new in zip(target.parameters(), network.parameters(), strict=True):
                old.lerp_(new, tau)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take a step down the gradient of ``loss``, which only the optimizer's own weights get."""
    optimizer.zero_grad()
    loss.backward(inputs=optimizer.param_groups[0]["params"])  # a critic that a policy climbs is left out
    optimizer.step()
