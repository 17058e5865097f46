"""``qf champion`` and ``qf rollback``."""

import click

from cli.options import chosen_dataset, root_option
from components.core import family as families
from components.core.clock import system_clock
from components.core.registry import ModelHistory, Promotion, datasets
from components.core.registry import history as read_history
from components.core.workspace import Workspace
from components.promote.promotion import agrees, derive, roll_back

dataset_option = click.option("--dataset", default="", help="On this dataset.  [default: the only one there is]")
version_argument = click.argument("version", type=click.IntRange(1), required=False)


def chosen(workspace: Workspace, pipeline: str, dataset: str, version: int | None) -> tuple[ModelHistory, Promotion]:
    """Return the version that is meant, the champion if none is named, and say which it is."""
    family = families.find(pipeline).name
    history = read_history(workspace, family, chosen_dataset(workspace, family, dataset))
    promotion = history.version(version)
    serves = ", the champion" if promotion is history.champion else ""
    entry = promotion.entry
    click.echo(f"{family} on {history.dataset}, version {promotion.version}{serves}")
    click.echo(f"promoted {entry['at'][:19]}Z by run {entry['run_key']}, entry {entry['number']} of the ledger\n")
    return history, promotion


def _tell(history: ModelHistory) -> None:
    champion, previous = history.champion, history.previous
    click.echo(f"{history.family} on {history.dataset}")
    if champion is None:
        click.echo("  no champion")
        return
    click.echo(f"  champion  version {champion.version}  bundle {champion.bundle[:12]}  since {champion.entry['at']}")
    click.echo(f"  files     {champion.folder}")
    click.echo(f"  run       {champion.entry['run_key']}  verdict {champion.entry['verdict'][:12]}")
    if previous is not None:
        click.echo(
            f"  previous  version {previous.version}  bundle {previous.bundle[:12]}  'qf rollback' returns to it"
        )


@click.command()
@click.argument("pipeline")
@click.option("--dataset", default="", help="Only on this dataset.")
@root_option
def champion(pipeline: str, dataset: str, root: Workspace) -> None:
    """Show the champion of PIPELINE on every dataset, after checking each of its files.

    Where a promotion died before the pointer and the aliases followed the ledger, they do now.
    """
    family = families.find(pipeline).name
    known = [chosen_dataset(root, family, dataset)] if dataset else datasets(root, family)
    if not known:
        click.echo(f"{family}: no champion yet. 'qf run {pipeline}' trains and judges one")
    for name in known:
        history = read_history(root, family, name)
        if history.champion is not None:
            history.champion.load()
        _tell(history)
        if not agrees(root, history):
            derive(root, family, name)
            click.echo("  pointer   latest.json and the aliases were behind the ledger, and now say what it says")


@click.command()
@click.argument("pipeline")
@dataset_option
@root_option
def rollback(pipeline: str, dataset: str, root: Workspace) -> None:
    """Return PIPELINE to the champion before this one; the ledger keeps both facts."""
    family = families.find(pipeline).name
    _tell(roll_back(root, family, chosen_dataset(root, family, dataset), clock=system_clock))
