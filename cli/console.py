"""What a person sees while a run goes on, and when it ends."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.core.files import read_json
from components.core.registry import history
from pipelines import WEEKLY
from pipelines.request import RunRequest

WIDTH = 150
STEPS = ("ingest", "features", "assemble", "train", "validate", "promote")
SHOWN = {
    "test zone": (
        "accuracy",
        "precision",
        "recall",
        "f1",
        "auc",
        "log_loss",
        "base_rate",
        "test_accuracy",
        "test_f1_macro",
        "ece",
        "unchanged_accuracy",
        "transition_log_loss",
        "test_recon_mse",
        "test_health_correlation",
        "mse",
        "unchanged_mse",
        "line_mse",
    ),
    "backtest": ("total_return", "sharpe", "max_drawdown", "win_rate", "num_trades", "turnover", "hold_total_return"),
}
TWIN_METRICS = ("mae", "hit_rate", "regime_accuracy", "ab_foundation_saved", "p_value", "adjusted")
STYLES = {"pass": "green", "fail": "red", "insufficient evidence": "yellow"}


def console() -> Console:
    """Return a console that neither wraps paths in a pipe nor highlights numbers at random."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH, soft_wrap=True)


def shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def told(step: str, facts: dict[str, Any]) -> str:
    """Return one line on what a step did."""
    plain = step.rstrip("-0123456789")
    return _LINES[plain if plain in _LINES else plain.partition("-")[0]](facts)


def _ingested(facts: dict[str, Any]) -> str:
    span = f"{facts['first'][:10]} to {facts['last'][:10]}"
    aside = f", {facts['num_quarantined']:,} rows set aside" if facts["num_quarantined"] else ""
    layouts = f", layout {' and '.join(facts['layouts'])}" if facts["layouts"] else ""
    added = f", {facts['increment']['added']:,} new" if facts["increment"] else ""
    bars = f"{facts['rows']:,} {facts['interval']} bars of {facts['num_symbols']} symbols, {span}"
    beside = f", beside them {' and '.join(facts['beside'])}" if facts["beside"] else ""
    return f"{bars}{beside}{layouts}{added}, quality {facts['quality']:.3f}{aside}"


def _assembled(facts: dict[str, Any]) -> str:
    if "stocks" in facts:
        what = facts.get("groups", "stocks")
        return f"{facts['rows']:,} examples point in time, of {len(facts['stocks'])} {what}, each by itself"
    in_time = sorted(facts["zones"].items(), key=lambda item: item[1]["first"])
    zones = ", ".join(f"{name} {zone['rows']:,}" for name, zone in in_time)
    return f"{facts['rows']:,} examples point in time: {zones}"


def _tuned(facts: dict[str, Any]) -> str:
    refused = f", {len(facts['refused'])} refused" if facts["refused"] else ""
    return f"{facts['num_twins']} twins, {facts['num_trained']} of them trained{refused}, bundle {facts['digest'][:12]}"


def _trained_one_or_each(facts: dict[str, Any]) -> str:
    if "models" not in facts:
        return f"bundle {facts['digest'][:12]}"
    refused = f", {len(facts['refused'])} left out" if facts["refused"] else ""
    return f"{facts['num_models']} models{refused}, bundles {facts['digest'][:12]}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _judged(facts: dict[str, Any]) -> str:
    if "outcomes" in facts:
        return _counted(facts["outcomes"])
    passed = sum(gate["outcome"] == "pass" for gate in facts["gates"])
    return f"{facts['outcome']}: {passed} of {len(facts['gates'])} gates passed"


def _entered(facts: dict[str, Any]) -> str:
    if "refused" in facts:
        return _counted({name: facts[name] for name in ("promoted", "unchanged", "refused")})
    return str(facts["outcome"]) + (f", champion is version {facts['version']}" if facts["version"] else "")


def _predicted(facts: dict[str, Any]) -> str:
    by = f"version {facts['version']}" if facts["version"] else f"the baseline ({facts['reason']})"
    windows = f"{facts['rows']:,} windows of {facts['num_symbols']} symbols, newest bar {facts['newest'][:16]}"
    return f"{windows}, by {by}, online store {facts['online']}"


def _observed(facts: dict[str, Any]) -> str:
    if facts["champion"] is None:
        return "no champion"
    return f"version {facts['champion']['version']}, {facts['num_live_times']:,} times since it was judged"


def _forecast(facts: dict[str, Any]) -> str:
    if facts["rows"]:
        return f"{facts['rows']:,} rows by {facts['source'][:60]}"
    return f"{facts['source']} forecasts: {facts['reason']}"


_LINES: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "ingest": _ingested,
    "forecast": _forecast,
    "features": lambda facts: f"{facts['rows']:,} rows in {', '.join(facts['filled'])}, online store {facts['online']}",
    "assemble": _assembled,
    "train": _trained_one_or_each,
    "fine-tune": _tuned,
    "validate": _judged,
    "promote": _entered,
    "score": _predicted,
    "observe": _observed,
    "monitor": lambda facts: str(facts["outcome"]),
    "tune": lambda facts: f"{facts['num_trials']} trials",
    "collect": lambda facts: f"{facts['metric']} {number(facts['value'])}, the best of {facts['num_trials']} trials",
}


