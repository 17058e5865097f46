"""Step: compute features, register them in Feast, fill the online store; before it, who wants them, forecasts."""

from typing import Final

FORECAST_TIMEOUT_S: Final = 6 * 3600
"""How long the forecast step may take."""
