"""What ships, as functions from bars or features to a table, by the steps' own code; importing this loads Feast."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
import contextlib
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path

import pyarrow as pa

from components.assemble.examples import examples_table, labelled
from components.assemble.labellers import LABELLERS
from components.core.family import Family
from components.features import tables
from components.features.market_tables import companion_rows
from components.features.materialize import write_features
from components.market.bars import Interval
from feature_repo.definitions import CONTEXT_VIEW, OPTIONS_VIEW, TECHNICAL_VIEW, UNITS
from feature_repo.place import Place
from feature_repo.store import apply, open_store, point_in_time


def technical(bars: pa.Table) -> pa.Table:
    """Return the rows of ``technical_v1``."""
    return tables.technical_table(tables.bar_panel(bars))


def spectral(bars: pa.Table) -> pa.Table:
    """Return the rows of ``spectral_v1``."""
    return tables.spectral_table(tables.bar_panel(bars))


def returns(bars: pa.Table) -> pa.Table:
    """Return the rows of ``returns_v1``; the bars must be daily."""
    return tables.returns_table(tables.bar_panel(bars))


def characteristics(bars: pa.Table) -> pa.Table:
    """Return the rows of ``characteristics_v1``; the bars must be daily."""
    return tables.characteristics_table(tables.bar_panel(bars))


def forecasts(bars: pa.Table) -> pa.Table:
    """Return the rows of ``forecasts_v1``; the bars must be daily."""
    return tables.forecasts_table(tables.bar_panel(bars))


def context(bars: pa.Table, beside: Mapping[str, pa.Table], *, interval: Interval) -> pa.Table:
    """Return the rows of ``context_v1``, with the market as ``symbol`` and the session as ``timestamp``."""
    return companion_rows(CONTEXT_VIEW, bars, beside, interval=interval)


def options(bars: pa.Table, beside: Mapping[str, pa.Table], *, interval: Interval) -> pa.Table:
    """Return the rows of ``options_v1``."""
    return companion_rows(OPTIONS_VIEW, bars, beside, interval=interval)


def features(bars: pa.Table, interval: Interval) -> pa.Table:
    """Return the rows of all views that the bars have features for, side by side."""
    views = dict(tables.feature_tables(tables.bar_panel(bars), interval))
    whole = views.pop(TECHNICAL_VIEW)
    for view, table in views.items():
        for name in UNITS[view]:
            whole = whole.append_column(name, table[name])
    return whole


def training_rows(table: pa.Table, family: Family) -> pa.Table:
    """Return the examples that ``assemble`` would write of these ``features``, by its default recipe.

    A label that is made of features is there when those are: such a row is dated by its label's bar.
    """
    recipe = family.recipe(family.default_recipe)
    with _written(table) as folder:
        rows, _ = examples_table(folder, family, recipe)
    if "now" in rows:
        known = rows.groupby("symbol")["decision_time"].shift(-recipe.data.horizon)
        rows = rows.assign(decision_time=known).dropna(subset=["decision_time"])
    return pa.Table.from_pandas(rows, preserve_index=False)


def joined_rows(table: pa.Table) -> pa.Table:
    """Return every column of these ``features`` as it was known when each bar was complete, whoever reads it."""
    with _written(table) as folder:
        place = Place.embedded(folder / "feast")
        store = open_store(place, "probe")
        apply(store, place, folder)
        columns = [f"{view}:{name}" for view, names in UNITS.items() for name in names if name in table.column_names]
        spine = labelled(table.to_pandas(), LABELLERS["direction"], 1)
        rows = point_in_time(store, columns, spine)
    return rows.rename_columns({"event_timestamp": "decision_time"})


@contextlib.contextmanager
def _written(table: pa.Table) -> Generator[Path]:
    """Yield a folder with the files of the views whose columns ``table`` has."""
    facts = {"dataset": "probe", "source": "probe", "interval": "probe", "digest": "probe"}
    keys = [name for name in table.column_names if not any(name in names for names in UNITS.values())]
    views = {view: list(names) for view, names in UNITS.items() if set(names) <= set(table.column_names)}
    with tempfile.TemporaryDirectory() as private:
        folder = Path(private) / "features"
        write_features([(view, table.select([*keys, *names])) for view, names in views.items()], facts, folder)
        yield folder
