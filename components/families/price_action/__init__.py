"""The price-action transformer: 64 bars of 14 technical features say whether the next bar closes higher.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
from components.families.price_action.config import PriceActionConfig
from components.market.columns import TECHNICAL

FAMILY = Family(
    name="price_action",
    title="Price-action transformer: next-bar direction from 64 bars of technical features",
    config=PriceActionConfig,
    feature_service="price_action_v1",
    columns={"technical_v1": TECHNICAL},
    truth=Truth(
        planted="synthetic://planted?symbols=8&days=2000",
        noise="synthetic://noise?symbols=8&days=2000",
    ),
    resources=Resources(cpu="4", memory="16Gi", gpus=1),
    parallel=True,
    outputs=(Output(name="probability", unit="fraction"), Output(name="signal", unit="1: go long, 0: stay out")),
)
