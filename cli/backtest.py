"""``qf backtest``: a sealed bundle traded over bars, and what came of it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from cli.feed import candles_of, grid_of, panel_of
from components.assemble.examples import SECONDS_PER_YEAR
from components.core.bundle import MANIFEST
from components.core.clock import Clock, system_clock
from components.core.errors import ArtifactError, DataError, UsageError
from components.core.files import atomic_file, read_json
from components.ingest.snapshot import wanted_symbols
from components.market.readers import read_bars
from components.score.batch import Grid, predict
from components.serving.loader import Served, load
from components.serving.source import Answer
from components.trading.candles import Candles
from components.trading.engine import Account, Trade, trade
from components.trading.performance import bands
from components.trading.settings import PRESETS


@dataclass(frozen=True)
class ModelBacktest:
    """An account that followed a model."""

    account: Account
    figures: dict[str, float]
    bands: list[str]
    """Lines that hold the figures against the customary bands."""
    trained_at: str
    """When the training began, ISO 8601: only bars after it are surely new to the model; empty if unknown."""


def backtest_model(
    path: Path,
    start: datetime,
    end: datetime,
    *,
    source: str,
    preset: str,
    symbols: Sequence[str] = (),
    clock: Clock = system_clock,
) -> ModelBacktest:
    """Return what following the bundle at ``path`` came to on the bars of ``source`` from ``start`` to ``end``.

    Its signal at each close is traded at the next open, by ``PRESETS[preset]``; no symbol gets more than an equal
    share of the capital. Bars before ``start`` only fill windows, those after ``end`` are not looked at; prices are
    adjusted for splits and dividends.

    Raises:
        ArtifactError: If the bundle was altered, or says no signal.
        DataError: If the bars cannot be trusted, or a symbol lacks one between ``start`` and ``end``.
        UsageError: If there is no such preset, or no bar between ``start`` and ``end``.
    """
    if preset not in PRESETS:
        raise UsageError(f"{preset!r}: no such preset. There is {', '.join(PRESETS)}")
    served = load(path)
    if "signal" not in served.signature.outputs:
        raise ArtifactError(f"{path}: says {', '.join(served.signature.outputs)}, no signal that can be traded")
    bars = read_bars(source, symbols=tuple(symbols), asof=clock())
    panel = panel_of(bars, start, end)
    candles = candles_of(panel, start)
    signal = _signal(candles, grid_of(panel, bars, served, source), served, source)
    config = PRESETS[preset]
    share = min(config.max_position, 1 / len(candles.symbols))
    account = trade(candles, signal, config.model_copy(update={"max_position": share}))
    per_year = _bars_per_year(candles)
    figures = account.summary(bars_per_year=per_year)
    lines = bands(figures, candles.timestamp.size, bars_per_year=per_year)
    return ModelBacktest(account, figures, lines, str(read_json(path / MANIFEST)["notes"].get("started", "")))


def _signal(candles: Candles, grid: Grid, served: Served, source: str) -> npt.NDArray[np.float64]:
    """Return what the model says, [symbol, bar] of the candles; 0 where it has no whole window."""
    window = served.signature.window
    ends = grid.ends(window, every=True)
    if not len(ends):
        problem = f"no symbol has {window} bars in a row with all features"
        raise DataError(problem, file=source, remedy="Give longer series")
    said = predict(Answer(served.predict, "trained"), grid.panel.values, ends, window)["signal"]
    signal = np.zeros(candles.close.shape)
    time = grid.panel.timestamps[ends[:, 1]]
    inside = (time >= candles.timestamp[0]) & (time <= candles.timestamp[-1])
    symbol = np.searchsorted(np.array(candles.symbols), np.array(grid.symbols))[ends[inside, 0]]
    signal[symbol, np.searchsorted(candles.timestamp, time[inside])] = said[inside]
    return signal


def _bars_per_year(candles: Candles) -> float:
    span_s = float((candles.timestamp[-1] - candles.timestamp[0]) / np.timedelta64(1, "s"))
    return (candles.timestamp.size - 1) * SECONDS_PER_YEAR / span_s if span_s else 1.0


def ledger_table(account: Account) -> pa.Table:
    """Return the trades, one row each."""
    rows: list[dict[str, Any]] = [{**asdict(item), "pnl": item.pnl} for item in account.trades]
    names = [*(field.name for field in fields(Trade)), "pnl"]
    return pa.table({name: [row[name] for row in rows] for name in names})


_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", required=True, help="Bars, as for 'qf run'.")
@click.option("--preset", default="s4", show_default=True, type=click.Choice(list(PRESETS)), help="Costs and limits.")
@click.option("--start", required=True, type=_DAY, metavar="DATE", help="First day to trade, in UTC.")
@click.option("--end", type=_DAY, metavar="DATE", help="Last day to trade, in UTC.  [default: today]")
@click.option("--symbols", default="", metavar="A,B", help="Only these symbols.  [default: all]")
@click.option("--ledger", default="", metavar="FILE", help="Write every trade to this CSV file.")
def backtest(
    bundle: Path, *, source: str, preset: str, start: datetime, end: datetime | None, symbols: str, ledger: str
) -> None:
    """Trade the model in the folder BUNDLE over bars, with costs, stops and limits; it is not judged by that."""
    last = system_clock() if end is None else end.replace(tzinfo=UTC) + timedelta(days=1, microseconds=-1)
    first = start.replace(tzinfo=UTC)
    found = backtest_model(bundle, first, last, source=source, preset=preset, symbols=wanted_symbols(symbols))
    times = found.account.timestamp
    click.echo(f"{times.size} bars from {times[0]} to {times[-1]}, preset {preset}")
    for name, value in found.figures.items():
        click.echo(f"  {name:16}{value:12.4f}")
    for line in found.bands:
        click.echo(line)
    known = f"Its training began at {found.trained_at}" if found.trained_at else "It does not say when it was trained"
    click.echo(f"{known}; on bars that it has seen a model looks better than it is. 'qf run' judges on others")
    if ledger:
        with atomic_file(Path(ledger)) as file:
            csv.write_csv(ledger_table(found.account), file)
        click.echo(f"{ledger}: {len(found.account.trades)} trades")
