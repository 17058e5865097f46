"""``qf config``."""

import json

import click
import yaml

from components.core import family as families


@click.group()
def config() -> None:
    """Show recipes and every setting with its default."""


@config.command()
@click.argument("pipeline", required=False)
def recipes(pipeline: str | None) -> None:
    """List the recipes that ship with PIPELINE, or with every family."""
    for family in [families.find(pipeline)] if pipeline else families.every():
        for name, text in family.recipes().items():
            about = text.partition("\n")[0].removeprefix("#").strip()
            click.echo(f"{family.pipeline:<14} {name:<10} {about}")


@config.command()
@click.argument("pipeline")
@click.option("--recipe", default=None, help="A shipped recipe or a .yaml file.  [default: the family's]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting first.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def show(pipeline: str, recipe: str | None, overrides: tuple[str, ...], output: str) -> None:
    """Print every setting of a recipe, defaults written out."""
    family = families.find(pipeline)
    values = json.loads(family.recipe(recipe or family.default_recipe, overrides).canonical())
    if output == "json":
        click.echo(json.dumps(values, indent=2, sort_keys=True))
    else:
        click.echo(yaml.safe_dump(values, sort_keys=True), nl=False)
