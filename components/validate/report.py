"""One self-contained HTML page about a verdict: the answer first, then the gates, then what they rest on."""

from html import escape

from components.core.page import DASH, page, text, tiles
from components.core.verdict import GateResult, Outcome
from components.validate.attribution_page import attribution_figures
from components.validate.charts import interval_mark
from components.validate.population import drift_section
from components.validate.sections import FORMS, Findings, data_section, origin_table, training_figure
from components.validate.wishes import wish

_CLASS: dict[Outcome, str] = {"pass": "pass", "fail": "fail", "insufficient evidence": "open"}
_HEADLINE: dict[Outcome, str] = {
    "pass": "✓ Pass: it may be promoted",
    "fail": "✕ Fail: it must not be promoted",
    "insufficient evidence": "? Insufficient evidence: it is not promoted",
}
_PILL: dict[Outcome, str] = {"pass": "✓ pass", "fail": "✕ fail", "insufficient evidence": "? not enough evidence"}


def render(findings: Findings) -> str:
    """Return the page as HTML text; it needs no network and no script."""
    verdict = findings.verdict
    heading = findings.title.partition(":")[0]
    dataset = str(findings.examples.get("dataset", findings.examples.get("source", "")))
    headline = _HEADLINE[verdict.verdict]
    body = (
        f'<p class="over">Verdict on bundle <code>{escape(verdict.bundle_digest[:12])}</code> · '
        f"{escape(verdict.created[:16].replace('T', ' '))} UTC</p>"
        f"<h1>{escape(heading)} on {escape(dataset)}</h1>"
        f'<div class="verdict {_CLASS[verdict.verdict]}" role="status"><b>{escape(headline)}</b>'
        f"<p>{escape(verdict.reason)}</p></div>"
        f"{_tiles(findings)}{_gates(findings)}{_wishes(findings)}{_evidence(findings)}"
        f"<h2>Data</h2>{data_section(findings)}<h2>Origin</h2>{origin_table(findings)}"
        "<footer><p>Intervals are one-sided bounds of a stationary block bootstrap over decision times, all symbols "
        f"of a time together, {verdict.judge.bootstrap_samples:,} resamples, {verdict.judge.confidence:.0%} each. "
        "The signed verdict lies beside this page in verdict.json; page and model card are views of it.</p></footer>"
    )
    return page(f"{headline[2:]} · {heading}", body)


def _tiles(findings: Findings) -> str:
    size = (
        "Test rows",
        text(findings.value("rows"), ",.0f"),
        f"{text(findings.value('timestamps'), ',.0f')} decision times",
    )
    return tiles([*findings.evidence.tiles(findings), size])


def _gate_row(gate: GateResult) -> str:
    form, kind = FORMS.get(gate.metric, ".4g"), _CLASS[gate.outcome]
    span = DASH if gate.lower is None else f"{text(gate.lower, form)} to {text(gate.upper, form)}"
    wish = f"{'above' if gate.side == 'above' else 'at most'} {text(gate.bound, 'g')}"
    mark = "" if gate.value is None else interval_mark(gate.value, gate.lower, gate.upper, gate.bound, outcome=kind)
    return (
        f'<tr><th scope="row">{escape(gate.title)}<small>{escape(gate.reason)}</small></th>'
        f'<td><span class="pill {kind}">{_PILL[gate.outcome]}</span></td><td>{mark}</td>'
        f'<td class="num" data-name="Value">{text(gate.value, form)}</td>'
        f'<td class="num" data-name="Interval">{span}</td><td class="num" data-name="Must be">{wish}</td></tr>'
    )


def _gates(findings: Findings) -> str:
    rows = "".join(_gate_row(gate) for gate in findings.verdict.gates)
    head = '<th scope="col">Question</th><th scope="col">Answer</th><th scope="col">Interval and bound</th>' + "".join(
        f'<th scope="col" class="num">{name}</th>' for name in ("Value", "Interval", "Must be")
    )
    return (
        '<h2>Gates</h2><div class="card"><table class="stack gates">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _wishes(findings: Findings) -> str:
    """Say what would have to be true for a pass."""
    gates, num_times = findings.verdict.gates, findings.zone.num_times
    wishes = [wish(gate, num_times) for gate in gates if gate.outcome != "pass"]
    if not wishes:
        return ""
    items = "".join(f"<li>{escape(words)}</li>" for words in wishes)
    return f"<h2>What would have to be true for a pass</h2><ul>{items}</ul>"


def _evidence(findings: Findings) -> str:
    if findings.shown:
        worth = f"<h2>Features</h2>{attribution_figures(findings.attribution)}"
        drift = drift_section(findings.verdict.metrics, findings.examples["columns"])
        return f"{findings.evidence.body(findings)}{worth}{drift}"
    return f'<h2>Training</h2><div class="grid">{training_figure(findings)}</div>'
