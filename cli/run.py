"""``qf run``."""

import shutil

import click

from cli.console import summary
from cli.options import companion_options, root_option
from cli.portfolios import portfolios_summary
from cli.progress import Progress
from components.core.workspace import Workspace
from components.ingest import MAX_RESTATED
from components.serving import MAX_AGE_DAYS
from pipelines import COMPILED, COMPLETE, WEEKLY
from pipelines.local import Runner, execute, finished
from pipelines.request import RunRequest, Settings, request
from pipelines.retraining import retraining


def carry_out(asked: RunRequest, *, runner: Runner = "subprocess") -> None:
    """Run what is asked, unless it ended before, and say what came of it."""
    if finished(asked):
        click.echo(f"run {asked.run_key} ended before: nothing to do. --fresh starts it over.\n")
    else:
        with Progress(asked) as progress:
            execute(asked, COMPILED / f"{asked.pipeline}.yaml", progress.on_event, runner=runner)
    if asked.pipeline == COMPLETE:
        portfolios_summary(asked)
    else:
        summary(asked)


@click.command()
@click.argument("pipeline")
@click.option(
    "--source",
    default="synthetic://planted",
    show_default=True,
    help="Bars: a parquet or CSV file, a folder of CSV files, s3://bucket/key or prefix, vendor://alpha-vantage, "
    "https://host/{symbol}.csv, or synthetic://planted?symbols=8&days=900&seed=7.",
)
@click.option(
    "--recipe", default=None, help="A shipped recipe ('qf config recipes'), or a .yaml file.  [default: the family's]"
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting of the recipe, such as train.epochs=3.",
)
@click.option("--every-window", is_flag=True, help="Score every window of the source, not only each symbol's newest.")
@click.option(
    "--max-age-days",
    type=click.FloatRange(0),
    default=None,
    help="Score with a champion promoted at most this long ago, else with the baseline; 0: any.  "
    f"[default: {MAX_AGE_DAYS:g}]",
)
@click.option(
    "--trials", "num_trials", type=click.IntRange(1), default=None, help="Of a search: recipes to try.  [default: 50]"
)
@click.option("--symbols", "--stocks", default="", help="Only these, separated by commas.  [default: all]")
@click.option("--steps", type=click.IntRange(1), default=None, help="Training steps at most.  [default: the recipe's]")
@click.option("--base-model", default="", metavar="FOLDER", help="Bundle to start from, for 10 passes or --steps.")
@click.option("--tickers", default="", help=f"Of {WEEKLY}: the stocks that get a twin.  [default: all of the symbols]")
@click.option(
    "--pairs", default="", help=f"Of {COMPLETE}: its portfolios, such as AAPL-MSFT,KO-PEP; BRK-B/KO with '/'."
)
@click.option("--asof", default="", help="Use nothing that was known later: a date, or a timestamp with its zone.")
@click.option(
    "--faults",
    type=click.Choice(["refuse", "quarantine"]),
    default="refuse",
    show_default=True,
    help="Refuse a source with a faulty row, or set faulty rows and symbols aside and go on.",
)
@click.option("--dataset", default="", help="Name under which its models compete.  [default: from the source]")
@click.option(
    "--layout",
    default="",
    help="What the files look like, such as yahoo or us-dates.  [default: told by their header]",
)
@click.option(
    "--max-restated",
    type=click.FloatRange(0, 1),
    default=MAX_RESTATED,
    show_default=True,
    help="Share of the bars known already that the source may have changed; 1 allows any, and records it.",
)
@companion_options
@click.option(
    "--run-key", default="", help="The same key resumes the same run.  [default: from family, recipe, data and code]"
)
@click.option(
    "--runner",
    type=click.Choice(["subprocess", "docker"]),
    default="subprocess",
    show_default=True,
    help="Where the steps run: here, or each in its image ('make images') without a network.",
)
@click.option("--fresh", is_flag=True, help="Start this run over, even if it ended or has checkpoints.")
@root_option
def run(  # noqa: PLR0917 - click passes by name
    pipeline: str,
    source: str,
    recipe: str | None,
    overrides: tuple[str, ...],
    every_window: bool,
    max_age_days: float | None,
    num_trials: int | None,
    symbols: str,
    steps: int | None,
    base_model: str,
    tickers: str,
    pairs: str,
    asof: str,
    faults: str,
    dataset: str,
    layout: str,
    max_restated: float,
    context: str,
    options: str,
    run_key: str,
    runner: Runner,
    fresh: bool,
    root: Workspace,
) -> None:
    """Run PIPELINE on this machine, start to finish.

    Called like a family, it trains: ingest, features, assemble, train, validate, promote. With '-scoring' after
    it, the champion predicts: ingest, features, score. With '-monitoring', it is watched on the days since it was
    judged, and trained again where it does not hold. With '-tuning', workers search for a better recipe: ingest,
    features, assemble, tune, collect. weekly-twin-retraining makes, judges and promotes a twin of each stock, on the
    champion of the foundation; profit-complete trains a base model, fine-tunes it for each stock of --pairs, or of
    --tickers, and fits the portfolios.
    """
    asked = request(
        pipeline,
        root,
        source=source,
        settings=Settings(
            recipe=recipe,
            overrides=overrides,
            every_window=every_window,
            max_age_days=max_age_days,
            num_trials=num_trials,
            tickers=tickers,
            pairs=pairs,
            steps=steps,
            base_model=base_model,
        ),
        symbols=symbols,
        asof=asof,
        dataset=dataset,
        faults=faults,
        layout=layout,
        max_restated=max_restated,
        context=context,
        options=options,
        run_key=run_key,
    )
    if fresh:
        shutil.rmtree(asked.folder, ignore_errors=True)
    carry_out(asked, runner=runner)
    if asked.pipeline == asked.family.monitoring_pipeline and (training := retraining(asked)):
        click.echo(f"\n{asked.family.pipeline} is trained again:")
        carry_out(training, runner=runner)
