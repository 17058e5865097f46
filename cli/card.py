"""``qf card``."""

from pathlib import Path

import click

from cli.champion import dataset_option, version_argument
from cli.options import chosen_dataset, root_option
from components.core import family as families
from components.core import registry
from components.core.errors import UsageError
from components.core.files import read_json, readable_json
from components.core.workspace import Workspace
from components.validate.model_card import as_markdown, read_card


@click.command()
@click.argument("subject")
@version_argument
@dataset_option
@click.option("-o", "--output", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True)
@root_option
def card(subject: str, version: int | None, dataset: str, output: str, root: Workspace) -> None:
    """Print the model card of SUBJECT: a family's champion, or its VERSION, or the bundle that a run judged.

    It is made again from the signed verdict and the manifests beside it, after they were checked.
    """
    sections = read_card(_evidence(root, subject, version, dataset), root.verify_key)
    click.echo(readable_json(sections) if output == "json" else as_markdown(sections), nl=False)


def _evidence(root: Workspace, subject: str, version: int | None, dataset: str) -> Path:
    """Return the folder that holds the verdict and the manifests."""
    if subject.replace("-", "_") in families.names():
        family = families.find(subject).name
        return registry.history(root, family, chosen_dataset(root, family, dataset)).version(version).evidence
    facts = root.run(subject) / "validate.json"
    if version is not None or dataset or not facts.exists():
        raise UsageError(f"{subject!r}: no family, and no run below {root.root / 'runs'} that was judged")
    return Path(read_json(facts)["folder"])
