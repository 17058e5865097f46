"""``python -m images``: lock, check, build, and run a command beside the engine."""

import subprocess
import sys

import click

from components.core.errors import QuantfoundryError
from images.roles import roles


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def images() -> None:
    """The container images."""


@images.command()
def lock() -> None:
    """Write the locked packages of each image."""
    from images.lock import write  # noqa: PLC0415 - each command imports its own

    write()


@images.command()
def check() -> None:
    """Fail if a locked file is stale or a Dockerfile breaks a rule."""
    from images.lint import faults  # noqa: PLC0415 - each command imports its own
    from images.lock import stale  # noqa: PLC0415

    if found := [*stale(), *faults()]:
        raise click.ClickException("\n".join(found))


@images.command()
@click.option("--base", default="", help="An image of a registry by its digest.  [default: made from Debian packages]")
@click.option("--role", "names", multiple=True, type=click.Choice([role.name for role in roles()]), help="Only this.")
def build(base: str, names: tuple[str, ...]) -> None:
    """Build the images of all roles; print their sizes."""
    from images.build import build as build_images  # noqa: PLC0415 - each command imports its own
    from images.engine import engine  # noqa: PLC0415

    with engine() as running:
        build_images(running, [role for role in roles() if not names or role.name in names], base, click.echo)


@images.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def engine(command: tuple[str, ...]) -> None:
    """Run COMMAND with DOCKER_HOST naming the engine that has the images."""
    from images.engine import engine as start  # noqa: PLC0415 - each command imports its own

    with start() as running:
        sys.exit(subprocess.run(command, env=running.environment, check=False).returncode)


def main() -> None:
    """Run a command; an error that we foresaw is a sentence and an exit code, not a traceback."""
    try:
        images()
    except QuantfoundryError as error:
        click.echo(f"images: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
