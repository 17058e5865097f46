"""``qf tune``."""

import click

from cli.options import root_option
from components.core import family as families
from components.core.search import Backend, parse_choice
from components.core.workspace import TUNE_STORAGE, Workspace


@click.command()
@click.argument("pipeline")
@click.option("--source", required=True, help="A file or folder of bars, or synthetic://planted.")
@click.option("--dataset", default="", help="Name under which its models compete.  [default: the source's]")
@click.option("--recipe", default=None, help="A shipped recipe or a .yaml file.  [default: the family's]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the recipe.")
@click.option("--space", multiple=True, metavar="KEY=LOW..HIGH[:log]", help="What to try.  [default: the family's]")
@click.option("--metric", default=None, help="Number of the history to go by.  [default: the family's]")
@click.option("--trials", "num_trials", type=click.IntRange(1), default=50, show_default=True)
@click.option("--jobs", "num_processes", type=click.IntRange(1), default=4, show_default=True, help="Trials at a time.")
@click.option("--storage", default="", envvar=TUNE_STORAGE, help="URL of a database.  [default: a SQLite file]")
@click.option("--backend", type=click.Choice(["optuna", "ray"]), default="optuna", show_default=True)
@root_option
def tune(
    pipeline: str,
    *,
    source: str,
    dataset: str,
    recipe: str | None,
    overrides: tuple[str, ...],
    space: tuple[str, ...],
    metric: str | None,
    num_trials: int,
    num_processes: int,
    storage: str,
    backend: Backend,
    root: Workspace,
) -> None:
    """Search for a better recipe of PIPELINE on its validation zone; every trial counts against its later verdicts."""
    from pipelines.request import dataset_of, located  # noqa: PLC0415 - help need not wait for it
    from pipelines.searching import search_of  # noqa: PLC0415 - as above
    from pipelines.searching import tune as search_for  # noqa: PLC0415 - as above

    member = families.find(pipeline)
    place = located(source)
    search = search_of(
        member, member.recipe(recipe or member.default_recipe, overrides),
        dict(map(parse_choice, space)) or member.search, source=place, dataset=dataset or dataset_of(place),
        workspace=root, metric=metric or member.metric, storage=storage,
    )  # fmt: skip
    found = search_for(
        search, place, num_trials=num_trials, num_processes=num_processes, backend=backend,
        on_done=lambda number, total: click.echo(f"{number} of {total} trials", err=True),
    )  # fmt: skip
    click.echo(
        f"{search.metric} {found.best.value:.6g}, the best of {found.num_trials} trials, "
        f"{found.num_ended_early} ended early"
    )
    for key, value in sorted(found.best.params.items()):
        click.echo(f"  {key} = {value}")
    click.echo(f"judge it: qf run {member.pipeline} --source {source} --recipe {found.recipe}")
