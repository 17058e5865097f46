"""Many models promoted one by one: each by its own verdict, to the ledger of its own market."""

from pathlib import Path
from typing import Any, Final

from components.core import bundle as bundles
from components.core.files import read_json
from components.core.run_context import open_run
from components.core.verdict import VERDICT, read_verified
from components.promote import tracking
from components.promote.twins import BUNDLE, FLEET, JUDGED, settle

CURVES: Final = {"stocks": "finetuned", "pairs": "finetuned/portfolio_pairs"}
"""Folder of the run with one for each model of a part, where its curves are if it has some."""


def promote_each(verdicts: str, family: str, part: str, *, root: str, run_key: str) -> dict[str, Any]:
    """Promote every model whose verdict, untampered and for it, is a pass; record all in MLflow.

    Doing it twice is doing it once.

    Raises:
        SystemExit: With 65 if a bundle or a verdict was altered; with 75 if another was promoted since.
    """
    with open_run(f"promote-{part}", root=root, run_key=run_key) as run:
        settled: dict[str, tuple[str, str]] = {}
        for name in sorted(read_json(Path(verdicts) / FLEET)["twins"]):
            folder = Path(verdicts) / name
            settled[name] = settle(folder, family, run)
            bundle = bundles.load(folder / BUNDLE)
            verdict = read_verified(folder / JUDGED / VERDICT, run.workspace.verify_key)
            names = {"dataset": verdict.dataset, "run_key": run_key, "part": f"{CURVES[part]}/{name}"}
            tracking.record(run.workspace, bundle, verdict, folder / JUDGED, **names)
        counts = [outcome for outcome, _ in settled.values()]
        facts: dict[str, Any] = {name: counts.count(name) for name in ("promoted", "unchanged", "refused")}
        run.record(**facts, models={name: list(it) for name, it in settled.items()})
        return facts
