"""Names of the feature views, with the version of their schema in them. Importing this loads nothing."""

TECHNICAL_VIEW = "technical_v1"
RETURNS_VIEW = "returns_v1"
CHARACTERISTICS_VIEW = "characteristics_v1"
SPECTRAL_VIEW = "spectral_v1"
FORECASTS_VIEW = "forecasts_v1"
CONTEXT_VIEW = "context_v1"
OPTIONS_VIEW = "options_v1"
