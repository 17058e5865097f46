"""``qf release-notes``."""

from pathlib import Path

import click

from pipelines import COMPILED
from pipelines.release_notes import release_notes as notes
from pipelines.release_notes import versions_at


@click.command("release-notes")
@click.argument("old")
@click.argument("new", default=str(COMPILED))
def release_notes(old: str, new: str) -> None:
    """Print what changed from OLD to NEW in the compiled pipelines, as Markdown.

    Each is a compiled file, a folder of them, or a git revision of the current checkout, such as v0.1.0. NEW is this
    installation's pipelines if left out.
    """
    here = Path.cwd()
    click.echo(notes(versions_at(old, here), versions_at(new, here)), nl=False)
