"""``qf probe``."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import click
import pyarrow as pa

from cli.options import companion_options
from components.core import family as families
from components.core.clock import system_clock
from components.core.errors import BAD_DATA, DataError, UsageError
from components.ingest.snapshot import as_of, wanted_symbols
from components.market.bars import OHLC, Bars
from components.market.companions import CONTEXT_FILES, OPTIONS_FILES, read_companions
from components.market.layout import PLAIN
from components.market.probes import Finding, Report
from components.market.probes.against import against
from components.market.probes.data import EMPTY, MAX_EMPTY_SHARE, OURS
from components.market.probes.data import data as probe_data
from components.market.probes.lookahead import NUM_CUTS, Compute, cuts_beside, cuts_of, warned_already
from components.market.probes.lookahead import lookahead as probe_lookahead
from components.market.probes.quirks import quirks
from components.market.probes.restate import restate as probe_restate
from components.market.probes.restate import restatement_time
from components.market.probes.tables import tables
from components.market.readers import read_bars
from components.market.table_kinds import kind_of

SHIPPED: Final = {"technical_v1": "cli.shipped:technical", "spectral_v1": "cli.shipped:spectral"}
"""The functions from bars to features behind each view of the feature store."""
SHIPPED_DAILY: Final = {
    "returns_v1": "cli.shipped:returns",
    "characteristics_v1": "cli.shipped:characteristics",
    "forecasts_v1": "cli.shipped:forecasts",
}
"""Those whose columns are named in days."""
SHIPPED_BESIDE: Final = {
    "context_v1": ("cli.shipped:context", CONTEXT_FILES),
    "options_v1": ("cli.shipped:options", OPTIONS_FILES),
}
"""Those that are made of tables beside the bars, with these; none can do without its first."""

_ASOF = click.option("--asof", default="", metavar="DATE", help="What was known by then.  [default: now]")
_SYMBOLS = click.option("--symbols", default="", metavar="A,B", help="Only these symbols.  [default: all]")
_SEED = click.option("--seed", default=0, show_default=True, help="Start of the random changes.")


@click.group()
def probe() -> None:
    """Look for data and features that lie. Exit 0 clean, 65 with one line per finding.

    SOURCE is synthetic://..., a parquet or CSV file, or a folder of them.
    """


@probe.command()
@click.argument("source")
@click.option("--key", "keys", default="", metavar="A,B", help="Columns that tell rows of one time apart.  [symbol]")
@click.option(
    "--max-empty-share", type=click.FloatRange(0, 1), default=MAX_EMPTY_SHARE, show_default=True, help="Of a column."
)
@click.option("--against", "other", default="", metavar="OTHER", help="Only compare with another source.")
@_ASOF
def data(source: str, *, keys: str, max_empty_share: float, other: str, asof: str) -> None:
    """Check times, keys, gaps and labels in disguise.

    Of bars, the shipped features that they give are checked too; of yields, news, option chains and lists the
    quirks of their kind, with the number of rows that have none. Notes alone are no findings. With --against the
    names, closes, dividends and splits of two sources are compared.
    """
    if other:
        _tell([against(_joined(source), _joined(other), names=(source, other))])
    moment = as_of(asof, system_clock)
    wanted = tuple(key.strip() for key in keys.split(",") if key.strip())
    check = partial(probe_data, asof=moment, max_empty_share=max_empty_share)
    found = tables(source)
    reports = [report for name, table in found.items() for report in _of_table(table, name, wanted, check)]
    if not any(report.findings for report in reports) and all(_are_bars(table) for table in found.values()):
        reports += _features_of(source, moment)
    _tell(reports)


@probe.command()
@click.argument("source")
@click.option("--features", metavar="MODULE:FUNCTION", help="Your own, from bars to a table.  [default: the shipped]")
@click.option("--cuts", type=click.IntRange(1, 100), default=NUM_CUTS, show_default=True, help="Instants to cut at.")
@click.option("--tolerance", type=click.FloatRange(0), default=0.0, show_default=True, help="Relative; 0: equal bits.")
@companion_options
@_SYMBOLS
@_ASOF
@_SEED
def lookahead(
    source: str,
    *,
    features: str | None,
    cuts: int,
    tolerance: float,
    context: str,
    options: str,
    symbols: str,
    asof: str,
    seed: int,
) -> None:
    """Change the future: no feature of the past may move.

    Of the bars, and for the features of the market's context and of options, of the tables beside them.
    """
    if features and (context or options):
        raise UsageError("--features computes from bars alone. Leave --context and --options out")
    moment = as_of(asof, system_clock)
    bars = read_bars(source, symbols=wanted_symbols(symbols), asof=moment)
    change = partial(probe_lookahead, bars=bars.table, seed=seed, tolerance=tolerance)
    views, instants = {features: features} if features else _shipped(bars), cuts_of(bars.table, cuts)
    reports = [change(_function(path), cuts=instants, name=name) for name, path in views.items()]
    beside = {} if features else read_companions(source, context=context, options=options, asof=moment)
    for name, (path, wanted) in SHIPPED_BESIDE.items():
        if wanted[0] in beside:
            compute = partial(_function(path), interval=bars.interval)
            given = {key: beside[key] for key in wanted if key in beside}
            instants = cuts_beside(compute(bars.table, given), bars.table, given, cuts)
            with warned_already():
                reports.append(change(compute, cuts=instants, beside=given, name=name))
    _tell(reports)


@probe.command()
@click.argument("source")
@_SYMBOLS
@_ASOF
@_SEED
def restate(source: str, symbols: str, asof: str, seed: int) -> None:
    """Overwrite old bars: training rows keep their digest.

    For the features of all views that bars give, and for the examples of every family that needs no
    others: what was decided before the bars were restated stays as it was.
    """
    bars = read_bars(source, symbols=wanted_symbols(symbols), asof=as_of(asof, system_clock))
    compute = partial(_function("cli.shipped:features"), interval=bars.interval)
    examples = _function("cli.shipped:training_rows")
    fed = [family for family in families.every() if _shipped(bars).keys() >= family.columns.keys()]
    rows = {"features": _function("cli.shipped:joined_rows")}
    rows |= {family.pipeline: partial(examples, family=family) for family in fed}
    at = restatement_time(bars.table)
    _tell([probe_restate(compute, made, bars.table, at, name=name, seed=seed) for name, made in rows.items()])


def _joined(source: str) -> pa.Table:
    """Return all files of a source as one table.

    Raises:
        DataError: If a column holds texts in one file and numbers in another.
    """
    try:
        return pa.concat_tables(tables(source).values(), promote_options="permissive")
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0][:160]
        raise DataError(f"the files are not alike ({reason})", file=source, remedy="Give files of one kind") from None


def _of_table(table: pa.Table, name: str, keys: Sequence[str], check: Callable[..., Report]) -> list[Report]:
    """Return what is wrong with a table, and what the rules of its kind say of one that is not of bars."""
    if _are_bars(table):
        return [check(table, keys=keys, name=name)]
    kind = kind_of(table.column_names)
    if kind is not None and kind.time not in PLAIN.times:
        return [quirks(table, name=name)]
    own = [key for key in kind.keys if key != kind.time] if kind else ()
    plain, odd = check(table, keys=keys or own, name=name), quirks(table, name=name)
    told = {finding.column for finding in odd.findings if finding.check.endswith("empty_column")}
    once = tuple(finding for finding in plain.findings if finding.problem != EMPTY or finding.column not in told)
    return [replace(plain, findings=once), odd]


def _are_bars(table: pa.Table) -> bool:
    return {*OHLC, "volume"}.issubset(table.column_names) and not set(OURS[:2]).intersection(table.column_names)


def _features_of(source: str, moment: Any) -> list[Report]:
    """Return what is wrong with the features that are made of these bars, or with the bars as the reader sees them."""
    try:
        bars = read_bars(source, asof=moment)
    except DataError as error:
        problem = str(error).removesuffix(f". {error.remedy}")
        return [Report(source, (Finding("bars", error.column or "all", error.row, problem, error.remedy),), ())]
    views = {name: _function(path)(bars.table) for name, path in _shipped(bars).items()}
    return [probe_data(_priced(table, bars), asof=moment, name=name) for name, table in views.items()]


def _priced(table: pa.Table, bars: Bars) -> pa.Table:
    """Return the features with the close beside them, which labels are made of."""
    return table if "close" in table.column_names else table.append_column("close", bars.table["adj_close"])


def _shipped(bars: Bars) -> dict[str, str]:
    return SHIPPED | (SHIPPED_DAILY if bars.interval == "daily" else {})


def _function(path: str) -> Callable[..., Any]:
    """Import a function when it is needed: of the shipped ones, some load Feast.

    Raises:
        UsageError: If it does not exist.
    """
    module, _, name = path.partition(":")
    try:
        found: Compute = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = "Give MODULE:FUNCTION that Python can import here, such as my_features:compute"
        raise UsageError(f"--features {path!r:.120}: {error}. {remedy}") from None
    return found


def _tell(reports: Sequence[Report]) -> None:
    """Write summaries, every finding as one line, notes and what was checked; leave with 65 if there are findings."""
    findings = [f"{report.name}: {finding}" for report in reports for finding in report.findings]
    summaries = [f"{report.name}: {line}" for report in reports for line in report.summary]
    notes = [f"note {report.name}: {line}" for report in reports for line in report.notes]
    checked = [f"checked {report.name}: {line}" for report in reports for line in report.checked]
    for line in [*summaries, *findings, *notes, *checked]:
        click.echo(line)
    click.echo(f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}" if findings else "clean")
    click.get_current_context().exit(BAD_DATA if findings else 0)
