"""A family's training rows from a table of features, by the steps' own code; importing this loads Feast."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
import tempfile
from pathlib import Path

import pyarrow as pa

from components.assemble.examples import examples_table
from components.core.family import Family
from components.features.materialize import write_features


def training_rows(table: pa.Table, family: Family) -> pa.Table:
    """Return the examples that ``assemble`` would write of these features, by its default recipe."""
    facts = {"dataset": "probe", "source": "probe", "interval": "probe", "digest": "probe"}
    with tempfile.TemporaryDirectory() as private:
        folder = Path(private) / "features"
        write_features(table, facts, folder)
        rows, _ = examples_table(folder, family, family.recipe(family.default_recipe).data)
    return pa.Table.from_pandas(rows, preserve_index=False)
