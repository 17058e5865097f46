"""``qf paper``: a promoted model trades on paper, one bar at a time; nothing is sent to anybody."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import numpy as np

from cli.feed import candles_of, grid_of, panel_of
from cli.options import root_option
from components.core import bundle as bundles
from components.core import family as families
from components.core.bundle import Bundle
from components.core.clock import Clock, system_clock
from components.core.errors import ArtifactError, DataError
from components.core.judge import JudgeConfig
from components.core.registry import standing_version
from components.core.workspace import Workspace
from components.ingest.snapshot import wanted_symbols
from components.market.columns import FORECAST_SOURCE, FORECASTS_BY
from components.market.predictions import ALLOCATION
from components.market.readers import read_bars
from components.score.batch import predict
from components.serving.loader import load
from components.serving.source import Answer
from components.trading.paper_ledger import LEDGER, PaperLedger
from components.trading.paper_replay import Feed, replay, resumed
from components.trading.paper_weights import WeightedAccount

CAPITAL: Final = 10_000.0


def feed_of(
    bundle: Bundle, start: datetime, end: datetime, *, source: str, symbols: Sequence[str], clock: Clock = system_clock
) -> Feed:
    """Return the bars of ``source`` from ``start`` to ``end``; those before only fill windows.

    Raises:
        ArtifactError: If the bundle says no allocation, or was trained on forecasts that are not made here.
        DataError: If the bars cannot be trusted, or no symbol has a whole window.
        UsageError: If there is no bar between ``start`` and ``end``.
    """
    served, family = load(bundle.folder, expect=bundle.digest), families.find(str(bundle.manifest["family"]))
    if ALLOCATION not in served.signature.outputs:
        raise ArtifactError(f"{bundle.folder}: says {', '.join(served.signature.outputs)}, no {ALLOCATION} to hold")
    if (made_by := bundle.manifest["data"].get(FORECASTS_BY, FORECAST_SOURCE)) != FORECAST_SOURCE:
        raise ArtifactError(f"{bundle.folder}: reads forecasts by {made_by}, a feed has those by {FORECAST_SOURCE}")
    bars = read_bars(source, symbols=tuple(symbols), asof=clock())
    panel = panel_of(bars, start, end)
    candles, grid = candles_of(panel, start), grid_of(panel, bars, served, source)
    ends = grid.ends(served.signature.window, every=True)
    ends = ends[grid.panel.timestamps[ends[:, 1]] >= candles.timestamp[0]]
    if not len(ends):
        problem = f"no symbol has {served.signature.window} bars in a row with all features"
        raise DataError(problem, file=source, remedy="Give longer series, or a later --start")
    said = predict(Answer(served.predict, "trained"), grid.panel.values, ends, served.signature.window)[ALLOCATION]
    head = bundle.manifest["config"]["model"]["head"]
    held = family.module("predict").shares(said.astype(np.float64), ends, len(grid.symbols), head=head)
    weights: list[dict[str, float]] = [{} for _ in candles.timestamp]
    bar = np.searchsorted(candles.timestamp, grid.panel.timestamps[ends[:, 1]])
    for place, symbol, weight in zip(bar.tolist(), ends[:, 0].tolist(), held.tolist(), strict=True):
        weights[place][grid.symbols[symbol]] = weight
    return Feed(candles, weights)


_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", required=True, help="Bars, as for 'qf run'.")
@click.option("--account", required=True, type=click.Path(path_type=Path), help="Folder of the account's ledger.")
@click.option("--start", required=True, type=_DAY, metavar="DATE", help="First day to trade, in UTC.")
@click.option("--symbols", default="", metavar="A,B", help="Only these symbols.  [default: all]")
@click.option("--capital", default=CAPITAL, show_default=True, type=click.FloatRange(0, min_open=True))
@root_option
def paper(
    model: Path, *, source: str, account: Path, start: datetime, symbols: str, capital: float, root: Workspace
) -> None:
    """Let the promoted version in the folder MODEL trade on paper over bars, one at a time.

    After a close it says what to hold; at the next open that is bought and sold, on paper, at the judge's costs. No
    order leaves this machine. The same command goes on where the ledger ends, after a kill too.
    """
    bundle = bundles.load(model)
    version = standing_version(root, bundle)
    feed = feed_of(bundle, start.replace(tzinfo=UTC), system_clock(), source=source, symbols=wanted_symbols(symbols))
    fresh = WeightedAccount.start(feed.candles.symbols, capital=capital, costs=JudgeConfig().costs)
    path = account / LEDGER
    opening = {"model": bundle.digest, "family": bundle.manifest["family"], "version": version.version}
    with closing(PaperLedger.open(path)) as ledger:
        left = resumed(ledger, opening, fresh, path)
        begun = len(ledger.entries)
        now = replay(feed, left, ledger)
    num_fills = sum(len(entry.get("fills", ())) for entry in ledger.entries)
    equity = now.equity(feed.opens(feed.candles.timestamp.size - 1))
    click.echo(f"{version.folder.name}: {len(ledger.entries) - begun} new bars")
    click.echo(f"  {len(ledger.entries) - 1} bars to {now.decided_at[:16]}, {num_fills} fills on paper")
    click.echo(f"  equity {equity:,.2f} of {capital:,.2f}, cash {now.cash:,.2f}")
    click.echo(f"  {path}")
