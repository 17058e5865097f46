"""Chronological zones: sizes worked out by hand, and what holds for all of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.assemble.examples import zone_of
from components.core.errors import RecipeError
from components.core.recipe import DataConfig
from components.market.splits import chronological


def sizes(num_rows: int, **fractions: float) -> dict[str, int]:
    return {name: rows.stop - rows.start for name, rows in chronological(num_rows, fractions).items()}


@pytest.mark.promise("S3-13")
def test_7261_rows_split_into_5808_and_1453() -> None:
    assert sizes(7261, train=0.8, validation=0.2) == {"train": 5808, "validation": 1453}


def test_boundaries_are_not_moved_by_binary_fractions() -> None:
    assert 0.7 + 0.1 < 0.8
    assert sizes(1000, train=0.7, validation=0.1, test=0.2) == {"train": 700, "validation": 100, "test": 200}
    four = sizes(1000, train=0.6, validation=0.15, calibration=0.1, test=0.15)
    assert four == {"train": 600, "validation": 150, "calibration": 100, "test": 150}
    assert sizes(3, a=1 / 3, b=1 / 3, c=1 / 3) == {"a": 1, "b": 1, "c": 1}


def test_zones_with_fraction_zero_are_absent_and_the_last_one_takes_the_rest() -> None:
    assert sizes(7, train=0.5, calibration=0.0, validation=0.5, test=0.0) == {"train": 3, "validation": 4}


@pytest.mark.promise("S3-12")
@settings(deadline=None, derandomize=True)
@given(num_rows=st.integers(0, 10**7), parts=st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any))
def test_zones_are_ordered_disjoint_and_cover_every_row(num_rows: int, parts: list[int]) -> None:
    fractions = {f"zone{place}": part / sum(parts) for place, part in enumerate(parts)}
    zones = list(chronological(num_rows, fractions).values())
    assert zones[0].start == 0
    assert zones[-1].stop == num_rows
    assert all(earlier.stop == later.start for earlier, later in pairwise(zones))
    kept = np.array([part for part in parts if part > 0]) / sum(parts) * num_rows
    assert all(abs(rows.stop - rows.start - want) <= 1.0001 for rows, want in zip(zones, kept, strict=True))


@pytest.mark.parametrize(
    "fractions", [{"train": 0.8, "test": 0.1}, {"train": 1.2, "test": -0.2}, {"train": np.nan}, {}]
)
def test_fractions_that_are_no_whole_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="zones"):
        chronological(100, fractions)


def test_a_negative_number_of_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="num_rows"):
        chronological(-1, {"train": 1.0})


@pytest.mark.promise("S4-81")
def test_seventy_fifteen_fifteen_with_a_gap_of_five_days() -> None:
    data = DataConfig(zones={"train": 0.7, "validation": 0.15, "test": 0.15}, embargo_bars=5)
    zones = zone_of(np.arange("2020-01-01", "2022-09-27", dtype="datetime64[D]"), data)
    names, counts = np.unique(zones, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "train": 700, "embargo": 10, "validation": 145, "test": 145,
    }  # fmt: skip
    assert zones[699:705].tolist() == ["train"] + ["embargo"] * 5
