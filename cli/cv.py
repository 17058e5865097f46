"""``qf cv``."""

import os

import click

from cli.options import root_option
from components.core import family as families
from components.core.workspace import Workspace


@click.command()
@click.argument("pipeline")
@click.option("--source", required=True, help="A file or folder of bars, or synthetic://planted.")
@click.option("--recipe", default=None, help="A shipped recipe or a .yaml file.  [default: the family's]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the recipe.")
@click.option(
    "--folds", "num_folds", type=click.IntRange(2), help="Parts tested in turn.  [default: the recipe's, or 5]"
)
@click.option("--method", help="walk_forward, the default, or combinatorial_purged; random folds are refused.")
@click.option("--jobs", "num_processes", type=click.IntRange(1), default=os.cpu_count() or 1, help="[default: cores]")
@root_option
def cv(
    pipeline: str,
    *,
    source: str,
    recipe: str | None,
    overrides: tuple[str, ...],
    num_folds: int | None,
    method: str | None,
    num_processes: int,
    root: Workspace,
) -> None:
    """Train and test PIPELINE on folds of the days before its test zone, purged and in the order of time."""
    from pipelines import folds  # noqa: PLC0415 - help need not wait for it
    from pipelines.request import located  # noqa: PLC0415 - as above

    member = families.find(pipeline)
    config = member.recipe(recipe or member.default_recipe, overrides)
    own = config.model_dump().get("folds", {})
    results = folds.cross_validate(
        member, config, located(source), root.root / "folds",
        method=method or own.get("method", folds.METHOD), num_folds=num_folds or own.get("num_folds", folds.NUM_FOLDS),
        num_processes=num_processes, on_done=lambda number, total: click.echo(f"fold {number} of {total}", err=True),
    )  # fmt: skip
    click.echo(folds.table_of(results))
