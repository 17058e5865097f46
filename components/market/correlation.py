"""Cross-asset correlation: how closely a symbol has moved with the market lately."""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, growth
from components.market.rolling import centred_sum

Floats = npt.NDArray[np.float64]

WINDOW: Final = 30


def correlation(close: Floats, benchmark: Floats, window: int = WINDOW) -> Floats:
    """Return Pearson's correlation with the benchmark, [symbol, bar], of the last ``window`` one-bar returns.

    ``benchmark`` [symbol, bar] is the benchmark's adjusted close as of each bar. NaN until there are
    ``window`` returns, and where one of the two did not move: its correlation does not exist.

    Raises:
        ValueError: If the arrays are not of one shape [symbol, bar].
    """
    own, market = (growth(values) for values in bars_first(close, benchmark))
    scale = np.sqrt(centred_sum(own, own, window)) * np.sqrt(centred_sum(market, market, window))
    shared = centred_sum(own, market, window)
    return np.ascontiguousarray(np.clip(shared / np.where(scale > 0, scale, np.nan), -1.0, 1.0).T)
