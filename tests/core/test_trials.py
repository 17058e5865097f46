"""The ledger of trials: each model counts once, and only where its days are those of the question."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.core.errors import ArtifactError
from components.core.ledger import Ledger
from components.core.span import Span
from components.core.trials import Trial, overlapping, record

SPRING = Span("2024-03-01T00:00:00+00:00", "2024-05-31T00:00:00+00:00")
TRIAL = Trial(
    kind="judge", run_key="r1", bundle="b1", recipe="c1", examples="e1", span=SPRING, num_times=60, score=0.1
)  # fmt: skip


def test_a_trial_comes_back_as_it_was_written(tmp_path: Path) -> None:
    undefined = replace(TRIAL, bundle="b2", score=None)
    record(Ledger(tmp_path), TRIAL)
    assert record(Ledger(tmp_path), undefined) == (TRIAL, undefined)


def test_looking_again_at_a_bundle_on_the_same_examples_is_the_same_trial(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    others = [replace(TRIAL, examples="e2"), replace(TRIAL, bundle="b2"), replace(TRIAL, kind="tune")]
    for trial in [TRIAL, replace(TRIAL, run_key="r2", score=0.3), *others, *reversed(others), *others]:
        trials = record(ledger, trial)
    assert trials == (TRIAL, *others)
    assert record(ledger, TRIAL) == (TRIAL,), "later trials do not change what was found at first"


@pytest.mark.parametrize(
    ("first", "last", "shared"),
    [
        ("2024-01-01", "2024-02-29", False),
        ("2024-01-01", "2024-03-01", True),
        ("2024-05-31T23:00:00+00:00", "2024-07-01", True),
        ("2024-06-01T00:00:00+00:00", "2024-07-01", False),
        ("2024-04-01", "2024-04-02", True),
        ("2024-01-01", "2024-12-31", True),
    ],
)
def test_only_trials_that_share_a_day_are_counted(first: str, last: str, shared: bool) -> None:
    other = replace(TRIAL, bundle="b2", span=Span(first, last))
    assert overlapping([TRIAL, other], SPRING) == ((TRIAL, other) if shared else (TRIAL,))
    assert overlapping([TRIAL], other.span) == ((TRIAL,) if shared else ())


def test_a_ledger_from_which_a_bad_score_was_edited_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for name in ("b1", "b2"):
        record(ledger, replace(TRIAL, bundle=name))
    path = tmp_path / "00000000.json"
    path.write_text(path.read_text().replace("0.1", "0.9"))
    with pytest.raises(ArtifactError, match="chain is broken"):
        record(ledger, replace(TRIAL, bundle="b3"))
