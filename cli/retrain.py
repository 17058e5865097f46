"""``qf retrain``."""

import click

from cli.options import root_option, server_options
from components.core import family as families
from components.core.errors import UsageError
from components.core.workspace import Workspace
from pipelines.remote import Address, Remote
from pipelines.retraining import asked_of_server
from pipelines.submit import checkout_version, publish, start, typed, version_name


@click.command()
@click.argument("family")
@click.option("--dataset", required=True, help="Name under which its models compete.")
@click.option("-p", "--parameter", "words", multiple=True, metavar="NAME=VALUE", help="Another one of the training.")
@click.option("--commit", default="", help="Commit that the version is named after.  [default: the checkout's]")
@root_option
@server_options
def retrain(
    family: str, dataset: str, *, words: tuple[str, ...], commit: str, root: Workspace, address: Address
) -> None:
    """Start the training of FAMILY on a Kubeflow Pipelines server if its newest monitoring asks for one.

    However often it is called, one request starts one run: call it from any scheduler that sees the workspace.
    """
    member = families.find(family)
    asked = asked_of_server(root, member, dataset)
    if asked is None:
        click.echo(f"{member.pipeline} on {dataset} holds: nothing to train")
        return
    pairs = [word.partition("=") for word in words]
    if wrong := [name for name, separator, _ in pairs if not separator or name in asked]:
        raise UsageError(f"{', '.join(wrong)}: no value, or given by the request. Write -p NAME=VALUE")
    arguments = typed(member.pipeline, {name: value for name, _, value in pairs}) | asked
    remote = Remote(address)
    published = publish(remote, member.pipeline, version_name(commit) if commit else checkout_version())
    run = start(remote, published, arguments)
    click.echo(f"run {run.display_name}: {run.run_id}")
