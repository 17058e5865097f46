"""What a search over recipes may try: ranges and options, by dotted key. A family declares its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.core.errors import UsageError


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``, both included; whole ones if both are."""

    low: float
    high: float
    log: bool = False
    """Whether each factor is as likely, not each step."""


@dataclass(frozen=True)
class Options:
    """One of some values."""

    values: tuple[int | float | str | bool, ...]


Choice = Range | Options
Space = Mapping[str, Choice]
Backend = Literal["optuna", "ray"]
"""Who proposes trials and carries them out."""


def maximizes(metric: str) -> bool:
    """Return whether more of a number of the history is better: of all but losses."""
    return "loss" not in metric


def parse_choice(text: str) -> tuple[str, Choice]:
    """Return the key and the choice of a text such as ``train.lr=1e-5..1e-2:log`` or ``train.batch=16,32,64``.

    Raises:
        UsageError: If the text has another form, or a range is empty.
    """
    key, equals, right = text.partition("=")
    span, _, scale = right.partition(":")
    low, dots, high = span.partition("..")
    if not (key and equals and right) or scale not in ("", "log"):
        raise UsageError(f"--space {text!r:.80}: want key=low..high, key=low..high:log or key=value,value")
    if not dots:
        return key, Options(tuple(_number(item.strip(), text) for item in span.split(",")))
    choice = Range(_number(low, text), _number(high, text), log=scale == "log")
    if not choice.low < choice.high or (choice.log and choice.low <= 0):
        raise UsageError(f"--space {text!r:.80}: the low end must be below the high one, and above 0 for log")
    return key, choice


def _number(text: str, whole: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise UsageError(f"--space {whole!r:.80}: {text!r:.40} is no number")
