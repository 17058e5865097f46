"""What a price did at each time scale: a causal wavelet and a windowed Fourier transform.

Sources: Percival and Walden (2000), "Wavelet Methods for Time Series Analysis" (the undecimated Haar
transform, MODWT); Murtagh, Starck and Renaud (2004), "On neuro-wavelet modeling" (why Haar a trous
looks back only). The usual symmetric wavelets and whole-series transforms see the future; these do not.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from components.market.panel import bars_first, earlier, growth, symbols_first

Floats = npt.NDArray[np.float64]

WAVELET_LEVELS: Final = 4
FOURIER_BARS: Final = 64

_BANDS = ((1, 4), (4, 13), (13, 33))  # cycles per window: periods 64 to 21.3, 16 to 5.3 and 4.9 to 2 bars
_NO_POWER = 1e-24  # of all power, the mean's too: below it the window holds one constant return, and rounding
_CHUNK_SYMBOLS = 4  # the spectra of this many symbols fit in a few megabytes


def wavelet(close: Floats) -> Floats:
    """Return the Haar details of the log price at levels 1 to 4, [symbol, bar, 4], log units.

    The detail of level j is the mean log price of the last 2^(j-1) bars less that of the last 2^j: above 0
    where the newer half of the window is the higher one. A log price is its mean over the last 16 bars plus
    its details, exactly. NaN until 2^j bars are there.

    Raises:
        ValueError: If ``close`` is not [symbol, bar].
    """
    (closes,) = bars_first(close)
    smooth: Floats = np.log(closes)
    details: list[Floats] = []
    for level in range(WAVELET_LEVELS):
        smoother = (smooth + earlier(smooth, 2**level)) / 2
        details.append(smooth - smoother)
        smooth = smoother
    return symbols_first(details)


def fourier(close: Floats) -> Floats:
    """Return shares of power in slow, medium and fast cycles and the spectral entropy, [symbol, bar, 4].

    Of the last 64 one-bar log returns, less their mean. Slow cycles last 64 to 21.3 bars, medium ones 16 to
    5.3, fast ones 4.9 to 2; the shares add up to 1. Entropy is a fraction of that of white noise. NaN until
    64 returns are there, and where no return differs from the others.

    Raises:
        ValueError: If ``close`` is not [symbol, bar].
    """
    (closes,) = bars_first(close)
    symbols, bars = closes.shape[1], closes.shape[0]
    result = np.full((symbols, bars, len(_BANDS) + 1), np.nan)
    if bars > FOURIER_BARS:
        moves = np.ascontiguousarray(np.log1p(growth(closes)).T)
        windows = np.lib.stride_tricks.sliding_window_view(moves[:, 1:], FOURIER_BARS, axis=1)
        for first in range(0, symbols, _CHUNK_SYMBOLS):
            result[first : first + _CHUNK_SYMBOLS, FOURIER_BARS:] = _shares(windows[first : first + _CHUNK_SYMBOLS])
    return result


def _shares(windows: npt.NDArray[np.float64]) -> Floats:
    """Return the band shares and the entropy of ``windows`` [symbol, bar, 64]."""
    spectrum = np.fft.rfft(windows, axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    power[..., 1:-1] *= 2  # each of these stands for a frequency and its mirror image
    waves = power[..., 1:]  # without the mean
    total = waves.sum(axis=-1)
    moving = total > _NO_POWER * power.sum(axis=-1)
    share = waves / np.where(moving, total, np.nan)[..., None]
    bands = [share[..., low - 1 : high - 1].sum(axis=-1) for low, high in _BANDS]
    nats = -(share * np.log(share + np.finfo(np.float64).tiny)).sum(axis=-1)
    return np.stack([*bands, nats / np.log(share.shape[-1])], axis=-1)
