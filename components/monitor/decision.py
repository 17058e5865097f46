"""From what was seen of a champion to whether it must be trained again, with the reasons and their numbers.

Source: Newcombe (1998), "Interval estimation for the difference between independent proportions", and Zou and Donner
(2008), "Construction of confidence limits about effect measures", for the bound of a difference from two intervals.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from components.core.config import Config

FORMAT: Final = 1
MAX_P_VALUE: Final = 0.05
"""How often stretches that are all alike may count as a drift."""

Outcome = Literal["keep", "retrain", "insufficient evidence"]


class Finding(Config):
    """One thing that was looked at."""

    what: Literal["champion", "decay", "drift"]
    """``decay`` of what the model knows, ``drift`` of what it reads."""
    outcome: Outcome
    """What it speaks for."""
    reason: str
    """Why, in one sentence with numbers."""


class Request(Config):
    """Whether a family's champion on a dataset must be trained again."""

    format: Literal[1] = FORMAT
    """Version of this document."""
    outcome: Outcome
    """``retrain`` if one finding says so."""
    findings: tuple[Finding, ...]
    """All that was looked at."""
    family: str
    """Model family."""
    dataset: str
    """Name under which its models compete."""
    champion: str | None
    """Digest of the bundle that was watched; null if there is none."""
    run_key: str
    """The run that watched."""
    created: str
    """When, ISO 8601 in UTC."""


def decide(seen: Mapping[str, Any]) -> tuple[Outcome, tuple[Finding, ...]]:
    """Return the outcome and its findings; a number that is not finite speaks for a training, never against it."""
    if seen["champion"] is None:
        lone = Finding(what="champion", outcome="retrain", reason="There is no champion: the baseline answers.")
        return lone.outcome, (lone,)
    found = (*_decays(seen["skill"]), _drift(seen["drift"], int(seen["num_live_times"])))
    outcomes = {finding.outcome for finding in found}
    if "retrain" in outcomes:
        return "retrain", found
    return ("keep" if outcomes == {"keep"} else "insufficient evidence"), found


def _decays(skills: list[dict[str, Any]]) -> Iterator[Finding]:
    if not skills:
        yield Finding(what="decay", outcome="retrain", reason="The champion's verdict asked nothing of the holdout.")
    for skill in skills:
        yield _decay(skill["then"], skill["now"])


def _decay(then: Mapping[str, Any], now: Mapping[str, Any]) -> Finding:
    """Return whether a skill is surely less than it was: both are better the higher they are."""
    metric = now["metric"]
    if now["outcome"] == "insufficient evidence" and now["value"] is None:
        return Finding(what="decay", outcome="insufficient evidence", reason=f"{metric}: {now['reason']}")
    numbers = [then["value"], then["lower"], now["value"], now["upper"]]
    if not all(number is not None and math.isfinite(number) for number in numbers):
        return Finding(what="decay", outcome="retrain", reason=f"{metric}: not known any more. {now['reason']}")
    was, was_at_least, here, at_most = numbers
    lost = was - here
    surely = lost - math.hypot(was - was_at_least, at_most - here)
    told = (
        f"{metric}: {here:.4g} since, at most {at_most:.4g}, and {was:.4g} on the sealed holdout, at least "
        f"{was_at_least:.4g}: {'lost' if surely > 0 else 'not surely lost'}, by {lost:.4g}, at least {surely:.4g}."
    )
    return Finding(what="decay", outcome="retrain" if surely > 0 else "keep", reason=told)


def _drift(drift: Mapping[str, Any], num_live_times: int) -> Finding:
    num_times, newest, earlier = int(drift["num_times"]), drift["newest"], drift["earlier"]
    if not num_times:
        told = f"Too few times to compare: {num_live_times} since it was judged, or too few before them."
        return Finding(what="drift", outcome="insufficient evidence", reason=told)
    indices = [newest, *earlier]
    if not all(index is not None and math.isfinite(index) for index in indices):
        told = "The features cannot be compared with those of the training: an index is no number."
        return Finding(what="drift", outcome="retrain", reason=told)
    p_value = (1 + sum(index >= newest for index in earlier)) / len(indices)
    told = (
        f"In the newest {num_times} times {drift['furthest']} moved {newest:.2f} times as far from the training as is "
        f"usual of it, in {len(earlier)} earlier stretches as long no feature more than {max(earlier):.2f} times: "
        f"p {p_value:.2f}."
    )
    return Finding(what="drift", outcome="retrain" if p_value <= MAX_P_VALUE else "keep", reason=told)
