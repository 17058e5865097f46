"""Both engines give the bits of the definition, TA-Lib's values, and the same bars whole or piece by piece."""

from collections.abc import Iterator

import numpy as np
import pytest
import talib
from feature_functions import market
from hypothesis import given, settings
from hypothesis import strategies as st

from components.market import own
from components.market.columns import MACD, OWN, PRICES, RETURNS, TECHNICAL
from components.market.indicators import macd, technical
from components.market.returns import return_features

Panel = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(params=["numpy", "numba"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    own.kernel.cache_clear()
    if request.param == "numba":
        assert own.kernel() is not None
    else:
        monkeypatch.setattr(own, "KERNEL_PAYS_ROWS", 10**18)
    yield request.param
    own.kernel.cache_clear()


def panel(lengths: list[int], seed: int = 3) -> Panel:
    candles, _ = market(len(lengths), max(lengths), seed)
    for symbol, length in enumerate(lengths):
        for values in candles:
            values[symbol, length:] = np.nan
    return candles.high, candles.low, candles.close


def same_bits(got: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(*(np.ascontiguousarray(values).view(np.int64) for values in (got, expected)))


def test_the_columns_are_those_of_the_definitions_bit_for_bit() -> None:
    candles, benchmark = market(5, 700)
    for symbol, length in enumerate([700, 300, 64, 20, 1]):
        for values in (*candles, benchmark):
            values[symbol, length:] = np.nan
    defined = np.concatenate(
        [
            technical(*candles)[..., len(PRICES) :],
            macd(candles.close),
            return_features(candles.close, benchmark)[..., : len(OWN) - len(TECHNICAL) + len(PRICES) - len(MACD)],
        ],
        axis=-1,
    )
    same_bits(own.own_features(candles.high, candles.low, candles.close), np.moveaxis(defined, -1, 1))
    assert (*TECHNICAL[5:], *MACD, *RETURNS[:8]) == OWN


@pytest.mark.promise("S3-10")
@pytest.mark.parametrize("num_bars", [2, 14, 15, 25, 33, 34, 63, 64, 200, 1300, 2700])
def test_every_column_equals_talib(num_bars: int) -> None:
    high, low, close = panel([num_bars], seed=num_bars)
    got = dict(zip(OWN, own.own_features(high, low, close)[0], strict=True))
    price = close[0]
    upper, middle, lower = talib.BBANDS(price, 20, 2.0, 2.0)
    move = talib.ROCP(price, 1)
    expected = {
        "rsi_14": talib.RSI(price, 14),
        "atr_14": talib.ATR(high[0], low[0], price, 14),
        "ema_50": talib.EMA(price, 50),
        "ema_200": talib.EMA(price, 200),
        "bb_middle": middle,
        "bb_upper": upper,
        "bb_lower": lower,
        "bb_width": (upper - lower) / middle,
        "bb_percent": (price - lower) / (upper - lower),
        **dict(zip(MACD, talib.MACD(price, 12, 26, 9), strict=True)),
    }
    for bars in (1, 5, 21, 63):
        expected[f"return_{bars}d"] = talib.ROCP(price, bars)
    for bars in (21, 63):
        spread = np.full(num_bars, np.nan)
        if num_bars > 2:
            spread[1:] = talib.STDDEV(move[1:], bars)
        expected[f"vol_{bars}d"] = spread * np.sqrt(252 * bars / (bars - 1))
        expected[f"drawdown_{bars}d"] = price / talib.MAX(price, bars) - 1
    assert set(expected) == set(OWN)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name)


@settings(deadline=None, derandomize=True, max_examples=12)
@given(seed=st.integers(0, 10**6), longest=st.sampled_from([1, 7, 90]))
def test_bars_that_come_piece_by_piece_give_the_bits_of_the_whole(seed: int, longest: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = [260, *rng.integers(1, 260, 4).tolist()]
    candles = panel(lengths, seed)
    whole, state, place = own.own_features(*candles), own.begin(len(lengths)), np.zeros(len(lengths), dtype=int)
    while (place < lengths).any():
        width = int(rng.integers(1, longest + 1))
        new = np.minimum(rng.integers(0, width + 1, len(lengths)), lengths - place)
        piece = [np.full((len(lengths), width), np.nan) for _ in candles]
        for symbol, count in enumerate(new):
            for source, target in zip(candles, piece, strict=True):
                target[symbol, :count] = source[symbol, place[symbol] : place[symbol] + count]
        features, state = own.append(state, *piece)
        for symbol, count in enumerate(new):
            same_bits(features[symbol, :, :count], whole[symbol, :, place[symbol] : place[symbol] + count])
            assert np.isnan(features[symbol, :, count:]).all()
        place += new
    np.testing.assert_array_equal(state.bars, lengths)


def test_a_state_is_not_spent_by_its_use() -> None:
    high, low, close = panel([100, 60])
    _, state = own.append(own.begin(2), high[:, :40], low[:, :40], close[:, :40])
    kept = [values.copy() for values in state]
    first, _ = own.append(state, high[:, 40:], low[:, 40:], close[:, 40:])
    second, _ = own.append(state, high[:, 40:], low[:, 40:], close[:, 40:])
    same_bits(first, second)
    for before, after in zip(kept, state, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_gap_inside_a_symbol_is_never_filled() -> None:
    high, low, close = panel([300])
    for values in (high, low, close):
        values[0, 100] = np.nan
    got = dict(zip(OWN, own.own_features(high, low, close)[0], strict=True))
    for name, window in {"bb_middle": 20, "return_63d": 1, "vol_21d": 22, "drawdown_63d": 63}.items():
        assert np.isnan(got[name][100]), name
        assert np.isfinite(got[name][100 + max(window, 64) :]).all(), name
        assert np.isnan(got[name][100 : 100 + window]).all(), name
    for name in ("rsi_14", "atr_14", "ema_50", "ema_200", "macd"):
        assert np.isnan(got[name][100:]).all(), name


def test_a_price_that_never_moves() -> None:
    flat = np.full((1, 300), 0.1)
    got = dict(zip(OWN, own.own_features(flat, flat, flat)[0, :, -1], strict=True))
    still = ("rsi_14", "atr_14", "bb_width", "return_1d", "return_63d", "vol_21d", "vol_63d", "drawdown_63d")
    assert {name: got[name] for name in still} == dict.fromkeys(still, 0.0)
    assert (got["bb_middle"], got["bb_percent"]) == (0.1, 0.5)


def test_arrays_of_unequal_shape_are_refused() -> None:
    high, low, close = panel([30, 30])
    with pytest.raises(ValueError, match="one shape"):
        own.own_features(high, low[:1], close)
    with pytest.raises(ValueError, match="knows 3 symbols, the candles are of 2"):
        own.append(own.begin(3), high, low, close)
