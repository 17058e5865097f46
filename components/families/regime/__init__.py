"""The regime classifier: sessions of market context say which of five regimes comes next week.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Resources
from components.families.regime.config import RegimeConfig
from components.market.columns import CONTEXT

FAMILY = Family(
    name="regime",
    title="Regime classifier: five market regimes from sessions of context",
    config=RegimeConfig,
    feature_service="regime_v1",
    columns={"context_v1": CONTEXT},
    resources=Resources(cpu="2", memory="4Gi"),
    unit="market",
    labels="regime",
)
