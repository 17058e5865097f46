"""Whom of several agents to follow: votes by Sharpe ratio, a learned choice, and one drawn from what is known of each.

Everything is learned from the validation zone, where each agent traded alone: ``rewards`` [decision, member] are its
net returns there. The market ignores our trades, so all members' rewards are known, not only those of the one followed.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def vote_weights(rewards: Floats) -> Floats:
    """Return the share of each member's vote, [member]: its Sharpe ratio over the sum of those above 0.

    A member without a ratio above 0 has no vote. If nobody has one, all weights are 0: nothing is held.
    """
    deviation = rewards.std(axis=0)
    ratio = np.divide(rewards.mean(axis=0), deviation, out=np.zeros_like(deviation), where=deviation > 0)
    good = np.maximum(ratio, 0.0)
    return good / good.sum() if good.sum() > 0 else good


@dataclass(frozen=True)
class MetaLearner:
    """A linear forecast of each member's next reward from what is seen; the member with the highest is followed.

    Sources: Rice (1976), "The algorithm selection problem", of choosing by features of the case; Hoerl and Kennard
    (1970), "Ridge regression", of the forecast.
    """

    intercept: Floats
    """[member]"""
    slopes: Floats
    """[feature, member]"""

    @classmethod
    def fitted(cls, context: Floats, rewards: Floats, *, ridge: float) -> Self:
        """Return the forecasts that fit ``rewards`` best where ``context`` [decision, feature] was seen.

        ``ridge`` shrinks them towards each member's mean reward: at 1 a feature in its standard deviations, and apart
        from all others, counts half. A feature that never varies counts nothing.
        """
        mean, std = context.mean(axis=0), context.std(axis=0)
        inverse = np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)
        scaled = (context - mean) * inverse
        square = scaled.T @ scaled + ridge * len(scaled) * np.eye(scaled.shape[1])
        slopes = inverse[:, None] * np.linalg.solve(square, scaled.T @ (rewards - rewards.mean(axis=0)))
        return cls(rewards.mean(axis=0) - mean @ slopes, slopes)

    def choose(self, context: Floats) -> Ints:
        """Return the member to follow at each decision, [decision]."""
        return np.argmax(self.intercept + context @ self.slopes, axis=1)


class ThompsonSwitch:
    """What is known of each member's mean reward, and a member drawn by the chance that its mean is the highest.

    Mean and variance of a member's rewards are unknown: the mean's posterior is a Student t. Sources: Thompson (1933),
    "On the likelihood that one unknown probability exceeds another"; Murphy (2007), "Conjugate Bayesian analysis of
    the Gaussian distribution", section 6; Raj and Kalyani (2017), "Taming non-stationary bandits", of forgetting.
    """

    def __init__(self, num_members: int, *, scale: float, memory: float = 1.0) -> None:
        """Know as much as one reward of 0 in a market of deviation ``scale`` tells.

        ``memory`` is what an observation counts one step later; 1 never forgets.
        """
        self._scale, self._memory = scale, memory
        self._count = 0.0
        self._sum, self._square = np.zeros(num_members), np.zeros(num_members)

    def observe(self, rewards: Floats) -> None:
        """Learn what each member earned at one decision, [member]."""
        self._count = self._memory * self._count + 1
        self._sum = self._memory * self._sum + rewards
        self._square = self._memory * self._square + rewards**2

    def posterior(self) -> tuple[Floats, Floats, float]:
        """Return centre and scale of each mean's Student t, [member], and its degrees of freedom."""
        strength, shape = 1 + self._count, 0.5 + self._count / 2
        centre = self._sum / strength
        rate = 0.5 * (self._scale**2 + self._square - strength * centre**2)
        return centre, np.sqrt(rate / (shape * strength)), 2 * shape

    def draw(self, generator: np.random.Generator, num: int = 1) -> Ints:
        """Return ``num`` members, each the best of one draw of all means."""
        centre, scale, freedom = self.posterior()
        return np.argmax(centre + scale * generator.standard_t(freedom, size=(num, len(centre))), axis=1)

    def chances(self, generator: np.random.Generator, num: int) -> Floats:
        """Return the share of ``num`` draws that fell on each member, [member]."""
        return np.bincount(self.draw(generator, num), minlength=len(self._sum)) / num

    def follow(self, rewards: Floats, generator: np.random.Generator) -> Ints:
        """Return whom it follows at each decision, [decision]: drawn before it learns the decision's ``rewards``."""
        chosen = np.empty(len(rewards), dtype=np.int64)
        for number, row in enumerate(rewards):
            chosen[number] = self.draw(generator)[0]
            self.observe(row)
        return chosen
