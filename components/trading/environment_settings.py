"""How an agent's account trades, and what a step of it is worth. Importing this loads no torch."""

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from components.core.config import Config
from components.core.judge import Fraction


class RewardConfig(Config):
    """Weights of the parts of a reward; ``market_environment.py`` has the formula."""

    sharpe: NonNegativeFloat = 0.4
    """Of what a step adds to the Sharpe ratio."""

    total_return: NonNegativeFloat = 0.3
    """Of what it earns after costs."""

    drawdown: NonNegativeFloat = 0.3
    """Taken off for how much deeper below the highest equity it leads."""

    transaction: NonNegativeFloat = 0.1
    """Taken off for what its trades cost, beyond what the return has paid."""

    memory: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.98
    """Part of the Sharpe ratio's moments that is kept from step to step; 0.98 looks back about 50 bars."""

    @model_validator(mode="after")
    def _something_is_rewarded(self) -> Self:
        if self.sharpe + self.total_return == 0:
            raise ValueError("reward.sharpe and reward.total_return are both 0, so nothing is worth a trade")
        return self


class EnvironmentConfig(Config):
    """The account that an agent trades with."""

    initial_balance: PositiveFloat = 100_000.0
    """Money at the start of an episode; a position of 1 is worth as much."""

    transaction_cost: Fraction = 0.001
    """Fee, a fraction of what is bought or sold."""

    slippage: Fraction = 0.0005
    """How much worse than the open an order is filled, a fraction of it."""

    episode_bars: Annotated[int, Field(ge=2)] = 252
    """Bars after which an episode is cut off; where the history is shorter it ends with that."""

    reward: RewardConfig = RewardConfig()
    """What a step is worth."""

    @property
    def cost(self) -> float:
        """Return what one unit of turnover costs, fee and slippage together."""
        return self.transaction_cost + self.slippage
