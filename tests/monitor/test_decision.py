"""Whether a champion is trained again, by numbers worked out by hand."""

import math
from typing import Any

import pytest

from components.monitor.decision import Request, decide
from components.monitor.report import report_page

EARLIER = [0.1, 0.3, *[0.15] * 17]
DRIFT: dict[str, Any] = {
    "num_times": 60,
    "furthest": "vol_21d",
    "newest": 0.2,
    "earlier": EARLIER,
    "mmd": 0.01,
    "features": [],
}
THEN = {"metric": "auc", "title": "Does it rank?", "value": 0.56, "lower": 0.54, "upper": 0.58, "reason": "because"}


def seen(*, now: dict[str, Any] | None = None, drift: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = THEN | {"outcome": "pass", "value": 0.55, "lower": 0.53, "upper": 0.57} | (now or {})
    return {
        "family": "price_action", "dataset": "d",
        "champion": {"version": 1, "bundle": "b" * 64, "promoted": "2026-01-05"},
        "judged_until": "2026-01-02T00:00:00+00:00", "newest": "2026-04-01T00:00:00", "num_live_times": 60,
        "skill": [{"then": THEN, "now": answer}], "drift": DRIFT | (drift or {}),
    }  # fmt: skip


@pytest.mark.promise("S4-105")
def test_a_skill_is_lost_when_both_intervals_together_say_so() -> None:
    # 0.56 - 0.53 = 0.03 lost; the intervals reach 0.02 down and 0.02 up: 0.03 - sqrt(0.0008) = 0.0017 at least.
    outcome, (decay, drift) = decide(seen(now={"value": 0.53, "upper": 0.55}))
    assert (outcome, decay.outcome, drift.outcome) == ("retrain", "retrain", "keep")
    assert decay.reason == (
        "auc: 0.53 since, at most 0.55, and 0.56 on the sealed holdout, at least 0.54: lost, by 0.03, "
        "at least 0.001716."
    )
    # An upper bound of 0.553 makes it 0.03 - sqrt(0.0004 + 0.000529) = -0.0005.
    assert decide(seen(now={"value": 0.53, "upper": 0.553}))[0] == "keep"
    assert decide(seen())[0] == "keep"


@pytest.mark.promise("S4-105")
def test_a_drift_is_to_lie_further_away_than_all_of_nineteen_stretches() -> None:
    outcome, (_, drift) = decide(seen(drift={"newest": 0.31}))
    assert (outcome, drift.outcome) == ("retrain", "retrain")
    assert "p 0.05" in drift.reason
    assert decide(seen(drift={"newest": 0.3}))[0] == "keep"  # one was as far: p 0.10
    assert decide(seen(drift={"newest": 0.31, "earlier": EARLIER[:18]}))[0] == "keep"  # 1 in 19 is above 0.05


@pytest.mark.promise("S4-105")
def test_what_is_no_number_asks_for_a_training_and_what_is_too_short_for_time() -> None:
    for key in ("value", "upper"):
        for broken in (None, math.nan, math.inf):
            assert decide(seen(now={"outcome": "fail", key: broken}))[0] == "retrain"
    assert decide(seen(drift={"newest": None}))[0] == "retrain"
    assert decide(seen(drift={"earlier": [*EARLIER[:18], math.nan]}))[0] == "retrain"
    assert decide(seen() | {"skill": []})[0] == "retrain"
    assert decide(seen() | {"champion": None})[0] == "retrain"
    early = {"outcome": "insufficient evidence", "value": None, "upper": None, "reason": "12 of 30 times."}
    assert decide(seen(now=early, drift={"num_times": 0, "newest": None, "earlier": []}))[0] == "insufficient evidence"
    assert decide(seen(now=early))[0] == "insufficient evidence"
    assert decide(seen(now=early, drift={"newest": 0.31}))[0] == "retrain"


def test_the_page_holds_the_findings_and_nothing_that_is_markup() -> None:
    facts = seen(now={"title": "<script>"}, drift={"features": [
        {"name": "vol_21d", "psi": 1.2, "ks": 0.4, "reference_mean": 0.01, "current_mean": 0.03}
    ]})  # fmt: skip
    outcome, findings = decide(facts)
    asked = Request(
        outcome=outcome, findings=findings, family="price_action", dataset="d", champion="b" * 64, run_key="k",
        created="2026-04-02T00:00:00+00:00",
    )  # fmt: skip
    page = report_page(asked, facts)
    assert "It holds" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert all(word in page for word in ("vol_21d", "1.200", findings[0].reason, "Judged on days up to"))
    nobody = asked.model_copy(update={"outcome": "retrain", "champion": None})
    assert "Train it again" in report_page(nobody, {"champion": None})
