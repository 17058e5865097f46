"""The stock twins: small layers on the frozen foundation, one set for each stock, fitted as one fleet.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Resources
from components.families.twin.config import OPTIONS_VIEW, TwinConfig
from components.market.columns import CHARACTERISTICS, FOUNDATION_TECHNICAL, OPTIONS, RETURNS

FAMILY = Family(
    name="twin",
    title="Stock twins: the foundation's quantiles, corrected for one stock by its newest days",
    config=TwinConfig,
    feature_service="twin_v1",
    columns={
        "returns_v1": RETURNS,
        "technical_v1": FOUNDATION_TECHNICAL,
        "characteristics_v1": CHARACTERISTICS,
    },
    optional={OPTIONS_VIEW: OPTIONS},
    starts_from="foundation",
    latest="models/twins/{ticker}/twin_latest",
    resources=Resources(cpu="2", memory="8Gi", timeout_s=3600),
    labels="moves",
)
"""It serves no graph: a graph is asked about windows, and which twin answers depends on whose window it is."""
