"""``qf config``."""

import json
from pathlib import Path
from typing import Any

import click
import yaml

from components.core import family as families
from components.core.errors import UsageError
from components.core.strict_yaml import load_file


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


@config.command("import")
@click.argument("pipeline")
@click.argument("files", nargs=-1, required=True)
def import_(pipeline: str, files: tuple[str, ...]) -> None:
    """Print the recipe that FILES mean together, YAML with the keys of the system that PIPELINE was published as."""
    family = families.find(pipeline)
    if "published" not in family.modules():
        raise UsageError(f"{family.pipeline}: has no published keys of its own; write a recipe, see qf config show")
    values: dict[str, Any] = {}
    for file in files:
        found = load_file(Path(file))
        if twice := sorted(values.keys() & found.keys()):
            raise UsageError(f"{file}: {twice[0]} stands in an earlier file, too; keep one of the two")
        values |= found
    name = " and ".join(files)
    recipe = json.loads(
        family.config.parse(family.module("published").recipe_of(values, name=name), name=name).canonical()
    )
    click.echo(yaml.safe_dump(recipe, sort_keys=True), nl=False)
