"""The profit transformer: bars and forecasts say how much of each symbol to hold, trained for money after costs.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
from components.families.profit.config import ProfitConfig
from components.market.columns import FORECASTS, PRICES, RETURNS

RATIOS = ("rsi_14", "bb_width", "bb_percent")
"""Indicators without a price in them."""
COLUMNS = (*PRICES, *RATIOS, *RETURNS, *FORECASTS)
"""Inputs of the network, in its order."""

FAMILY = Family(
    name="profit",
    title="Profit transformer: how much to hold of each symbol, trained on net profit",
    config=ProfitConfig,
    feature_service="profit_v1",
    columns={"technical_v1": (*PRICES, *RATIOS), "returns_v1": RETURNS, "forecasts_v1": FORECASTS},
    truth=Truth(
        planted="synthetic://planted?symbols=8&days=2000",
        noise="synthetic://noise?symbols=8&days=2000",
    ),
    resources=Resources(cpu="4", memory="16Gi", gpus=1),
    parallel=True,
    outputs=(
        Output(name="allocation", unit="-1: all short, 1: all long"),
        Output(name="expected_return", unit="fraction"),
    ),
)
