"""``qf train``: one model from a table of ready features, without a registry and without a judge."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import shutil
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq

from cli.options import root_option
from components.assemble.examples import assemble
from components.core import bundle as bundles
from components.core import family as families
from components.core.errors import DataError
from components.core.family import Family
from components.core.files import digest_of, fresh_folder, sha256_of
from components.core.workspace import Workspace
from components.features.materialize import write_features
from components.market.bars import SESSION_KNOWN_AT
from components.market.context import MARKET
from components.train.fit import fit

_DATA = click.option("--data", required=True, metavar="FILE", help="Parquet: date, of stocks symbol, features.")
_EPOCHS = click.option("--epochs", default=100, show_default=True, type=click.IntRange(1), help="At most.")
_SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the recipe.")


@click.group()
def train() -> None:
    """Train one model from a parquet file of ready features; nothing is judged or promoted."""


@train.command()
@_DATA
@click.option("--output", default="models/regime_model", show_default=True, help="Folder of the bundle.")
@click.option("--type", "kind", default="gru", show_default=True, type=click.Choice(["gru", "transformer"]))
@_EPOCHS
@click.option("--batch", default=32, show_default=True, type=click.IntRange(1))
@_SET
@root_option
def regime(  # noqa: PLR0917 - click passes by name
    data: str, output: str, kind: str, epochs: int, batch: int, overrides: tuple[str, ...], root: Workspace
) -> None:
    """Train the regime classifier on sessions of market context."""
    _train(families.find("regime"), data, output, kind, epochs, batch, overrides, root)


@train.command()
@_DATA
@click.option("--output", default="models/health_model", show_default=True, help="Folder of the bundle.")
@click.option("--type", "kind", default="autoencoder", show_default=True, type=click.Choice(["autoencoder", "vae"]))
@_EPOCHS
@click.option("--batch", default=64, show_default=True, type=click.IntRange(1))
@_SET
@root_option
def health(  # noqa: PLR0917 - click passes by name
    data: str, output: str, kind: str, epochs: int, batch: int, overrides: tuple[str, ...], root: Workspace
) -> None:
    """Train the health scorer on days of stock returns."""
    _train(families.find("health"), data, output, kind, epochs, batch, overrides, root)


def _train(  # noqa: PLR0917 - as the commands pass them
    member: Family,
    data: str,
    output: str,
    kind: str,
    epochs: int,
    batch: int,
    overrides: tuple[str, ...],
    root: Workspace,
) -> None:
    [(view, columns)] = member.columns.items()
    table = feature_table(Path(data), member, columns)
    settings = (f"model.type={kind}", f"train.epochs={epochs}", f"train.batch={batch}", *overrides)
    recipe = member.recipe(member.default_recipe, settings).canonical()
    digest = sha256_of(Path(data))
    run = {"root": str(root.root), "run_key": f"train-{member.name}-{digest_of([digest, recipe])[:10]}"}
    place = root.run(run["run_key"])
    facts = {"dataset": "file", "source": data, "interval": "daily", "digest": digest}
    write_features([(view, table)], facts, place / "features")
    assemble(str(place / "features"), member.name, recipe, out=str(place / "examples"), **run)
    fit(str(place / "examples"), member.name, recipe, out=str(place / "bundle"), **run)
    with fresh_folder(Path(output)) as folder:
        shutil.copytree(place / "bundle", folder, dirs_exist_ok=True)
    click.echo(f"{output}: bundle {bundles.load(Path(output)).digest[:12]}, not judged, not promoted")


def feature_table(path: Path, member: Family, columns: tuple[str, ...]) -> pa.Table:
    """Return the rows of a file as the rows of a view: a day counts from 22:00 UTC on.

    Raises:
        DataError: If the file cannot be read, or a column is missing.
    """
    keys = ("date",) if member.unit == "market" else ("date", "symbol")
    remedy = f"It must hold {', '.join((*keys, *columns))}"
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise DataError("no such file", file=str(path), remedy=remedy) from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be read ({error})", file=str(path), remedy="Write it again as parquet") from None
    if missing := [name for name in (*keys, *columns) if name not in table.column_names]:
        raise DataError("the column is missing", file=str(path), column=missing[0], remedy=remedy)
    days: Any = _cast(table, "date", pa.timestamp("us"), path).to_numpy()
    moment = pa.array(days + SESSION_KNOWN_AT, pa.timestamp("us", "UTC"))
    named: dict[str, Any] = {"event_timestamp": moment, "created": moment}
    if member.unit == "market":
        named |= {"market": pa.array([MARKET] * len(days)), "date": pa.array(days.astype("datetime64[D]"))}
    else:
        named |= {"symbol": table["symbol"], "timestamp": pa.array(days, pa.timestamp("us", "UTC"))}
    return pa.table({**named, **{name: _cast(table, name, pa.float64(), path) for name in columns}})


def _cast(table: pa.Table, name: str, kind: pa.DataType, path: Path) -> pa.ChunkedArray:
    """Return a column as ``kind``, of which no day may be missing."""
    try:
        column = table[name].cast(kind)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0][:160]
        raise DataError(
            f"cannot be read as {kind} ({reason})", file=str(path), column=name, remedy="Correct it"
        ) from None
    if name == "date" and column.null_count:
        raise DataError("a day is empty", file=str(path), column=name, remedy="Remove the row")
    return column
