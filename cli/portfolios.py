"""What a person sees when the complete pipeline of the profit models ends: each model with its verdict."""

from typing import Any, Final

from rich.table import Table
from rich.text import Text

from cli.console import STYLES, console, number, shown, told
from components.core.files import read_json
from pipelines.request import RunRequest

METRICS: Final = ("timing", "total_return", "sharpe", "hold_total_return", "relative_sharpe", "adjusted")
PARTS: Final = ("stocks", "pairs")

Facts = dict[str, dict[str, Any]]


def portfolios_summary(request: RunRequest) -> None:
    """Print the models, the numbers of their test zones, what was decided of each, and where to look."""
    screen, folder = console(), request.folder
    facts: Facts = {path.stem: read_json(path) for path in folder.glob("*.json")}
    screen.print(f"data        {facts['ingest']['source']}: {told('ingest', facts['ingest'])}")
    table = Table(box=None, pad_edge=False)
    for name in ("model", "verdict", *METRICS, "registry"):
        table.add_column(name, no_wrap=True)
    for name, judged, settled in _models(facts):
        numbers = (number(judged.get(key)) for key in METRICS)
        table.add_row(name, Text(judged["outcome"], style=STYLES[judged["outcome"]]), *numbers, settled)
    screen.print(table)
    for part in PARTS:
        absent = {**facts[f"assemble-{part}"]["left_out"], **facts[f"train-{part}"]["refused"]}
        for name, why in absent.items():
            screen.print(f"left out    {name}: {why}")
    screen.print(f"\nreports     {shown(folder / 'report.html')}, {shown(folder / 'reports')}")
    screen.print(f"models      {shown(folder / 'models')}")
    screen.print(f"curves      tensorboard --logdir {shown(folder / 'tensorboard')}")


def _models(facts: Facts) -> list[tuple[str, dict[str, Any], str]]:
    """Return name, numbers and what the registry did of each model, the base model first."""
    base = {"outcome": facts["validate"]["outcome"], **facts["validate"]["metrics"]}
    rows = [("base model", base, str(facts["promote"]["outcome"]))]
    for part in PARTS:
        settled = facts[f"promote-{part}"]["models"]
        rows += [(name, it, settled[name][0]) for name, it in sorted(facts[f"validate-{part}"]["models"].items())]
    return rows
