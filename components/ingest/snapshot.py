"""From a source of bars to an immutable snapshot."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.core.clock import Clock
from components.core.errors import UsageError
from components.core.files import checked_symbol
from components.core.run_context import RunContext, open_run
from components.ingest.assessment import assessed
from components.market import synthetic
from components.market.bar_table import bars_of
from components.market.bars import Input
from components.market.companions import OPTIONS_FILE, read_companions
from components.market.context import FUNDS_FILE
from components.market.history import History, append_snapshot
from components.market.quarantine import refuse_unfit, set_aside, sound
from components.market.readers import read_rows
from components.market.snapshot import write_snapshot


def wanted_symbols(text: str) -> tuple[str, ...]:
    """Return the symbols of a comma-separated list; an empty text means all.

    Raises:
        DataError: If one is no plain ticker.
    """
    return tuple(checked_symbol(item.strip(), file="--symbols") for item in text.split(",") if item.strip())


def as_of(text: str, clock: Clock) -> datetime:
    """Return the instant up to which data may be known; an empty text means now.

    Raises:
        UsageError: If it is neither a date nor a timestamp with a time zone.
    """
    if not text:
        return clock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--asof {text!r}: want a date such as 2021-04-21, or a timestamp with a zone") from None
    if len(text) == len("2021-04-21"):
        return moment.replace(hour=23, minute=59, second=59, tzinfo=UTC)
    if moment.tzinfo is None:
        raise UsageError(f"--asof {text!r}: names no time zone. Add one, such as 2021-04-21T22:00:00+00:00")
    return moment.astimezone(UTC)


FAULTS = ("refuse", "quarantine")


def checked_policy(text: str) -> str:
    """Return what to do with faulty rows.

    Raises:
        UsageError: If it is neither to refuse the source nor to set them aside.
    """
    if text not in FAULTS:
        raise UsageError(f"--faults {text!r:.40}: want {' or '.join(FAULTS)}")
    return text


def layouts(inputs: Sequence[Input]) -> dict[str, int]:
    """Return how many files had which layout, by its name."""
    return dict(sorted(Counter(item.layout for item in inputs if item.layout and item.sha256).items()))


def told(beside: Mapping[str, pa.Table]) -> list[str]:
    """Return in words which tables lie beside the bars."""
    chains = beside.get(OPTIONS_FILE)
    quotes = [f"{chains.num_rows:,} option quotes"] if chains is not None else []
    return [*(["the market's context"] if FUNDS_FILE in beside else []), *quotes]


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the run says of the snapshot."""
    kept = ("digest", "source", "dataset", "interval", "rows", "first", "last", "increment")
    return {key: manifest[key] for key in kept} | {"num_symbols": len(manifest["symbols"])}


def _warn(run: RunContext, inputs: Sequence[Input], increment: Mapping[str, Any]) -> None:
    """Log what a person should look at."""
    for item in inputs:
        if item.note:
            run.log.warning("%s: %s", item.name, item.note)
    for key in ("late", "restated", "removed", "removed_symbols"):
        if increment.get(key):
            run.log.warning("since snapshot %s: %s=%s", increment["previous"][:12], key, increment[key])
    for name, changes in increment.get("beside", {}).items():
        run.log.info("since snapshot %s: %s %s", increment["previous"][:12], name, changes)


def ingest(
    source: str,
    *,
    symbols: str,
    asof: str,
    dataset: str,
    faults: str,
    layout: str,
    max_restated: float,
    context: str,
    options: str,
    out: str,
    quality: str,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Write the snapshot to ``out`` and the quality report to ``quality``; return the snapshot's facts.

    A source that was ingested before adds only what is new to the dataset's history; a synthetic
    market has none, since every one is a world of its own.
    """
    with open_run("ingest", root=root, run_key=run_key) as run:
        policy, moment, wanted = checked_policy(faults), as_of(asof, run.clock), wanted_symbols(symbols)
        parts = read_rows(source, symbols=wanted, layout=layout)
        read: list[Input] = []
        beside = read_companions(source, context=context, options=options, asof=moment, on_read=read.append)
        said = {"dataset": dataset, "source": source, "faults": policy}
        found, facts_of = assessed(run, parts, beside, asof=moment, page_at=Path(quality), **said)
        aside = None
        if policy == "quarantine":
            refuse_unfit(found, source=source)
            parts, aside = sound(found), set_aside(found)
        bars = bars_of(parts, source=source, asof=moment)
        bars = replace(bars, inputs=(*bars.inputs, *read))
        named: dict[str, Any] = {"source": source, "dataset": dataset, "asof": moment}
        named |= {"quality": facts_of, "quarantine": aside, "beside": beside}
        if synthetic.is_synthetic(source):
            manifest = write_snapshot(Path(out), bars, **named)
        else:
            history = History(run.workspace.snapshots(dataset))
            manifest = append_snapshot(
                history, bars, Path(out), **named, symbols=wanted, created=run.clock(), max_restated=max_restated
            )
        facts = _facts(manifest) | {
            "quality": round(found.score, 6),
            "num_quarantined": 0 if aside is None else aside.num_rows,
            "layouts": layouts(bars.inputs),
            "beside": told(beside),
        }
        run.log.info("read layouts=%s", facts["layouts"])
        _warn(run, bars.inputs, manifest["increment"])
        run.record(**facts)
        return facts
