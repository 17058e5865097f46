"""``qf lineage``."""

import click

from cli.champion import chosen, dataset_option, version_argument
from cli.options import root_option
from components.core.errors import ArtifactError
from components.core.workspace import Workspace
from pipelines.lineage import lineage as walk


@click.command()
@click.argument("pipeline")
@version_argument
@dataset_option
@root_option
def lineage(pipeline: str, version: int | None, dataset: str, root: Workspace) -> None:
    """Walk from VERSION of PIPELINE, or its champion, to the files that were read for it; check every link.

    Exit 65 if one is broken.
    """
    _, promotion = chosen(root, pipeline, dataset, version)
    broken: list[str] = []
    for link in walk(root, promotion):
        click.echo(f"{'BAD' if link.broken else 'ok '} {link.name:<9} {link.digest}".rstrip())
        click.echo(f"              {link.note}")
        broken += [link.name] if link.broken else []
    if broken:
        raise ArtifactError(f"{len(broken)} broken link(s): {', '.join(broken)}")
