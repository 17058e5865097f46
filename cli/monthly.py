"""``qf monthly``: both models of the market from fresh data, judged, and published if they are champions."""

import click

from cli.options import root_option
from cli.run import carry_out
from components.core.workspace import Workspace, slug
from components.publish import BUCKET, FAMILIES, REGION
from components.publish.publication import publish
from components.publish.storage import require_credentials
from pipelines.request import Settings, dataset_of, located, request


@click.command()
@click.option("--source", default="synthetic://planted", show_default=True, help="Bars, as for 'qf run'.")
@click.option("--context", default="", help="Folder, or s3:// prefix, with funds, yields and news tone.")
@click.option("--asof", default="", help="Use nothing that was known later: a date, or a timestamp with its zone.")
@click.option("--dataset", default="", help="Name under which the models compete.  [default: from the source]")
@click.option("--max-days", default=365, show_default=True, type=click.IntRange(1), help="Newest days to train on.")
@click.option("--regime-type", default="gru", show_default=True, type=click.Choice(["gru", "transformer"]))
@click.option("--health-type", default="autoencoder", show_default=True, type=click.Choice(["autoencoder", "vae"]))
@click.option("--epochs", default=100, show_default=True, type=click.IntRange(1), help="At most, of each model.")
@click.option("--bucket", default=BUCKET, show_default=True, help="Where the champions are published.")
@click.option("--region", default=REGION, show_default=True)
@click.option("--skip-upload", is_flag=True, default=False, help="Publish to the local folder alone.")
@click.option("--output", default="models", show_default=True, help="The local folder.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of both recipes.")
@root_option
def monthly(  # noqa: PLR0917 - click passes by name
    source: str,
    context: str,
    asof: str,
    dataset: str,
    max_days: int,
    regime_type: str,
    health_type: str,
    epochs: int,
    bucket: str,
    region: str,
    skip_upload: bool,
    output: str,
    overrides: tuple[str, ...],
    root: Workspace,
) -> None:
    """Fetch, train regime and health, judge both, publish the champions.

    A model that fails its gates is not published: the champion before it, or the baseline, goes on.
    """
    if not skip_upload:
        require_credentials(bucket)
    name = slug(dataset, what="dataset") if dataset else dataset_of(located(source))
    shared = (f"data.max_days={max_days}", f"train.epochs={epochs}", *overrides)
    for family, kind in (("regime", regime_type), ("health", health_type)):
        settings = Settings(overrides=(f"model.type={kind}", *shared))
        asked = request(family, root, source=source, settings=settings, asof=asof, dataset=name, context=context)
        carry_out(asked)
    facts = publish(
        FAMILIES,
        name,
        bucket=bucket,
        region=region,
        skip_upload=skip_upload,
        out=output,
        root=str(root.root),
        run_key=f"publish-{name}",
    )
    where = f"{output} and {facts['uploaded']}" if facts["uploaded"] else output
    click.echo(f"published {facts['models']} to {where}" if facts["models"] else "published nothing: no champion yet")
