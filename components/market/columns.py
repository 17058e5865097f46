"""Names of the feature columns, apart from the code that computes them, so that listing them costs nothing."""

from components.market.option_fields import OPTION_FEATURES

PRICES = ("open", "high", "low", "close", "volume")
"""Forward-adjusted OHLC in the currency of the source; volume in shares of the first bar's count."""

TECHNICAL = (
    *PRICES,
    "rsi_14",
    "atr_14",
    "ema_50",
    "ema_200",
    "bb_middle",
    "bb_upper",
    "bb_lower",
    "bb_width",
    "bb_percent",
)
"""The inputs of the price-action model, in its order."""

MACD = ("macd", "macd_signal", "macd_hist")
"""Moving average convergence, 12, 26 and 9 bars, in the currency of the price."""

RETURNS = (
    "return_1d",
    "return_5d",
    "return_21d",
    "return_63d",
    "vol_21d",
    "vol_63d",
    "drawdown_21d",
    "drawdown_63d",
    "rel_strength_21d",
    "rel_strength_63d",
)
"""The health features, over daily bars."""

OWN = (*TECHNICAL[len(PRICES) :], *MACD, *RETURNS[:8])
"""Every column above that is made of a symbol's own candles alone: one pass computes them all."""

CHARACTERISTICS = ("beta_252", "hurst_126", "liquidity_regime")
"""Slow traits of a symbol, over daily bars."""

FOUNDATION_TECHNICAL = ("open", "high", "low", "close", "volume", "rsi_14", "ema_50", "ema_200")
"""What the foundation reads of a bar, besides its returns and its symbol's traits."""

FOUNDATION = (*RETURNS, *FOUNDATION_TECHNICAL, *CHARACTERISTICS)
"""The inputs of the foundation, in its order."""

SPECTRAL = (
    "wavelet_detail_1",
    "wavelet_detail_2",
    "wavelet_detail_3",
    "wavelet_detail_4",
    "fourier_slow",
    "fourier_medium",
    "fourier_fast",
    "fourier_entropy",
    "fractal_dimension_126",
    "correlation_30",
)
"""What the price did at each time scale, how rough its path is and how it moves with the market, over bars."""

FORECAST_SOURCE = "statistical"
"""What ``FORECASTS`` are made by: no model, but drift and volatility of the past."""

FORECASTS_BY = "forecast_source"
"""Key, in manifests, of what made the forecasts among the features; where none are read there is none."""

FORECAST_STEPS = (1, 2, 3, 4, 5)
"""Days ahead."""

QUANTILE_LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Levels of the quantiles that are said of moves; the median is the forecast."""

FORECASTS = (
    *(f"forecast_mean_{step}d" for step in FORECAST_STEPS),
    *(f"forecast_std_{step}d" for step in FORECAST_STEPS),
)
"""Mean and standard deviation of the return over the next days, over daily bars."""

CONTEXT = (
    "spy_return_1d",
    "spy_return_21d",
    "spy_vol_21d",
    "yield_slope",
    "credit_spread_proxy",
    "vixy_return_21d",
    "risk_off_proxy",
    "gdelt_avg_tone",
)
"""What the whole market is in, one row per session."""

OPTIONS = tuple(feature.name for feature in OPTION_FEATURES)
"""What the options on an underlying say of it; ``option_fields.py`` has units and formulas."""

REGIMES = ("calm_uptrend", "risk_on_trend", "risk_off_trend", "choppy", "high_vol_panic")
"""What the market can be in, by code."""

VOL_BUCKETS = ("low", "med", "high")
"""How much a price moves, by code."""

ACTIONS = ("buy", "hold", "sell")
"""What to do with a symbol, by code."""

BEHAVIORS = ("momentum", "mean_reversion", "mixed")
"""What moves of a price are followed by, by code."""
