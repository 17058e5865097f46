"""How often a fleet promotes a twin without skill: fleets whose every twin is known to have it or not."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.core.code import code_digest
from components.core.files import digest_of
from components.core.judge import JudgeConfig
from components.market.predictions import Predictions
from components.trading.discovery import Correction, adjusted
from components.validate.fleet import LEVEL, Twin, p_value
from pipelines.calibration import MAX_NOISE, Calibration, Row, mean_row, share_row
from pipelines.study import Facts, Study, carry_out

NUM_TWINS: Final = 300
NUM_TIMES: Final = 500
"""Decision times of a test zone: two years of days."""
SKILL: Final = 0.2
"""Standard deviations by which the signal of a skilful twin moves the next bar: an AUC near 0.59."""
SKILFUL: Final = (0.1, 0.5)
"""Least and largest share of skilful twins in a mixed fleet."""
MEMORY: Final = 0.9
"""Autocorrelation of what a twin says from day to day."""
MARKET: Final = 0.25
"""Share of the common factor in the variance of a move: the twins of one market are not independent."""
KINDS: Final[Mapping[str, int]] = {"noise": 0, "mixed": 1}
"""The kinds of fleets, and the number by which each has draws of its own."""
NAMES: Final[Mapping[Correction, str]] = {"by": "Benjamini-Yekutieli", "bh": "Benjamini-Hochberg"}
USED: Final[Correction] = "by"
"""The correction that judges the fleets; of the other the study tells why it does not."""
CONFIG: Final = JudgeConfig(bootstrap_samples=500)


def draws(kind: str, seed: int) -> np.random.Generator:
    """Return the random numbers of a fleet: two of one seed and different kinds have none in common."""
    return np.random.default_rng([seed, KINDS[kind]])


def fleet(rng: np.random.Generator, skilful: np.ndarray, *, num_times: int = NUM_TIMES) -> list[Twin]:
    """Return one twin for each entry of ``skilful``, all over the same days of one market."""
    shape = (num_times, skilful.size)
    signal = rng.standard_normal(shape)
    for time_ in range(1, num_times):
        signal[time_] = MEMORY * signal[time_ - 1] + np.sqrt(1 - MEMORY**2) * signal[time_]
    common = np.sqrt(MARKET) * rng.standard_normal((num_times, 1))
    move = SKILL * skilful * signal + common + np.sqrt(1 - MARKET) * rng.standard_normal(shape)
    days = np.datetime64("2023-01-02", "us") + np.arange(num_times) * np.timedelta64(1, "D")
    probability = 1 / (1 + np.exp(-2 * SKILL * signal))
    return [
        Twin(
            f"T{place:03d}",
            Predictions(
                symbols=(f"T{place:03d}",),
                symbol=np.zeros(num_times, dtype=np.int64),
                timestamp=days,
                probability=probability[:, place],
                label=(move[:, place] > 0).astype(np.float64),
                forward_return=0.012 * move[:, place],
                threshold=0.5,
            ),
        )
        for place in range(skilful.size)
    ]


def judge_fleet(*, kind: str, seed: int, num_twins: int = NUM_TWINS, num_times: int = NUM_TIMES) -> Facts:
    """Return how many twins of one fleet were promoted, and how many of those have no skill."""
    before = time.process_time()
    rng = draws(kind, seed)
    share = rng.uniform(*SKILFUL) if kind == "mixed" else 0.0
    skilful = rng.permutation(num_twins) < round(share * num_twins)
    facts: Facts = {"kind": kind, "seed": seed, "skilful": int(skilful.sum())}
    found = np.array([p_value(twin, CONFIG) for twin in fleet(rng, skilful, num_times=num_times)])
    for correction in NAMES:
        promoted = adjusted(found, correction) <= LEVEL
        facts[correction] = {"promoted": int(promoted.sum()), "false": int((promoted & ~skilful).sum())}
    return facts | {"cpu_s": round(time.process_time() - before, 2)}


def calibrate(
    *, num_markets: int, seed: int, num_processes: int, out: Path, on_done: Callable[[int, int], None]
) -> tuple[Calibration, Path]:
    """Return the table of ``num_markets`` fleets of each kind and the folder that holds it.

    Raises:
        InterruptedRunError: As in ``carry_out``.
    """
    identity = digest_of(["fleet", seed, code_digest()])
    jobs = {
        f"{kind}-{number:05d}": {"kind": kind, "seed": seed + number}
        for number in range(num_markets) for kind in KINDS
    }  # fmt: skip
    study = Study(out / f"fleet-{identity[:12]}", judge_fleet, jobs)
    found = table_of(carry_out(study, num_processes=num_processes, on_done=on_done))
    found.write(study.folder)
    return found, study.folder


def table_of(results: Sequence[Facts]) -> Calibration:
    """Return the table of the results: any promotion from noise, false discoveries of mixed fleets, power."""
    noise, mixed = ([item for item in results if item["kind"] == kind] for kind in KINDS)
    rows = _rows(USED, noise, mixed)
    lines = [
        f"{NAMES[correction]}: {any_.value:.1%} of the fleets of noise with a promotion, {false.value:.1%} false "
        f"discoveries, {_power(mixed, correction):.1%} of the skilful twins promoted."
        for correction in NAMES
        for any_, false in [_rows(correction, noise, mixed)]
    ]
    title = f"fleet: {len(noise)} fleets of each kind, {NUM_TWINS} twins over {NUM_TIMES} days"
    return Calibration(title, rows, tuple(lines))


def _rows(correction: Correction, noise: Sequence[Facts], mixed: Sequence[Facts]) -> tuple[Row, Row]:
    any_ = sum(item[correction]["promoted"] > 0 for item in noise)
    false = np.array([item[correction]["false"] / max(1, item[correction]["promoted"]) for item in mixed])
    return (
        share_row("fleets of noise with any promotion", any_, len(noise), side="at most", limit=MAX_NOISE),
        mean_row("false discoveries of mixed fleets", false, side="at most", limit=LEVEL),
    )


def _power(mixed: Sequence[dict[str, Any]], correction: Correction) -> float:
    right = sum(item[correction]["promoted"] - item[correction]["false"] for item in mixed)
    return right / sum(item["skilful"] for item in mixed)
