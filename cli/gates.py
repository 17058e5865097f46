"""``qf gates``."""

import json
import os
import tempfile
from functools import partial
from pathlib import Path

import click

from components.core import family as families
from components.core.files import write_json

_OUT = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path(".quantfoundry/gates"), show_default=True,
    help="Where results are kept; the same command goes on from them.",
)  # fmt: skip


@click.group()
def gates() -> None:
    """Judge the judge: plant bad models, count wrong verdicts. Exit 0 if the gates hold, 1 if they do not."""


@gates.command()
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON.")
@click.option("--without", metavar="METRIC", help="Leave a gate out: the drill must notice, and exit 1.")
@_OUT
def drill(*, as_json: bool, without: str | None, out: Path) -> None:
    """Plant a leaking, a random, an overfit, a forged and other bad models: all must be refused, the good one not."""
    from pipelines import drill as drills  # noqa: PLC0415 - help need not wait for it

    judge = drills.judge_without(without) if without else None

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        matrix = drills.drill(
            Path(folder), judge=judge, on_attempt=lambda done: click.echo(f"{done.plant}: {done.outcome}", err=True)
        )
    facts = [attempt.facts() for attempt in matrix.attempts]
    write_json(out / "drill.json", {"held": matrix.held, "attempts": facts})
    click.echo(json.dumps(facts, indent=2) if as_json else matrix.text())
    click.get_current_context().exit(0 if matrix.held else 1)


@gates.command()
@click.option("--family", default="price-action", show_default=True, metavar="FAMILY", help="Whose gates.")
@click.option("--markets", "num_markets", type=click.IntRange(1), default=100, show_default=True, help="Of each kind.")
@click.option("--fleet", is_flag=True, help="Fleets of twins instead of markets: how many false discoveries?")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first market.")
@click.option("--jobs", "num_processes", type=click.IntRange(1), default=os.cpu_count() or 1, help="[default: cores]")
@_OUT
def calibrate(family: str, *, num_markets: int, fleet: bool, seed: int, num_processes: int, out: Path) -> None:
    """Count how many markets of noise pass and how many with a planted truth do."""
    from pipelines import calibration, fleet_calibration  # noqa: PLC0415 - help need not wait for it

    def on_done(number: int, total: int) -> None:
        click.echo(f"{number} of {total}", err=True)

    start = fleet_calibration.calibrate if fleet else partial(calibration.calibrate, families.find(family))
    found, folder = start(
        num_markets=num_markets, seed=seed, num_processes=num_processes, out=out.resolve(), on_done=on_done
    )
    click.echo(found.markdown())
    click.echo(f"kept in {folder}")
    click.get_current_context().exit(1 if found.missed else 0)


@gates.command()
@click.option("--family", default="price-action", show_default=True, metavar="FAMILY", help="Whose gates.")
@click.option("--markets", "num_markets", type=click.IntRange(1), default=20, show_default=True, help="Of noise.")
@click.option("--market", default="", help="Noise, without its seed.  [default: the family's]")
@click.option("--trials", "num_trials", type=click.IntRange(1), default=50, show_default=True, help="Of each search.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the recipe.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first market.")
@click.option("--jobs", "num_processes", type=click.IntRange(1), default=os.cpu_count() or 1, help="[default: cores]")
@_OUT
def search(
    family: str,
    *,
    num_markets: int,
    market: str,
    num_trials: int,
    overrides: tuple[str, ...],
    seed: int,
    num_processes: int,
    out: Path,
) -> None:
    """Search for a recipe on markets of noise: the best of each search must not be promoted."""
    from pipelines import search_calibration  # noqa: PLC0415 - help need not wait for it

    member = families.find(family)
    study = search_calibration.study_of(
        member, overrides, market=market, num_markets=num_markets, num_trials=num_trials, seed=seed, out=out.resolve()
    )
    found, folder = search_calibration.calibrate(
        member, study, num_processes=num_processes,
        on_done=lambda number, total: click.echo(f"{number} of {total}", err=True),
    )  # fmt: skip
    click.echo(found.markdown())
    click.echo(f"kept in {folder}")
    click.get_current_context().exit(1 if found.missed else 0)
