"""What would have to be true for a pass, of each gate that was not passed."""

from components.core.judge import CONTROL_METRICS
from components.core.page import text
from components.core.verdict import GateResult
from components.validate.gates import times_needed
from components.validate.sections import FORMS


def value_needed(result: GateResult) -> float | None:
    """Return the value that would clear the bound with an interval as wide as this one; None without a value."""
    edge = result.lower if result.side == "above" else result.upper
    if result.value is None:
        return None
    return result.bound + (result.value - edge if edge is not None else 0.0)


def wish(result: GateResult, num_times: int) -> str:
    """Return, in a sentence or two, the value or the history that would answer the gate with a pass."""
    value = value_needed(result)
    if value is None or result.metric in CONTROL_METRICS or result.zone != "test":
        return f"{result.title} {result.reason}"
    form = FORMS.get(result.metric, ".4g")
    found, side = text(result.value, form), "above" if result.side == "above" else "at most"
    if (result.lower if result.side == "above" else result.upper) is None:
        return f"{result.title} The value must be {side} {result.bound:g}; it is {found}."
    bound = f"{result.title} Its {'lower' if result.side == 'above' else 'upper'} bound must be {side} {result.bound:g}"
    enough = f"with an interval as wide as this one, a value {side} {text(value, form)} would do; it is {found}"
    needed = times_needed(result, num_times)
    if needed is None:
        return f"{bound}: {enough}."
    return (
        f"{bound}: {enough}. If {found} is the true value, about {needed:,} decision times would show it, "
        f"{needed - num_times:,} more than there are."
    )
