"""Statistics of predictions and returns that know how little one history says.

Sources: Wilson (1927); Politis and Romano (1994), "The Stationary Bootstrap"; Politis and White (2004)
with the correction of Patton, Politis and White (2009).
"""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_MAX_CELLS = 4_000_000
_SMALLEST = float(np.finfo(np.float64).eps)


def wilson_interval(successes: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of a proportion; with no trial it is (0, 1).

    Raises:
        ValueError: If ``successes`` is not between 0 and ``total``.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be between 0 and total={total}, was {successes}")
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = successes / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def log_loss_rows(label: Array, probability: Array) -> Array:
    """Return each row's negative log-likelihood in nats; a sure and wrong row costs about 36."""
    sure = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    rows: Array = -(label * np.log(sure) + (1 - label) * np.log(1 - sure))
    return rows


def class_log_loss_rows(label: npt.NDArray[np.int64], probability: Array) -> Array:
    """Return each row's negative log-likelihood in nats of the class that came; at most about 36."""
    came = probability[np.arange(label.size), label]
    rows: Array = -np.log(np.clip(came, _SMALLEST, 1.0))
    return rows


def quantile_loss_rows(came: Array, said: Array, levels: Array) -> Array:
    """Return each row's quantile loss, its mean over steps and levels, of moves [row, step].

    ``said`` is [row, step, level], or broadcasts to it.
    """
    error = came[..., None] - said
    rows: Array = np.maximum(levels * error, (levels - 1) * error).mean(axis=(1, 2))
    return rows


def ranks(score: Array) -> Array:
    """Return each row's place in ascending order, from 1; equal scores share the mean of their places."""
    _, group, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle: Array = np.cumsum(counts) - (counts - 1) / 2
    return middle[group]


def auc(label: Array, score: Array) -> float:
    """Return the chance that a random 1 is scored above a random 0, ties counting half; NaN without both classes."""
    return auc_of_ranks(label, ranks(score))


def auc_of_ranks(label: Array, rank: Array) -> float:
    """Return what ``auc`` does for scores whose ranks are known."""
    num_up = float(label.sum())
    pairs = num_up * (label.size - num_up)
    return (float(rank @ label) - num_up * (num_up + 1) / 2) / pairs if pairs else math.nan


def placements(label: Array, score: Array) -> Array:
    """Return of each row the share of the rows with the other label that it is on the right side of, ties half.

    Their mean over the 1s is the AUC, and so is that over the 0s. Without both labels they are NaN.
    """
    rank, up = ranks(score), label == 1
    right = np.empty(label.size)
    with np.errstate(invalid="ignore"):
        right[up] = (rank[up] - ranks(score[up])) / np.count_nonzero(~up)
        right[~up] = 1 - (rank[~up] - ranks(score[~up])) / np.count_nonzero(up)
    return right


def optimal_block_length(series: Array) -> float:
    """Return the mean block length, in steps, that suits the stationary bootstrap of this series' mean; at least 1.

    Politis and White: the flat-top window reaches to twice the lag after which the autocorrelations
    stay insignificant. A constant series gives 1.
    """
    num = series.size
    centred = series - series.mean()
    if num < 4 or np.ptp(series) == 0:  # noqa: PLR2004 - too short for a lag
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(num))))
    reach = min(math.ceil(math.sqrt(num)) + run, num - 1)
    covariance = np.array([centred[: num - lag] @ centred[lag:] for lag in range(reach + 1)]) / num
    small = np.abs(covariance[1:] / covariance[0]) < 2 * math.sqrt(math.log10(num) / num)
    quiet = [lag for lag in range(reach) if small[lag : lag + run].all()]
    window = min(2 * max(quiet[0] if quiet else reach, 1), reach)
    lags = np.arange(-window, window + 1)
    taper = np.minimum(1.0, 2 * (1 - np.abs(lags) / window))
    spectrum = taper * covariance[np.abs(lags)]
    long_run, slope = float(spectrum.sum()), float((np.abs(lags) * spectrum).sum())
    if long_run <= 0:
        return 1.0
    length = (slope * slope / (long_run * long_run)) ** (1 / 3) * num ** (1 / 3)
    return min(max(1.0, length), float(math.ceil(min(3 * math.sqrt(num), num / 3))))


def resampled_histories(
    num_times: int, *, block_length: float, samples: int, rng: np.random.Generator, num_rows: int = 1
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield which time each place of each resampled history holds, in chunks (samples, times).

    Histories are stationary-bootstrap draws: blocks start anywhere, wrap around, and have geometric
    lengths with mean ``block_length``. A time is drawn with everything that happened at it, so the
    dependence between symbols stays. ``num_rows`` is the width of what the caller builds per sample;
    chunks are cut so that it fits in memory.
    """
    chunk = max(1, _MAX_CELLS // max(num_times, num_rows))
    places = np.arange(num_times)
    for done in range(0, samples, chunk):
        count = min(chunk, samples - done)
        starts = rng.integers(num_times, size=(count, num_times))
        fresh = rng.random((count, num_times)) < 1 / block_length
        fresh[:, 0] = True
        began = np.maximum.accumulate(np.where(fresh, places, 0), axis=1)
        yield (np.take_along_axis(starts, began, axis=1) + places - began) % num_times


def bootstrap_weights(
    num_times: int, *, block_length: float, samples: int, rng: np.random.Generator, num_rows: int = 1
) -> Iterator[Array]:
    """Yield how often each time occurs in each of the ``resampled_histories``, in chunks (samples, times)."""
    histories = resampled_histories(num_times, block_length=block_length, samples=samples, rng=rng, num_rows=num_rows)
    for drawn in histories:
        count = len(drawn)
        flat = drawn + num_times * np.arange(count)[:, None]
        counts = np.bincount(flat.ravel(), minlength=count * num_times)
        yield counts.reshape(count, num_times).astype(np.float64)


def sharpe_ratio(returns: Array, *, periods_per_year: float) -> float:
    """Return the annualised mean over standard deviation (ddof 1); NaN if nothing varies."""
    if returns.size < 2 or np.ptp(returns) == 0:  # noqa: PLR2004 - nothing varies
        return math.nan
    return float(returns.mean()) / float(returns.std(ddof=1)) * math.sqrt(periods_per_year)
