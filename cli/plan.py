"""``qf plan``."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from cli.console import console
from components.core.errors import UsageError
from components.core.files import readable_json
from pipelines.plan import PRICES, Plan, Step, money, prices_of
from pipelines.plan import plan as planned
from pipelines.schedules import SCHEDULES, compiled_file, schedules


def _amount(context: click.Context, parameter: click.Parameter, value: str | None) -> Decimal | None:
    try:
        number = None if value is None else Decimal(value)
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is not a number", context, parameter) from None
    if number is not None and not (number.is_finite() and number >= 0):
        raise click.BadParameter(f"{value!r} is not an amount of money", context, parameter)
    return number


@click.command()
@click.argument("pipeline")
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PRICES,
    show_default="pipelines/prices.yaml",
    help="Price table; the one that ships holds examples.",
)
@click.option("--budget", callback=_amount, metavar="N", help="Exit 2 if a run can cost more, in the table's currency.")
@click.option("--schedule", is_flag=True, help="Also the most per month (30 days), by pipelines/schedules.yaml.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def plan(pipeline: str, prices: Path, budget: Decimal | None, schedule: bool, output: str) -> None:
    """Print what each step of a compiled PIPELINE asks for, and the most that a run of it can cost.

    Every step is taken to run until its timeout; storage, network and Kubeflow's own pods are not counted.
    """
    found = planned(compiled_file(pipeline), prices_of(prices))
    runs = _runs_per_month(found.pipeline) if schedule else None
    if output == "json":
        click.echo(readable_json(_facts(found, runs)), nl=False)
    else:
        _tell(found, runs)
    if budget is not None:
        found.check(budget)


def _runs_per_month(pipeline: str) -> Decimal:
    known = schedules()
    if pipeline not in known:
        raise UsageError(f"{pipeline}: not scheduled. {SCHEDULES.name} holds {', '.join(known) or 'nothing'}")
    return known[pipeline].runs_per_month


def _facts(found: Plan, runs: Decimal | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "pipeline": found.pipeline,
        "prices": found.prices.model_dump(mode="json", include={"currency", "as_of", "source"}),
        "steps": [_step(step) for step in found.steps],
        "most_cost": float(found.most_cost),
    }
    if runs is not None:
        facts |= {"runs_per_month": float(runs), "most_cost_per_month": float(runs * found.most_cost)}
    return facts


def _step(step: Step) -> dict[str, Any]:
    kind, num_gpus = step.gpus or (None, 0)
    return {
        "name": step.name,
        "cores": float(step.cores),
        "memory_gib": float(step.memory_gib),
        "gpu_type": kind,
        "num_gpus": num_gpus,
        "most_hours": float(step.most_hours),
        "cpu_hours": float(step.cpu_hours),
        "gpu_hours": float(step.gpu_hours),
        "most_cost": float(step.most_cost),
    }


def _short(number: Decimal) -> str:
    return f"{float(number):.6g}"


def _tell(found: Plan, runs: Decimal | None) -> None:
    currency = found.prices.currency
    table = Table(box=None, pad_edge=False)
    table.add_column("step", no_wrap=True)
    for name in ("cores", "GiB", "GPUs", "most hours", "CPU hours", "GPU hours", f"most {currency}"):
        table.add_column(name, justify="right", no_wrap=True)
    for step in found.steps:
        gpus = f"{step.gpus[1]} {step.gpus[0]}" if step.gpus else "-"
        hours = [_short(number) for number in (step.most_hours, step.cpu_hours, step.gpu_hours)]
        table.add_row(step.name, _short(step.cores), _short(step.memory_gib), gpus, *hours, money(step.most_cost))
    used = (sum(step.cpu_hours for step in found.steps), sum(step.gpu_hours for step in found.steps))
    totals = [_short(Decimal(number)) for number in used]
    table.add_row("a run", "", "", "", "", *totals, money(found.most_cost), style="bold")
    screen = console()
    screen.print(table)
    if runs is not None:
        screen.print(f"\na month  {money(runs * found.most_cost)} {currency} at most, runs in 30 days: {_short(runs)}")
    screen.print(f"\nprices   {found.prices.source} ({found.prices.as_of})", markup=False)