def number(value: float | None) -> str:
    """Return a number as the tables show it."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4f}"


def _gates(gates: list[dict[str, Any]]) -> Table:
    table = Table(title="Gates: the bound of the interval decides, not the value", title_justify="left", box=None)
    table.add_column("gate", overflow="fold")
    for name in ("value", "interval", "must be", "outcome"):
        table.add_column(name, no_wrap=True)
    for gate in gates:
        interval = f"{number(gate['lower'])} .. {number(gate['upper'])}"
        wanted = f"{'>' if gate['side'] == 'above' else '<='} {gate['bound']:g}"
        outcome = Text(gate["outcome"], style=STYLES[gate["outcome"]])
        table.add_row(gate["title"], number(gate["value"]), interval, wanted, outcome)
    return table


def _overview(facts: dict[str, dict[str, Any]]) -> Table:
    rows, metrics = facts["assemble"], facts["validate"]["metrics"]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("data", f"{facts['ingest']['source']}: {told('ingest', facts['ingest'])}")
    table.add_row("features", f"{rows['service']}, {rows['columns']} columns")
    table.add_row("examples", told("assemble", rows))
    for title, names in SHOWN.items():
        found = [f"{name} {number(metrics[name])}" for name in names if metrics.get(name) is not None]
        if found:
            table.add_row(title, "  ".join(found))
    return table


def summary(request: RunRequest) -> None:
    """Print the end of a run: what it was made of, what came out, where to look."""
    if request.pipeline == request.family.scoring_pipeline:
        _scored(request)
    elif request.pipeline == request.family.monitoring_pipeline:
        _watched(request)
    elif request.pipeline == request.family.tuning_pipeline:
        _searched(request)
    elif request.pipeline == WEEKLY:
        _weekly(request)
    else:
        _trained(request)


def _scored(request: RunRequest) -> None:
    screen = console()
    facts = {step: read_json(request.folder / f"{step}.json") for step in ("ingest", "score")}
    screen.print(f"data        {facts['ingest']['source']}: {told('ingest', facts['ingest'])}")
    screen.print(f"predictions {told('score', facts['score'])}")
    screen.print(f"file        {shown(Path(facts['score']['path']))}")
    screen.print(f"online      view {request.family.predictions_view}")
    screen.print(f"log         {shown(request.folder / 'logs' / 'score.log')}")


def _watched(request: RunRequest) -> None:
    screen, facts = console(), read_json(request.folder / "monitor.json")
    for finding in facts["findings"]:
        screen.print(f"{finding['what']:<12}{finding['outcome']}: {finding['reason']}")
    screen.print(f"outcome     {facts['outcome']}")
    screen.print(f"report      {shown(request.folder / 'monitor.html')}")


def _searched(request: RunRequest) -> None:
    screen, facts = console(), read_json(request.folder / "collect.json")
    screen.print(f"{told('collect', facts)}, {facts['num_ended_early']} ended early")
    for key, value in sorted(facts["params"].items()):
        screen.print(f"  {key} = {value}")
    recipe, source = shown(Path(facts["recipe"])), request.arguments["source"]
    screen.print(f"judge it   qf run {request.family.pipeline} --source {source} --recipe {recipe}")


def _weekly(request: RunRequest) -> None:
    screen, folder = console(), request.folder
    facts = {step: read_json(folder / f"{step}.json") for step in ("ingest", "validate", "promote")}
    screen.print(f"data        {facts['ingest']['source']}: {told('ingest', facts['ingest'])}")
    table = Table(box=None, pad_edge=False)
    table.add_column("twin", style="bold", no_wrap=True)
    for name in ("verdict", *TWIN_METRICS, "registry"):
        table.add_column(name, no_wrap=True)
    for ticker, twin in sorted(facts["validate"]["twins"].items()):
        numbers = (number(twin.get(name)) for name in TWIN_METRICS)
        settled = ", ".join(facts["promote"]["twins"][ticker]).split(":")[0]
        table.add_row(ticker, Text(twin["outcome"], style=STYLES[twin["outcome"]]), *numbers, settled)
    screen.print(table)
    screen.print(f"\nweek        {shown(Path(facts['promote']['log']))}")
    screen.print(f"report      {shown(folder / 'report.html')}")


def _trained(request: RunRequest) -> None:
    screen = console()
    folder, dataset = request.folder, request.arguments["dataset"]
    facts = {step: read_json(folder / f"{step}.json") for step in STEPS}
    judged = facts["validate"]
    screen.print(_overview(facts))
    screen.print(_gates(judged["gates"]))
    style = STYLES[judged["outcome"]] + " bold"
    screen.print(Text.assemble("\nverdict  ", (judged["outcome"].upper(), style), f"  {judged['reason']}"))
    champion = history(request.workspace, request.family.name, dataset).champion
    serving = "none yet" if champion is None else f"version {champion.version}, bundle {champion.bundle[:12]}"
    outcome = facts["promote"]["outcome"]
    if (reason := facts["promote"]["reason"]) and judged["outcome"] == "pass":
        outcome += f": {reason}"
    screen.print(f"registry {outcome}; champion of {request.family.pipeline} on {dataset}: {serving}")
    screen.print(f"bundle   {shown(Path(facts['train']['folder']))}")
    screen.print(f"report   {shown(folder / 'report.html')}")
    screen.print(f"quality  {shown(folder / 'quality.html')}")
    mlflow, uri = shown(Path(sys.executable).parent / "mlflow"), request.workspace.mlflow_uri
    screen.print(f"mlflow   {uri if uri.startswith('http') else f'{mlflow} ui --backend-store-uri {uri}'}")
