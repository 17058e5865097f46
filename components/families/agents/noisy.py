"""Networks of returns: noisy layers that explore by themselves, and a value apart from the advantages of actions.

Sources: Fortunato et al. (2018), "Noisy networks for exploration", with factorised noise; Wang et al. (2016), "Dueling
network architectures for deep reinforcement learning"; Bellemare et al. (2017), "A distributional perspective on
reinforcement learning", for one distribution of returns per action.
"""

# pyright: reportUnknownMemberType=false
import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.families.agents.algorithms import RainbowConfig
from components.families.agents.config import NetworkConfig
from components.families.agents.networks import extractor, layers

Noise = tuple[Tensor, Tensor]
"""Of the inputs and the outputs of one layer, (row, in) and (row, out); one row is for all of a batch."""


class NoisyLinear(nn.Module):
    """A linear layer whose every weight is blurred by as much as it has learned to be."""

    def __init__(self, num_inputs: int, num_outputs: int, *, sigma: float) -> None:
        super().__init__()
        bound, blur = 1 / math.sqrt(num_inputs), sigma / math.sqrt(num_inputs)
        self.num_inputs, self.num_outputs = num_inputs, num_outputs
        self.weight = nn.Parameter(torch.empty(num_outputs, num_inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_outputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((num_outputs, num_inputs), blur))
        self.bias_sigma = nn.Parameter(torch.full((num_outputs,), blur))

    def draw(self, num_rows: int, generator: torch.Generator) -> Noise:
        """Return noise of its own for each of ``num_rows``: sign(x) sqrt(|x|) of normal x."""
        drawn = torch.randn(
            num_rows, self.num_inputs + self.num_outputs, generator=generator, device=self.weight.device
        )
        shaped = drawn.sign() * drawn.abs().sqrt()
        return shaped[:, : self.num_inputs], shaped[:, self.num_inputs :]

    def forward(self, inputs: Tensor, noise: Noise | None) -> Tensor:
        """Return (batch, out) of ``inputs`` (batch, in), without any blur if there is no noise.

        The noise of a weight is the product of its input's and its output's, so it can be applied to those.
        """
        clear = functional.linear(inputs, self.weight, self.bias)
        if noise is None:
            return clear
        of_inputs, of_outputs = noise
        return clear + of_outputs * functional.linear(of_inputs * inputs, self.weight_sigma, self.bias_sigma)


class ReturnNetwork(nn.Module):
    """Distributions of the return of each action, and the action of the highest mean."""

    support: Tensor

    def __init__(
        self, config: RainbowConfig, network: NetworkConfig, *, observation_size: int, num_actions: int
    ) -> None:
        super().__init__()
        reader, width = extractor(network, observation_size)
        self.num_actions, self.num_atoms = num_actions, config.num_atoms
        self.body = nn.Sequential(reader, *layers(width, network.hidden[:-1]))
        width, last, sigma = ([width, *network.hidden[:-1]])[-1], network.hidden[-1], config.noisy_sigma
        self.value = nn.ModuleList(
            [NoisyLinear(width, last, sigma=sigma), NoisyLinear(last, self.num_atoms, sigma=sigma)]
        )
        self.advantage = nn.ModuleList(
            [NoisyLinear(width, last, sigma=sigma), NoisyLinear(last, num_actions * self.num_atoms, sigma=sigma)]
        )
        self.register_buffer("support", torch.linspace(config.v_min, config.v_max, self.num_atoms), persistent=False)

    def draw(self, num_rows: int, generator: torch.Generator) -> list[Noise]:
        """Return noise for all noisy layers, for each of ``num_rows`` its own."""
        noisy = cast("Iterable[NoisyLinear]", (*self.value, *self.advantage))
        return [layer.draw(num_rows, generator) for layer in noisy]

    def log_chances(self, observation: Tensor, noise: Sequence[Noise] | None) -> Tensor:
        """Return the log chances of the returns in ``support``, (batch, action, atom)."""
        hidden = self.body(observation)
        noises = noise or [None] * 4
        value = self.value[1](torch.relu(self.value[0](hidden, noises[0])), noises[1])
        advantage = self.advantage[1](torch.relu(self.advantage[0](hidden, noises[2])), noises[3])
        advantage = advantage.view(-1, self.num_actions, self.num_atoms)
        scores = value[:, None] + advantage - advantage.mean(dim=1, keepdim=True)
        return torch.log_softmax(scores, dim=-1)

    def best(self, log_chances: Tensor) -> Tensor:
        """Return the actions whose return has the highest mean, (batch,)."""
        return (log_chances.exp() @ self.support).argmax(dim=1)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the best actions, (batch,), with no blur."""
        return self.best(self.log_chances(observation, None))
