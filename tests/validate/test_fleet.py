"""Fleets of twins of which it is known who has skill."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from components.core.errors import UsageError
from components.core.judge import JudgeConfig
from components.trading.discovery import adjusted
from components.validate.fleet import Twin, discoveries, p_value

QUICK = JudgeConfig(bootstrap_samples=200)


def test_the_skilful_are_found_and_the_guessing_and_the_broken_are_not(make_zone) -> None:
    broken = make_zone(skill=0.5, num_symbols=1)
    broken.probability[3] = np.nan
    fleet = [
        *(Twin(f"skilful{seed}", make_zone(skill=0.5, num_symbols=1, seed=seed, num_times=500)) for seed in range(3)),
        *(Twin(f"guess{seed}", make_zone(skill=0.0, num_symbols=1, seed=seed, num_times=500)) for seed in range(3)),
        Twin("broken", broken),
        Twin("short", make_zone(skill=0.5, num_symbols=1, num_times=40)),
    ]
    found = {item.name: item for item in discoveries(fleet, QUICK)}
    in_order = np.array([found[twin.name].p_value for twin in fleet])
    # For any dependence: twins share their days, for which Benjamini and Hochberg prove nothing.
    np.testing.assert_allclose([found[twin.name].adjusted for twin in fleet], adjusted(in_order, "by"))
    assert {name for name, item in found.items() if item.discovered} == {"skilful0", "skilful1", "skilful2"}
    assert np.isnan(found["broken"].p_value)
    assert np.isnan(found["short"].p_value)
    assert all(item.adjusted >= item.p_value for item in found.values() if not np.isnan(item.p_value))


def test_twins_of_several_kinds_are_not_one_fleet(make_zone, make_scores) -> None:
    with pytest.raises(UsageError, match="one kind at a time"):
        discoveries([Twin("a", make_zone(skill=0.1)), Twin("b", make_scores())], QUICK)


def test_scores_need_a_past_for_their_peers(make_scores) -> None:
    tested = make_scores(num_times=400, num_symbols=1)
    assert np.isnan(p_value(Twin("a", tested), QUICK))
    assert p_value(Twin("a", tested, past=make_scores(num_times=400, num_symbols=1, seed=5)), QUICK) < 1e-3


@pytest.mark.slow
def test_p_values_of_twins_without_skill_are_not_too_small(make_zone) -> None:
    zones = (make_zone(skill=0.0, num_symbols=1, num_times=300, seed=seed) for seed in range(400))
    drawn = np.array([p_value(Twin("a", zone), QUICK) for zone in zones])
    for level in (0.01, 0.05, 0.2):
        spread = norm.isf(0.001) * np.sqrt(level * (1 - level) / drawn.size)
        assert (drawn <= level).mean() <= level + spread, level


def test_a_constant_twin_has_no_p_value(make_zone) -> None:
    zone = make_zone(skill=0.3, num_symbols=1)
    assert np.isnan(p_value(Twin("a", replace(zone, probability=np.full(zone.label.size, 0.5))), QUICK))
