"""How often the signs of the options came true, by six days worked out by hand."""

import math

import numpy as np
import pytest
import torch

from components.families.twin.appraise import option_signals
from components.families.twin.model import Samples
from components.learning.examples import Examples
from components.market.columns import FOUNDATION, OPTIONS
from components.market.windows import Panel

NUM_DAYS = 6
NONE = torch.empty(NUM_DAYS, 0)
DEVIATIONS = (2.0, -1.5, 1.2, -3.0, 0.9, 5.0)
"""Of the put/call ratio from its usual: the fifth is no extreme."""
MOVES = (0.5, -0.4, -2.0, 1.0, 0.3, 0.0)
"""Standard moves over the horizon: days one and two go against the crowd, three and four with it, six nowhere."""
BALANCES = (0.2, -0.1, 0.3, -0.6, math.nan, 0.1)
"""Of gamma: small moves above 0 on days one and six, a large one below on four; two and three come the other way."""


def option_days(balances: tuple[float, ...]) -> Examples:
    values = np.zeros((1, NUM_DAYS, len(FOUNDATION) + len(OPTIONS)), dtype=np.float32)
    values[0, :, len(FOUNDATION) + OPTIONS.index("gamma_exposure_balance")] = balances
    panel = Panel(values, np.ones((1, NUM_DAYS), dtype=np.bool_), np.arange(NUM_DAYS).astype("datetime64[us]"))
    cells, moments = np.full((1, NUM_DAYS), np.nan), np.zeros(values.shape[-1])
    return Examples(
        digest="", columns=(*FOUNDATION, *OPTIONS), symbols=("AAA",), zones=("test",), panel=panel,
        zone=np.zeros(NUM_DAYS, dtype=np.int64), label=cells, forward_return=cells, now=cells, move=cells,
        classes=(), mean=moments, std=moments + 1, manifest={},
    )  # fmt: skip


def seen(deviations: tuple[float, ...]) -> Samples:
    fear = torch.tanh(torch.tensor(deviations))[:, None]
    move = torch.stack([torch.full((NUM_DAYS,), 9.0), torch.tensor(MOVES)], dim=1)  # the last step alone counts
    return Samples(NONE, NONE, NONE, NONE, NONE, fear, move, NONE)


@pytest.mark.promise("S0-39")
def test_extremes_of_the_put_call_ratio_and_zones_of_gamma_by_hand() -> None:
    ends = np.stack([np.zeros(NUM_DAYS, dtype=np.int64), np.arange(NUM_DAYS)], axis=1)
    found = option_signals(option_days(BALANCES), seen(DEVIATIONS), ends)
    # Extremes that moved: ratio +, -, +, - and moves +, -, -, +. Puts bought and it rose, calls and it fell: 2 of 4.
    assert float(found["pcr_extreme_accuracy"]) == 2 / 4
    # Known zones: damped and small, amplified and small, damped and large, amplified and large, damped and small.
    assert float(found["gamma_zone_accuracy"]) == 3 / 5
    calm = option_signals(option_days((math.nan,) * NUM_DAYS), seen((0.5,) * NUM_DAYS), ends)
    assert all(math.isnan(float(share)) for share in calm.values())  # no such day: no number, not 0
