"""Many models of one family before the judge, each on examples of its own: each has to stand out among all of them."""

from pathlib import Path
from typing import Any, Final

from components.core import bundle as bundles
from components.core import family as families
from components.core.bundle import Bundle
from components.core.errors import DataError
from components.core.files import atomic_file, copy_files, fresh_folder, write_json
from components.core.run_context import open_run
from components.core.verdict import Verdict
from components.validate.fleet import LEVEL
from components.validate.twins import BUNDLE, FLEET, Candidate, fleet_page, judged, means_of, standings, told_of

SHOWN: Final = (
    ("timing", "timing", "+.3f"), ("net return", "total_return", "+.1%"), ("net Sharpe", "sharpe", "+.2f"),
    ("held", "hold_total_return", "+.1%"), ("Sharpe over holding", "relative_sharpe", "+.2f"),
    ("p", "p_value", ".3g"), ("adjusted", "adjusted", ".3g"),
)  # fmt: skip
"""Columns of the page: title, name of the number, form."""
ASKED: Final = "the correlation, inside each symbol, of what is held with what comes"


def validate_each(
    models: str, examples: str, *, family: str, recipe: str, part: str, out: str, report: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the bundle and the signed verdict of each model below ``out`` and one page about all to ``report``.

    ``part`` is what they are called in the run. Returns the counts of the outcomes, and means of the metrics.
    """
    with open_run(f"validate-{part}", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe").judge
        names, folder = sorted(item.name for item in Path(models).iterdir() if item.is_dir()), Path(out)
        if not names:
            raise DataError("there is no model", file=models, remedy=f"The logs say why: {run.folder / 'logs'}")
        candidates = [Candidate(name, taken(Path(models), name, folder), Path(examples) / name, {}) for name in names]
        told: dict[str, Any] = {}
        for number, (candidate, standing, discovery) in enumerate(standings(candidates, member, config), start=1):
            verdict = judged(candidate, standing, config, member, out=folder, run=run)
            told[candidate.ticker] = told_of(candidate, discovery, verdict) | numbers_of(verdict)
            run.progress(done=number, total=len(names), line=f"{candidate.ticker}: {verdict.verdict}")
        outcomes = [it["outcome"] for it in told.values()]
        counts = {name: outcomes.count(name) for name in ("pass", "fail", "insufficient evidence")}
        write_json(folder / FLEET, {"twins": told, "outcomes": counts, "level": LEVEL})
        page = fleet_page(member.title, told, counts, columns=SHOWN, asked=ASKED).encode()
        for target in (Path(report), run.folder / "reports" / f"{part}.html"):
            with atomic_file(target) as file:
                file.write(page)
        run.record(outcomes=counts, models=told, folder=str(folder))
        return {"metrics": {**means_of(told), **{f"num_{name.replace(' ', '_')}": n for name, n in counts.items()}}}


def taken(models: Path, name: str, out: Path) -> Bundle:
    """Return a model's bundle as it lies below ``out`` now, where its verdict will."""
    with fresh_folder(out / name / BUNDLE) as folder:
        copy_files(models / name, folder)
    return bundles.load(out / name / BUNDLE)


def numbers_of(verdict: Verdict) -> dict[str, float]:
    """Return the numbers of the page that a verdict has."""
    found = {name: verdict.metrics[name].value for _, name, _ in SHOWN if name in verdict.metrics}
    return {name: value for name, value in found.items() if value is not None}
