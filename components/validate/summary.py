"""The verdict on half a page: Markdown for the place where a run is looked at."""

from components.core.page import text
from components.core.verdict import GateResult, Verdict
from components.validate.markdown import plain, table
from components.validate.sections import FORMS

SIGNS = {"pass": "✓", "fail": "✕", "insufficient evidence": "?"}


def gate_rows(gates: tuple[GateResult, ...]) -> list[dict[str, str]]:
    """Return what each gate asked and answered, as a table tells it."""
    rows: list[dict[str, str]] = []
    for gate in gates:
        form = FORMS.get(gate.metric, ".4g")
        known = gate.lower is not None or gate.upper is not None
        rows.append(
            {
                "Question": gate.title,
                "Answer": f"{SIGNS[gate.outcome]} {gate.outcome}",
                "Value": text(gate.value, form),
                "Interval": f"{text(gate.lower, form)} to {text(gate.upper, form)}" if known else "",
                "Must be": f"{'above' if gate.side == 'above' else 'at most'} {text(gate.bound, 'g')}",
            }
        )
    return rows


def summary(verdict: Verdict) -> str:
    """Return headline, reason, gates and what was judged."""
    passed = sum(gate.outcome == "pass" for gate in verdict.gates)
    return (
        f"# {SIGNS[verdict.verdict]} {plain(verdict.family)} on {plain(verdict.dataset)}: {verdict.verdict}\n\n"
        f"{plain(verdict.reason)}\n\n"
        f"{passed} of {len(verdict.gates)} gates passed; the bound of the interval decides, not the value.\n\n"
        f"{table(gate_rows(verdict.gates))}\n"
        f"Bundle `{verdict.bundle_digest[:12]}`, examples `{verdict.examples_digest[:12]}`, recipe "
        f"`{verdict.recipe_digest[:12]}`, run `{plain(verdict.run_key)}`.\n"
    )
