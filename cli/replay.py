"""``qf replay``."""

import math
import tempfile
from pathlib import Path

import click

from cli.champion import chosen, dataset_option, version_argument
from cli.options import root_option
from components.core.workspace import Workspace
from pipelines.replay import Comparison, Replay
from pipelines.replay import replay as judge_again

MOST_SHOWN = 20


@click.command()
@click.argument("pipeline")
@version_argument
@dataset_option
@root_option
def replay(pipeline: str, version: int | None, dataset: str, root: Workspace) -> int:
    """Judge VERSION of PIPELINE, or its champion, once more, from the bars on, and compare every number.

    Nothing is changed by it. Exit 1 if anything comes out differently.
    """
    history, promotion = chosen(root, pipeline, dataset, version)
    with tempfile.TemporaryDirectory(prefix="qf-replay-") as folder:
        found = judge_again(root, history, promotion, Path(folder))
    _tell(found)
    return 0 if found.same else 1


def _tell(found: Replay) -> None:
    recorded = found.recorded
    champion = recorded.champion_digest
    click.echo(f"bars      {recorded.snapshot_digest[:12]}")
    click.echo(f"examples  {recorded.examples_digest[:12]}  {'made again, the same' if found.again else 'DIFFER'}")
    click.echo(f"bundle    {recorded.bundle_digest[:12]}")
    click.echo(f"champion  {champion[:12] if champion else 'none then'}")
    for note in found.notes:
        click.echo(f"note      {note}")
    if found.compared:
        click.echo(f"\n{'gate':<24}{'recorded':>14}{'again':>14}{'difference':>14}")
        for item in found.compared:
            if item.name.startswith("gates.") and item.name.endswith(".value"):
                click.echo(_row(item, item.name.removeprefix("gates.").removesuffix(".value")))
        largest = max(item.difference or 0.0 for item in found.compared)
        click.echo(f"\n{len(found.compared)} numbers of gates and metrics, largest difference {largest:g}")
    for item in found.changed[:MOST_SHOWN]:
        click.echo(f"DIFFERS   {item.name}: was {item.recorded}, is {item.again}")
    if len(found.changed) > MOST_SHOWN:
        click.echo(f"DIFFERS   and {len(found.changed) - MOST_SHOWN} more")
    click.echo(f"verdict   {recorded.verdict}, {'the same again' if found.same else 'NOT THE SAME'}")


def _row(item: Comparison, name: str) -> str:
    then, now, apart = (
        value if isinstance(value, float) else math.nan for value in (item.recorded, item.again, item.difference)
    )
    return f"{name:<24}{then:>14.6g}{now:>14.6g}{apart:>14g}"
