"""``qf promises``."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from components.core.errors import UsageError

TOP = Path(__file__).parents[1]
LIST = TOP / "tests" / "promises.tsv"


def carried() -> Iterator[str]:
    """Yield the id of each ``promise`` mark in the tests."""
    for path in sorted((TOP / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "promise":
                yield from (
                    item.value for item in node.args if isinstance(item, ast.Constant) and isinstance(item.value, str)
                )


def promised() -> dict[str, str]:
    """Return what is promised, by id.

    Raises:
        UsageError: If the list is not there: an installed package has no tests.
    """
    if not LIST.exists():
        raise UsageError("tests/promises.tsv: not found. Run this in a checkout of the project")
    rows = (line.split("\t") for line in LIST.read_text(encoding="utf-8").splitlines())
    return {row[0]: row[1] for row in rows}


@click.command()
@click.option("--system", default="S", metavar="S0..S4", help="Only the promises of one system.")
def promises(system: str) -> None:
    """List the promises that no test carries; exit 65 if a test names one that does not exist."""
    wanted = promised()
    kept = set(carried())
    if unknown := sorted(kept - wanted.keys()):
        raise UsageError(f"tests carry promises that do not exist: {', '.join(unknown)}")
    if not re.fullmatch(r"S[0-4]?", system):
        raise UsageError(f"--system {system!r}: use S0, S1, S2, S3 or S4")
    chosen = {name: text for name, text in wanted.items() if name.startswith(system)}
    missing = {name: text for name, text in chosen.items() if name not in kept}
    for name, text in missing.items():
        click.echo(f"{name}  {text}")
    click.echo(f"{len(chosen) - len(missing)} of {len(chosen)} promises are carried by a test, {len(missing)} missing")
