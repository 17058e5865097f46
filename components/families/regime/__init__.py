"""The regime classifier: sessions of market context say which of five regimes comes next week.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
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
    truth=Truth(  # a day more than the horizon: the tone of a day is known on the next
        planted="synthetic://planted?symbols=1&days=10000&strength=0&lead_days=64",
        noise="synthetic://noise?symbols=1&days=10000",
    ),
    resources=Resources(cpu="2", memory="4Gi"),
    unit="market",
    labels="regime",
    outputs=(
        Output(name="regime_probs", unit="fraction", parts=REGIMES),
        Output(name="regime_label", unit=f"code: {', '.join(REGIMES)}"),
        Output(name="regime_embedding", unit="number", parts=tuple(str(place) for place in range(EMBEDDING))),
    ),
)
