"""The regime classifier: sessions of market context say which of five regimes comes next week.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources
from components.families.regime.config import RegimeConfig
from components.market.columns import CONTEXT, REGIMES

EMBEDDING = 8
"""Width of the embedding of a window."""

FAMILY = Family(
    name="regime",
    title="Regime classifier: five market regimes from sessions of context",
    config=RegimeConfig,
    feature_service="regime_v1",
    columns={"context_v1": CONTEXT},
    resources=Resources(cpu="2", memory="4Gi"),
    unit="market",
    labels="regime",
    outputs=(
        Output(name="regime_probs", unit="fraction", parts=REGIMES),
        Output(name="regime_label", unit=f"code: {', '.join(REGIMES)}"),
        Output(name="regime_embedding", unit="number", parts=tuple(str(place) for place in range(EMBEDDING))),
    ),
)
