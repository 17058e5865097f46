"""Does a rewritten past reach the training rows? Overwrite history later, build the rows again, compare digests.

A vendor corrects old bars. What was decided before the correction was decided on the old values, so
training rows that pretend otherwise teach a model what nobody knew. The corrected values are recorded
beside the old ones, known from the moment of the correction, as a store with knowledge time holds them.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import hashlib
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from components.core.errors import DataError
from components.market.knowledge import KEYS, differs, recorded
from components.market.probes import Finding, Report
from components.market.probes.lookahead import Compute, rewritten

SHARE: Final = 0.2
"""Of the old bars, how many are rewritten; averages carry them into most of the others."""

_CHECK: Final = "restated past"
_REMEDY: Final = "Join by event time and knowledge time: a value counts from its 'created' time on"


def restatement_time(bars: pa.Table) -> np.datetime64:
    """Return an instant after two thirds of the times, 1 us after bars became known."""
    known = np.unique(bars["known_at"].to_numpy())
    return known[(len(known) - 1) * 2 // 3] + np.timedelta64(1, "us")


def restate(
    features: Compute, examples: Compute, bars: pa.Table, at: np.datetime64, *, name: str = "examples", seed: int = 0
) -> Report:
    """Return one finding per training column in which a row decided before ``at`` is another than it was.

    ``features`` takes bars and gives a table with ``event_timestamp`` and ``created``; ``examples``
    takes such a table, restated rows in it beside the old ones, and gives training rows with
    ``symbol``, ``timestamp`` and ``decision_time``.

    Raises:
        DataError: If no training row was decided before ``at``, or rewriting the bars changed no feature.
    """
    before = features(bars)
    after = features(rewritten(bars, _chosen(bars, at, np.random.default_rng(seed)), np.random.default_rng(seed)))
    history = recorded(before, before, after, at)
    num_restated = history.num_rows - before.num_rows
    old, new = (_decided_before(examples(table), at) for table in (before, history))
    if len(old) == 0 or num_restated == 0:
        problem = f"{len(old)} training rows were decided before {at}, {num_restated} feature rows restated by then"
        raise DataError(problem, file=name, remedy="Give more bars, or a later time of the restatement")
    digests = digest(old), digest(new)
    empty = ", ".join(str(name) for name in old.columns if old[name].isna().all())
    checked = (
        f"{num_restated:,} feature rows restated at {at} UTC, {len(old):,} training rows decided before that, "
        + (f"of {empty} no value by then, " if empty else "")
        + f"digest {digests[0][:12]} before and {digests[1][:12]} after"
    )
    return Report(name, () if digests[0] == digests[1] else _differences(old, new), (checked,))


def digest(rows: pd.DataFrame) -> str:
    """Return the sha256 of the rows, their column names and types, and the order of all."""
    table = pa.Table.from_pandas(rows.reset_index(), preserve_index=False).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _chosen(bars: pa.Table, at: np.datetime64, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which bars to rewrite: some of those known before ``at``, but no first bar, which sets the price level."""
    symbol = bars["symbol"].to_numpy(zero_copy_only=False)
    first = np.concatenate([[True], symbol[1:] != symbol[:-1]])
    return (bars["known_at"].to_numpy() < at) & ~first & (rng.random(bars.num_rows) < SHARE)


def _decided_before(examples: pa.Table, at: np.datetime64) -> pd.DataFrame:
    rows = examples.filter(pa.array(examples["decision_time"].to_numpy() < at))
    return rows.to_pandas().sort_values(list(KEYS), kind="stable").set_index(list(KEYS))


def _differences(old: pd.DataFrame, new: pd.DataFrame) -> tuple[Finding, ...]:
    if not new.index.is_unique:
        repeated = new.index.duplicated()
        symbol, time = new.index[int(np.argmax(repeated))]
        problem = f"{symbol} {time:%Y-%m-%dT%H:%M}Z is there twice ({int(repeated.sum()):,} repeated training rows)"
        remedy = "Decide once per symbol and time, whatever was restated later"
        return (Finding(_CHECK, "timestamp", int(np.argmax(repeated)) + 1, problem, remedy),)
    if not old.index.equals(new.index):
        missing = old.index.difference(new.index)
        problem = (
            f"{len(missing):,} of {len(old):,} training rows are gone, {len(new.index.difference(old.index)):,} new"
        )
        return (Finding(_CHECK, "timestamp", None, problem, _REMEDY),)
    if not old.dtypes.equals(new.dtypes):
        problem = f"the columns were {dict(old.dtypes)}, are {dict(new.dtypes)}"
        return (Finding(_CHECK, "all", None, problem, "Give every row the same columns, whatever is restated"),)
    findings: list[Finding] = []
    for name in old.columns:
        changed = differs(old[name].to_numpy(), new[name].to_numpy())
        if changed.any():
            row = int(np.argmax(changed))
            symbol, time = old.index[row]
            problem = (
                f"{symbol} {time:%Y-%m-%dT%H:%M}Z was {old[name].iloc[row]}, is {new[name].iloc[row]} "
                f"({int(changed.sum()):,} rows decided before the restatement changed)"
            )
            findings.append(Finding(_CHECK, str(name), row + 1, problem, _REMEDY))
    return tuple(findings)
