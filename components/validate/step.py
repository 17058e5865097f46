"""The validate step: the bundle, its examples and the present champion before the judge."""

import shutil
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import family as families
from components.core import registry
from components.core.files import read_json
from components.core.run_context import open_run
from components.validate.judge import judge
from components.validate.published import CLASSIFICATION, REPORT, SUMMARY

THREADS = 1


def validate(
    bundle: str,
    examples: str,
    *,
    family: str,
    recipe: str,
    dataset: str,
    out: str,
    report: str,
    summary: str,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Write the signed verdict to ``out``, the page to ``report`` and half a page of Markdown to ``summary``.

    Returns ``outcome``, the plain ``metrics``, and what ``Evidence.classification`` does.
    """
    with open_run("validate", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        history = registry.history(run.workspace, member.name, dataset)
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        verdict = judge(
            bundles.load(Path(bundle)),
            Path(examples),
            folder,
            run,
            config=config.judge,
            family=member,
            champion=history.champion.load() if history.champion else None,
            ledger_length=history.length,
            threads=THREADS,
        )
        for name, target in ((REPORT, Path(report)), (SUMMARY, Path(summary))):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
        metrics = {name: item.value for name, item in verdict.metrics.items()}
        gates = [gate.model_dump(mode="json") for gate in verdict.gates]
        run.record(outcome=verdict.verdict, reason=verdict.reason, gates=gates, metrics=metrics, folder=str(folder))
        return {
            "outcome": verdict.verdict,
            "metrics": {key: value for key, value in metrics.items() if value is not None and "." not in key},
            **read_json(folder / CLASSIFICATION),
        }
