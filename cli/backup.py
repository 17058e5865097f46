"""``qf backup`` and ``qf restore``."""

from pathlib import Path

import click

from cli.options import root_option
from components.core.backup import back_up
from components.core.backup import restore as put_back
from components.core.workspace import Workspace

archive_argument = click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@archive_argument
@root_option
def backup(archive: Path, root: Workspace) -> None:
    """Write every model and ledger of a root to ARCHIVE, with their digests, signed."""
    files = back_up(root, archive)
    click.echo(f"{len(files)} files of {root.root} are in {archive}, {archive.stat().st_size / 2**20:.1f} MiB")


@click.command()
@archive_argument
@root_option
def restore(archive: Path, root: Workspace) -> None:
    """Put the models and ledgers in ARCHIVE below a root that has none, every byte checked."""
    files = put_back(root, archive)
    click.echo(f"{len(files)} files are below {root.root}. 'qf champion FAMILY' checks each and renews the pointers")
