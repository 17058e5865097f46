"""``qf compile``."""

import sys

import click

from pipelines import COMPILED
from pipelines.compile import differences, write
from pipelines.lint import hazards
from pipelines.schedules import faults


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a committed file differs, and print where.")
def compile(check: bool) -> None:  # noqa: A001 - the command's name
    """Compile every pipeline to pipelines/compiled/, then lint what lies there, and the schedules."""
    if check:
        lines = list(differences())
        click.echo("".join(lines), nl=False)
        if lines:
            click.echo("compiled pipelines are out of date: run 'qf compile' and commit the result", err=True)
    else:
        lines = []
        for path in write():
            click.echo(f"wrote {path}")
    found = [hazard for path in sorted(COMPILED.glob("*.yaml")) for hazard in hazards(path)] + faults()
    for hazard in found:
        click.echo(hazard, err=True)
    if lines or found:
        sys.exit(1)
    click.echo(f"{len(list(COMPILED.glob('*.yaml')))} compiled pipelines are up to date and portable")
