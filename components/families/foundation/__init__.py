"""The foundation of the stock twins: bars of any stock say how far its price will move in a week, and how sure that is.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
from components.families.foundation.config import FoundationConfig
from components.market.columns import CHARACTERISTICS, FORECAST_STEPS, FOUNDATION_TECHNICAL, QUANTILE_LEVELS, RETURNS

FAMILY = Family(
    name="foundation",
    title="Stock foundation: quantiles of a stock's next five days, from a Temporal Fusion Transformer",
    config=FoundationConfig,
    feature_service="foundation_v1",
    columns={
        "returns_v1": RETURNS,
        "technical_v1": FOUNDATION_TECHNICAL,
        "characteristics_v1": CHARACTERISTICS,
    },
    truth=Truth(
        planted="synthetic://planted?symbols=12&days=3000&strength=0.35",
        noise="synthetic://noise?symbols=12&days=3000",
    ),
    resources=Resources(cpu="4", memory="16Gi"),
    parallel=True,
    labels="moves",
    outputs=(
        Output(
            name="quantile",
            unit="log return",
            parts=tuple(f"{step}d_q{100 * level:02.0f}" for step in FORECAST_STEPS for level in QUANTILE_LEVELS),
        ),
    ),
)
