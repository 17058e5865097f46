"""Portfolios of two or more symbols: how to split the capital between them at the start of each horizon.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Resources, Truth
from components.families.pairs.config import PairsConfig
from components.market.columns import FORECASTS, RETURNS

RATIOS = ("rsi_14", "bb_width", "bb_percent")
"""Indicators without a price in them."""
FEATURES = (*RATIOS, *RETURNS, *FORECASTS)
"""What is read of each symbol: columns without a scale, the forecasts among them."""

FAMILY = Family(
    name="pairs",
    title="Portfolio of a pair: how to split the capital, trained on growth after costs",
    config=PairsConfig,
    feature_service="pairs_v1",
    columns={"technical_v1": RATIOS, "returns_v1": RETURNS, "forecasts_v1": FORECASTS},
    truth=Truth(
        planted="synthetic://planted?symbols=2&days=6000&strength=1&half_life=5",
        noise="synthetic://noise?symbols=2&days=6000&half_life=5",
    ),
    resources=Resources(cpu="2", memory="8Gi"),
)
"""It serves no graph: a graph is asked about the windows of one symbol, and a split is of several."""
