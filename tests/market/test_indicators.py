"""The technical features equal TA-Lib's, see no future and do not depend on the neighbours in the panel."""

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from components.market.columns import TECHNICAL
from components.market.indicators import WARMUP_BARS, macd, technical


def walk(num_symbols: int, num_bars: int, seed: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (num_symbols, num_bars)
    close = 80 * np.cumprod(1 + 0.015 * rng.standard_normal(shape), axis=1)
    opens = close * (1 + 0.004 * rng.standard_normal(shape))
    high = np.maximum(opens, close) * (1 + 0.01 * rng.random(shape))
    low = np.minimum(opens, close) * (1 - 0.01 * rng.random(shape))
    return [opens, high, low, close, rng.integers(1, 10**9, shape).astype(np.float64)]


def with_talib(opens, high, low, close, volume) -> dict[str, np.ndarray]:
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    return {
        "open": opens,
        "high": high,
        "low": low,
        "close": close,
        "volume": volume,
        "rsi_14": talib.RSI(close, 14),
        "atr_14": talib.ATR(high, low, close, 14),
        "ema_50": talib.EMA(close, 50),
        "ema_200": talib.EMA(close, 200),
        "bb_middle": middle,
        "bb_upper": upper,
        "bb_lower": lower,
        "bb_width": (upper - lower) / middle,
        "bb_percent": (close - lower) / (upper - lower),
    }


@pytest.mark.promise("S3-10")
def test_the_names_and_their_order_are_the_promised_ones() -> None:
    promised = "open high low close volume rsi_14 atr_14 ema_50 ema_200 bb_middle bb_upper bb_lower bb_width bb_percent"
    assert " ".join(TECHNICAL) == promised
    assert technical(*walk(2, 5)).shape == (2, 5, 14)


@pytest.mark.promise("S3-10")
@pytest.mark.promise("S4-75")
@pytest.mark.parametrize("seed", range(5))
def test_every_feature_equals_talib_with_its_warm_up(seed: int) -> None:
    panel = walk(3, 700, seed)
    features = technical(*panel)
    for symbol in range(3):
        peer = with_talib(*(values[symbol] for values in panel))
        expected = np.stack([peer[name] for name in TECHNICAL], axis=-1)
        np.testing.assert_allclose(features[symbol], expected, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert np.isnan(features[:, WARMUP_BARS - 1]).any(axis=-1).all()
    assert np.isfinite(features[:, WARMUP_BARS:]).all()


@pytest.mark.promise("S4-75")
@pytest.mark.parametrize("num_bars", [1, 12, 25, 26, 33, 34, 35, 700])
def test_macd_equals_talib_with_its_warm_up(num_bars: int) -> None:
    close = walk(3, num_bars)[3]
    for symbol, values in enumerate(macd(close)):
        expected = np.stack(talib.MACD(close[symbol], 12, 26, 9), axis=-1)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, equal_nan=True)
        assert np.isnan(values[:33]).all()


@pytest.mark.parametrize("num_bars", [1, 2, 14, 15, 16, 19, 20, 21, 49, 50, 51])
def test_short_histories_equal_talib(num_bars: int) -> None:
    panel = walk(1, num_bars)
    peer = with_talib(*(values[0] for values in panel))
    expected = np.stack([peer[name] for name in TECHNICAL], axis=-1)
    np.testing.assert_allclose(technical(*panel)[0], expected, rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(deadline=None, derandomize=True)
@given(bar=st.integers(0, 259), factor=st.sampled_from([0.5, 3.0]))
def test_a_feature_does_not_change_when_later_bars_do(bar: int, factor: float) -> None:
    panel = walk(2, 260)
    changed = [values.copy() for values in panel]
    for values in changed:
        values[:, bar + 1 :] *= factor
    np.testing.assert_array_equal(technical(*changed)[:, : bar + 1], technical(*panel)[:, : bar + 1])


def test_symbols_of_unequal_length_equal_the_same_symbols_alone() -> None:
    lengths = [400, 230, 60, 3]
    panel = walk(len(lengths), 400)
    for symbol, length in enumerate(lengths):
        for values in panel:
            values[symbol, length:] = np.nan
    features = technical(*panel)
    for symbol, length in enumerate(lengths):
        alone = technical(*(values[symbol : symbol + 1, :length] for values in panel))
        np.testing.assert_array_equal(features[symbol, :length], alone[0])
        assert np.isnan(features[symbol, length:]).all()


def test_a_price_that_never_moves_has_no_band_and_the_rsi_of_talib() -> None:
    flat = np.full((1, 300), 0.1)
    features = dict(zip(TECHNICAL, technical(flat, flat, flat, flat, flat)[0].T, strict=True))
    np.testing.assert_array_equal(features["rsi_14"][14:], talib.RSI(flat[0], 14)[14:])
    assert (features["rsi_14"][14:] == 0.0).all()
    assert (features["bb_percent"][19:] == 0.5).all()
    assert (features["bb_width"][19:] == 0.0).all()
    assert (features["bb_middle"][19:] == 0.1).all()
    assert (features["atr_14"][14:] == 0.0).all()


def test_a_long_halt_after_trading_equals_talib() -> None:
    panel = [np.concatenate([values, np.repeat(values[:, -1:], 600, axis=1)], axis=1) for values in walk(1, 100)]
    rsi = technical(*panel)[0, :, TECHNICAL.index("rsi_14")]
    np.testing.assert_allclose(rsi, talib.RSI(panel[3][0], 14), rtol=1e-9, atol=1e-9, equal_nan=True)


def test_arrays_of_unequal_shape_are_refused() -> None:
    opens, high, low, close, volume = walk(2, 30)
    with pytest.raises(ValueError, match="one shape"):
        technical(opens, high, low, close, volume[:1])
    with pytest.raises(ValueError, match="one shape"):
        technical(opens[0], high[0], low[0], close[0], volume[0])
