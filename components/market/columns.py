"""Names of the feature columns, apart from the code that computes them, so that listing them costs nothing."""

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
