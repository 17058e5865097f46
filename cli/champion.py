"""``qf champion`` and ``qf rollback``."""

import click

from cli.options import chosen_dataset, root_option
from components.core import family as families
from components.core.clock import system_clock
from components.core.registry import ModelHistory, datasets
from components.core.registry import history as read_history
from components.core.workspace import Workspace
from components.promote.promotion import roll_back


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
    """Show the champion of PIPELINE on every dataset, after checking each of its files."""
    family = families.find(pipeline).name
    known = [chosen_dataset(root, family, dataset)] if dataset else datasets(root, family)
    if not known:
        click.echo(f"{family}: no champion yet. 'qf run {pipeline}' trains and judges one")
    for name in known:
        history = read_history(root, family, name)
        if history.champion is not None:
            history.champion.load()
        _tell(history)


@click.command()
@click.argument("pipeline")
@click.option("--dataset", default="", help="On this dataset.  [default: the only one there is]")
@root_option
def rollback(pipeline: str, dataset: str, root: Workspace) -> None:
    """Return PIPELINE to the champion before this one; the ledger keeps both facts."""
    family = families.find(pipeline).name
    _tell(roll_back(root, family, chosen_dataset(root, family, dataset), clock=system_clock))
