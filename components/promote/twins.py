"""A fleet promoted twin by twin: each by its own verdict, to its own ledger; then the records of the week."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.core import bundle as bundles
from components.core import registry
from components.core.files import atomic_file, read_json
from components.core.run_context import RunContext, open_run
from components.core.verdict import VERDICT, read_verified
from components.promote.demands import check_binding
from components.promote.promotion import derive, enter, refusal
from components.promote.twin_runs import TwinRun, record_week

BUNDLE, JUDGED, FLEET = "bundle", "judged", "fleet.json"
"""Folders of each twin, and the file about all, as the judge leaves them."""
_NUMBERS: Final = ("mae", "hit_rate", "regime_accuracy", "ab_foundation_saved", "p_value", "adjusted")


def promote_twins(verdicts: str, family: str, dataset: str, *, root: str, run_key: str) -> dict[str, Any]:
    """Promote every twin whose verdict, untampered and for it, is a pass; record all in MLflow and in the week's log.

    Doing it twice is doing it once.

    Raises:
        SystemExit: With 65 if a bundle or a verdict was altered; with 75 if another was promoted since.
    """
    with open_run("promote", root=root, run_key=run_key) as run:
        folder = Path(verdicts)
        told = read_json(folder / FLEET)["twins"]
        settled = {ticker: settle(folder / ticker, family, run) for ticker in sorted(told)}
        runs = [twin_run(ticker, folder / ticker, told[ticker], settled[ticker]) for ticker in settled]
        parent = record_week(run.workspace, runs, dataset=dataset, run_key=run_key)
        log = write_log(run, dataset, told, settled)
        counts = [outcome for outcome, _ in settled.values()]
        facts: dict[str, Any] = {name: counts.count(name) for name in ("promoted", "unchanged", "refused")}
        run.record(**facts, mlflow_run=parent, log=str(log), twins={key: list(it) for key, it in settled.items()})
        return facts


def settle(folder: Path, family: str, run: RunContext) -> tuple[str, str]:
    """Promote one twin if it may be; return what happened, and the version that serves now or why there is none."""
    bundle = bundles.load(folder / BUNDLE)
    signed = read_verified(folder / JUDGED / VERDICT, run.workspace.verify_key)
    dataset = signed.dataset
    check_binding(bundle, signed, family=family, dataset=dataset)
    before = registry.history(run.workspace, family, dataset)
    if reason := refusal(signed):
        serving = f"version {before.champion.version}" if before.champion else "no version"
        return "refused", f"{serving}: {reason}"
    after = enter(run.workspace, bundle, folder / JUDGED, dataset=dataset, run_key=run.run_key, clock=run.clock)
    derive(run.workspace, family, dataset)
    return ("unchanged" if after.length == before.length else "promoted"), f"version {after.promoted[-1].version}"


def twin_run(ticker: str, folder: Path, told: Mapping[str, Any], settled: tuple[str, str]) -> TwinRun:
    """Return what MLflow is told of one twin."""
    bundle = bundles.load(folder / BUNDLE)
    [twin] = read_json(bundle.path("twins.json"))["twins"]
    return TwinRun(
        ticker=ticker,
        bundle=bundle.digest,
        version=settled[1][:200],
        outcome=str(told["outcome"]),
        history=twin["history"],
        metrics={name: value for name, value in told.items() if isinstance(value, float)},
        params={key: str(twin[key]) for key in ("best_epoch", "foundation", "num_days", "short_history")},
    )


def write_log(
    run: RunContext, dataset: str, told: Mapping[str, Mapping[str, Any]], settled: Mapping[str, tuple[str, str]]
) -> Path:
    """Write what came of each twin to the log of the week, one line each, and return its path."""
    year, week, _ = run.clock().isocalendar()
    path = run.workspace.root / "logs" / "twins" / dataset / f"{year}-W{week:02d}.log"
    lines = [f"{run.clock().isoformat(timespec='seconds')} run {run.run_key}: {len(settled)} twins of {dataset}"]
    for ticker, (outcome, version) in settled.items():
        twin = told[ticker]
        numbers = "  ".join(f"{name} {twin[name]:.4g}" for name in _NUMBERS if name in twin)
        lines.append(f"{ticker:<8} {twin['outcome']:<22} {outcome:<9} {numbers}  {version}")
    with atomic_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
    return path
