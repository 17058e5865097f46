"""What ships, as functions from bars or features to a table, by the steps' own code; importing this loads Feast."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
import tempfile
from pathlib import Path

import pyarrow as pa

from components.assemble.examples import examples_table
from components.core.family import Family
from components.features import tables
from components.features.materialize import write_features
from feature_repo.definitions import TECHNICAL_VIEW


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


def training_rows(table: pa.Table, family: Family) -> pa.Table:
    """Return the examples that ``assemble`` would write of these features, by its default recipe."""
    facts = {"dataset": "probe", "source": "probe", "interval": "probe", "digest": "probe"}
    with tempfile.TemporaryDirectory() as private:
        folder = Path(private) / "features"
        write_features([(TECHNICAL_VIEW, table)], facts, folder)
        rows, _ = examples_table(folder, family, family.recipe(family.default_recipe).data)
    return pa.Table.from_pandas(rows, preserve_index=False)
