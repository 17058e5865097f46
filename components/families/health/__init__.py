"""The health scorer: bars of returns say how healthy a symbol's price will be next quarter.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
from components.families.health.config import HealthConfig
from components.market.columns import RETURNS

LATENT = 16
"""Numbers that a window becomes."""

FAMILY = Family(
    name="health",
    title="Health scorer: how healthy a price will be, from an autoencoder of its returns",
    config=HealthConfig,
    feature_service="health_v1",
    columns={"returns_v1": RETURNS},
    truth=Truth(
        planted="synthetic://planted?symbols=16&days=8000&half_life=60&strength=1.5&steady=1",
        noise="synthetic://noise?symbols=16&days=8000&half_life=60&steady=1",
    ),
    resources=Resources(cpu="2", memory="8Gi"),
    labels="health",
    outputs=(
        Output(name="health_score", unit="fraction"),
        Output(name="vol_bucket", unit="code: low, med, high; -1 unknown"),
        Output(name="behavior", unit="code: momentum, mean_reversion, mixed; -1 unknown"),
        Output(name="health_latent", unit="number", parts=tuple(str(place) for place in range(LATENT))),
        Output(name="reconstruction_error", unit="squared training deviations"),
    ),
)
