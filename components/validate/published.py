"""What the judge leaves behind: the signed verdict, and the views of it that people and machines read."""

import json
from pathlib import Path
from typing import Final

from components.core.bundle import MANIFEST, Bundle
from components.core.files import atomic_file, read_json, write_json
from components.core.lineage import EXAMPLES
from components.core.run_context import RunContext
from components.core.verdict import VERDICT, write
from components.validate import model_card
from components.validate.report import render
from components.validate.returns import RETURNS
from components.validate.sections import Findings
from components.validate.summary import summary

REPORT, SUMMARY = "report.html", "summary.md"
METRICS, CLASSIFICATION = "metrics.json", "classification.json"
KEPT: Final = (REPORT, model_card.TEXT, RETURNS)
"""What is copied to the run's folder, where people look and later trials are compared."""


def publish(findings: Findings, bundle: Bundle, out: Path, run: RunContext, *, kept: Path) -> None:
    """Write metrics, report, summary, model card and any returns to ``out``, and last the signed verdict: all is there.

    The manifest of the examples lies in ``out`` already; that of the bundle is copied beside it. What people look at
    is written to ``kept`` too.
    """
    verdict = findings.verdict
    write_json(out / METRICS, json.loads(verdict.model_dump_json())["metrics"])
    write_json(out / CLASSIFICATION, findings.evidence.classification() if findings.shown else {})
    write_json(out / model_card.BUNDLE, read_json(bundle.folder / MANIFEST))
    sections = model_card.card(read_json(out / model_card.BUNDLE), verdict, read_json(out / EXAMPLES))
    write_json(out / model_card.DOCUMENT, sections)
    texts = {REPORT: render(findings), SUMMARY: summary(verdict), model_card.TEXT: model_card.as_markdown(sections)}
    contents = {name: text.encode() for name, text in texts.items()}
    if findings.returns is not None:
        contents[RETURNS] = findings.returns
    for name, content in contents.items():
        for folder in {out, kept} if name in KEPT else (out,):
            with atomic_file(folder / name) as file:
                file.write(content)
    write(out / VERDICT, verdict, run.workspace.signing_key)
    run.log.info("%s: %s", verdict.verdict, verdict.reason)
