"""``qf setup-test``."""

import click

from components.core import family as families


@click.command("setup-test")
@click.argument("pipeline")
def setup_test(pipeline: str) -> None:
    """Put one real batch through PIPELINE's model: device, rows, windows, parameters, success."""
    for line in families.find(pipeline).module("setup_check").setup_check():
        click.echo(line)
