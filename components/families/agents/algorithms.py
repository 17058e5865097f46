"""Settings of the four agents. Importing this loads no torch, pandas or numpy."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from components.core.config import Config

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Discount = Annotated[float, Field(gt=0.0, le=1.0)]


class PPOConfig(Config):
    """Proximal policy optimisation, Schulman et al. (2017)."""

    learner: Literal["sampled", "exact_gradient"] = "sampled"
    """exact_gradient differentiates the rewards themselves; values, advantages, batches and passes then do nothing."""

    lr: PositiveFloat = 3e-4
    """Step size of Adam."""

    n_steps: PositiveInt = 2048
    """Steps of each environment in a round; fewer where there are many environments."""

    batch: PositiveInt = 64
    """Steps per gradient. Thousands are faster where there are many environments."""

    n_epochs: PositiveInt = 10
    """Passes over a round."""

    gamma: Discount = 0.99
    """What a reward one step later counts."""

    gae_lambda: Share = 0.95
    """Weight of longer looks in the advantage, Schulman et al. (2016): 0 trusts the value network, 1 the rewards."""

    clip_range: PositiveFloat = 0.2
    """How far the chance of an action may move away from the round's before its gradient is cut."""

    ent_coef: NonNegativeFloat = 0.01
    """Weight of the entropy: more explores longer."""

    vf_coef: NonNegativeFloat = 0.5
    """Weight of the value network's squared error."""

    max_grad_norm: PositiveFloat = 0.5
    """Largest norm of one gradient."""


class OffPolicyConfig(Config):
    """What the agents that learn from a replay buffer share."""

    buffer: PositiveInt = 100_000
    """Steps that are remembered, of all environments together."""

    learning_starts: PositiveInt = 1_000
    """Steps at random before the first gradient."""

    batch: PositiveInt = 256
    """Steps per gradient."""

    gamma: Discount = 0.99
    """What a reward one step later counts."""

    steps_per_round: PositiveInt = 8
    """Steps of each environment in a round."""

    gradients_per_round: PositiveInt = 8
    """Gradients that a round takes."""

    @model_validator(mode="after")
    def _start_is_remembered(self) -> Self:
        if self.learning_starts > self.buffer:
            raise ValueError(
                f"learning_starts must be <= buffer, was {self.learning_starts} of {self.buffer}: steps at random "
                "that are forgotten before the first gradient teach nothing"
            )
        return self


class SACConfig(OffPolicyConfig):
    """Soft actor-critic with a tuned temperature, Haarnoja et al. (2018)."""

    lr: PositiveFloat = 3e-4
    """Step size of Adam."""

    tau: Annotated[float, Field(gt=0.0, le=1.0)] = 0.005
    """Part of the way that the target networks go after each gradient."""


class TD3Config(OffPolicyConfig):
    """Twin delayed deep deterministic policy gradient, Fujimoto et al. (2018)."""

    lr: PositiveFloat = 1e-3
    """Step size of Adam."""

    tau: Annotated[float, Field(gt=0.0, le=1.0)] = 0.005
    """Part of the way that the target networks go after each gradient of the policy."""

    policy_delay: PositiveInt = 2
    """Gradients of the values for one of the policy."""

    exploration_noise: NonNegativeFloat = 0.1
    """Standard deviation of what is added to an action while it explores."""

    target_noise: NonNegativeFloat = 0.2
    """Standard deviation of what is added to the target's action."""

    target_noise_clip: NonNegativeFloat = 0.5
    """Most that is added to it."""


class RainbowConfig(OffPolicyConfig):
    """Rainbow, Hessel et al. (2018): double, duelling, prioritized, several steps, a distribution, noisy layers."""

    lr: PositiveFloat = 6.25e-5
    """Step size of Adam."""

    batch: PositiveInt = 32  # pyright: ignore[reportIncompatibleVariableOverride] - it is frozen
    """Steps per gradient."""

    n_step: PositiveInt = 3
    """Rewards that are summed before the value network is trusted."""

    target_every: PositiveInt = 8_000
    """Steps of all environments from one copy of the network into the target to the next."""

    num_atoms: Annotated[int, Field(ge=2)] = 51
    """Points of the distribution of returns."""

    v_min: float = -10.0
    """The lowest of them."""

    v_max: float = 10.0
    """The highest of them; a return beyond either counts as the nearest."""

    priority_exponent: Share = 0.5
    """How much a step's error counts when steps are drawn; 0 draws evenly."""

    priority_weight: Share = 0.4
    """How much of the bias is corrected at the start; it rises to 1."""

    noisy_sigma: PositiveFloat = 0.5
    """Noise of the noisy layers at the start."""

    @model_validator(mode="after")
    def _returns_have_room(self) -> Self:
        if self.v_min >= self.v_max:
            raise ValueError(f"v_min must be < v_max, was {self.v_min} and {self.v_max}")
        return self
