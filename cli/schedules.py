"""``qf schedules``."""

import sys
from pathlib import Path

import click

from cli.options import server_options
from components.core.clock import system_clock
from components.core.errors import BusyError, RecipeError
from pipelines.cron import next_fires
from pipelines.recurring import Change, apply, plan
from pipelines.remote import Address, Remote
from pipelines.schedules import SCHEDULES, Schedule, faults
from pipelines.schedules import schedules as read
from pipelines.submit import checkout_version, version_name

file_option = click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=SCHEDULES,
    show_default="pipelines/schedules.yaml",
    help="What should recur.",
)


def _wanted(file: Path) -> dict[str, Schedule]:
    if found := faults(file):
        raise RecipeError("; ".join(found))
    return dict(read(file))


def _tell(changes: list[Change]) -> None:
    for change in changes:
        kind = ("replace" if change.delete else "create") if change.make else "delete"
        click.echo(f"{kind:8}{change.pipeline}")
        for reason in change.reasons:
            click.echo(f"        {reason}")
        for run in change.unfinished:
            click.echo(f"        waits for run {run} to end: nothing that runs is stopped")


@click.group()
def schedules() -> None:
    """Make the recurring runs of a Kubeflow Pipelines server those of pipelines/schedules.yaml."""


@schedules.command("plan")
@file_option
@server_options
def plan_command(file: Path, address: Address) -> None:
    """Show the next fire times, and what 'apply' would change."""
    wanted = _wanted(file)
    for name, schedule in wanted.items():
        fires = ", ".join(f"{fire:%a %Y-%m-%d %H:%M:%S}Z" for fire in next_fires(schedule.cron, system_clock()))
        click.echo(f"{name}: {schedule.cron}: next {fires}")
    changes = plan(Remote(address), wanted)
    _tell(changes)
    click.echo(f"{len(changes)} to change" if changes else "nothing to change")


@schedules.command("apply")
@file_option
@click.option("--commit", default="", help="Commit that versions are named after.  [default: the checkout's]")
@server_options
def apply_command(file: Path, commit: str, address: Address) -> None:
    """Create, replace and delete recurring runs until they are as the file says; what runs is not stopped.

    What has a run that goes on is left as it is, with exit code 75: apply again when the run has ended.
    """
    remote, wanted = Remote(address), _wanted(file)
    changes = plan(remote, wanted)
    _tell(changes)
    if not changes:
        click.echo("nothing to change")
        return
    waiting = apply(remote, changes, version_name(commit) if commit else checkout_version())
    if waiting:
        names = ", ".join(change.pipeline for change in waiting)
        raise BusyError(f"{names}: a run goes on, so nothing was changed there. Apply again when it has ended")
    click.echo(f"{len(changes)} changed")


@schedules.command("drift")
@file_option
@server_options
def drift_command(file: Path, address: Address) -> None:
    """Exit 1 if the server's recurring runs are not those of the file, and say in what."""
    changes = plan(Remote(address), _wanted(file))
    _tell(changes)
    if changes:
        sys.exit(1)
    click.echo("no drift")
