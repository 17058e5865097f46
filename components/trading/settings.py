"""How an account trades: its capital, its costs, its limit and its stops."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field, PositiveInt

from components.core.config import Config
from components.core.judge import Fraction

Level = Annotated[float, Field(gt=0.0, lt=1.0)]


class TradingConfig(Config):
    """Settings of ``engine.trade``. Nothing about money has a default: a run without costs has to say so."""

    capital: Annotated[float, Field(gt=0)]
    """Money at the start; every stake is a share of it, so gains are not reinvested."""
    commission: Fraction
    """Fee of the venue, a fraction of the value traded, on every fill."""
    slippage: Fraction
    """How much worse than the quoted price an order is filled, a fraction; raise it for thin markets."""
    max_position: Annotated[float, Field(gt=0.0, le=1.0)]
    """Share of the capital that a signal of 1 puts into one symbol; lower is safer and earns less."""
    stop_loss: Level | None
    """Leave once the price is this fraction worse than the entry; None never does. Tight stops trade more."""
    take_profit: Level | None
    """Leave once the price is this fraction better than the entry; None never does."""
    delay_bars: PositiveInt = 1
    """Bars from the close that decides to the open that fills; 1 is the next open, the soonest there is."""

    @property
    def stake(self) -> float:
        """Return the money that a signal of 1 puts into one symbol."""
        return self.capital * self.max_position

    @property
    def cost(self) -> float:
        """Return what one unit of turnover costs, commission and slippage together."""
        return self.commission + self.slippage


PRESETS: Final[Mapping[str, TradingConfig]] = MappingProxyType(
    {
        "s2": TradingConfig(
            capital=10_000.0, commission=0.001, slippage=0.0005, max_position=0.3, stop_loss=0.02, take_profit=0.05
        ),
        "s4": TradingConfig(
            capital=100_000.0, commission=0.001, slippage=0.0, max_position=0.2, stop_loss=0.05, take_profit=0.15
        ),
    }
)
"""Ready settings by name: ``s2`` tight and dear, ``s4`` wide and without slippage."""
