"""``qf submit``."""

from datetime import datetime

import click

from cli.options import server_options
from components.core.errors import UsageError
from pipelines import COMPILED
from pipelines.local import StepFailedError
from pipelines.remote import Address, Remote
from pipelines.submit import SUCCEEDED, checkout_version, follow, publish, start, typed, version_name


def _told(at: datetime, state: str) -> None:
    click.echo(f"  {at:%H:%M:%S}Z  {state}")


@click.command()
@click.argument("pipeline")
@click.option("-p", "--parameter", "words", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline.")
@click.option("--commit", default="", help="Commit that the version is named after.  [default: the checkout's]")
@click.option(
    "--timeout-hours", type=click.FloatRange(0), default=24.0, show_default=True, help="Follow for this long."
)
@click.option("--no-follow", is_flag=True, help="Do not wait for the run to end.")
@server_options
def submit(  # noqa: PLR0917 - click passes by name
    pipeline: str, words: tuple[str, ...], commit: str, timeout_hours: float, no_follow: bool, address: Address
) -> None:
    """Upload PIPELINE to a Kubeflow Pipelines server as version <semver>-g<commit>, run it, and follow the run.

    The same request finds the version and the run that are there; only a run that failed or was canceled is started
    anew. A token comes from KF_PIPELINES_TOKEN or, in a pod, from its projected volume.
    """
    pairs = [word.partition("=") for word in words]
    if wrong := [name for name, separator, _ in pairs if not separator]:
        raise UsageError(f"{', '.join(wrong)}: no value. Write -p NAME=VALUE")
    arguments = typed(pipeline, {name: value for name, _, value in pairs})
    remote = Remote(address)
    published = publish(remote, pipeline, version_name(commit) if commit else checkout_version())
    click.echo(f"{pipeline} {published.version}: version {published.version_id}")
    run = start(remote, published, arguments)
    click.echo(f"run {run.display_name}: {run.run_id}")
    if no_follow:
        return
    state = follow(remote, run.run_id, on_state=_told, timeout_s=timeout_hours * 3600)
    if state != SUCCEEDED:
        raise StepFailedError(f"run {run.run_id} ended as {state}. The same command starts it anew", 1)


@click.command()
@click.argument("pipelines", nargs=-1)
@click.option("--commit", default="", help="Commit that the versions are named after.  [default: the checkout's]")
@server_options
def upload(pipelines: tuple[str, ...], commit: str, address: Address) -> None:
    """Upload PIPELINES, or all of them, to a Kubeflow Pipelines server as version <semver>-g<commit>; run none.

    What is there already is left as it is. A token comes from KF_PIPELINES_TOKEN or, in a pod, from its volume.
    """
    remote = Remote(address)
    version = version_name(commit) if commit else checkout_version()
    for pipeline in pipelines or sorted(path.stem for path in COMPILED.glob("*.yaml")):
        published = publish(remote, pipeline, version)
        click.echo(f"{pipeline} {published.version}: version {published.version_id}")
