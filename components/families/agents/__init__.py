"""Reinforcement-learning agents: PPO, SAC, TD3 and Rainbow trade one symbol each and say how much of it to hold.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
from components.families.agents.config import AgentsConfig
from components.market.columns import PRICES, RETURNS

RATIOS = ("rsi_14", "bb_width", "bb_percent")
"""Indicators without a price in them."""
COLUMNS = (*PRICES, *RATIOS, *RETURNS)
"""Inputs of the graph, in its order."""

FAMILY = Family(
    name="agents",
    title="Reinforcement-learning agents: how much to hold of each symbol, learned by trading it",
    config=AgentsConfig,
    feature_service="agents_v1",
    columns={"technical_v1": (*PRICES, *RATIOS), "returns_v1": RETURNS},
    truth=Truth(
        planted="synthetic://planted?symbols=8&days=2000",
        noise="synthetic://noise?symbols=8&days=2000",
    ),
    resources=Resources(cpu="4", memory="16Gi", gpus=1),
    outputs=(Output(name="allocation", unit="-1: all short, 1: all long"),),
)
