"""The hybrid network: convolutions, attention and a recurrent layer say buy, hold or sell, and how far it goes.

README.md holds the equations, the sources and the limits. Importing this loads no torch, pandas or numpy.
"""

from components.core.family import Family, Output, Resources, Truth
from components.core.search import Options, Range
from components.families.hybrid.config import HybridConfig
from components.market.columns import ACTIONS, MACD, PRICES

INPUTS = (*PRICES, "rsi_14", *MACD, "bb_middle", "bb_upper", "bb_lower", "bb_width", "bb_percent", "atr_14")
"""Prices and the four indicators: RSI, MACD, Bollinger bands, ATR. Some of them have several columns."""

FAMILY = Family(
    name="hybrid",
    title="Hybrid CNN-LSTM: buy, hold or sell from 60 bars of prices and indicators",
    config=HybridConfig,
    feature_service="hybrid_v1",
    columns={"technical_v1": INPUTS},
    truth=Truth(
        planted="synthetic://planted?symbols=8&days=2000",
        noise="synthetic://noise?symbols=8&days=2000",
    ),
    resources=Resources(cpu="4", memory="16Gi", gpus=1),
    labels="action",
    search={
        "train.lr": Range(1e-5, 1e-2, log=True),
        "train.batch": Options((16, 32, 64, 128)),
        "model.cnn.hidden_dim": Options((128, 256, 512)),
        "model.dropout": Range(0.1, 0.5),
    },
    metric="val_sharpe_ratio",
    parallel=True,
    outputs=(
        Output(name="classification", unit="fraction", parts=ACTIONS),
        Output(name="regression", unit="past volatilities"),
        Output(name="attention_weights", unit="fraction", tabled=False),
        Output(name="features", unit="number", tabled=False),
    ),
)
