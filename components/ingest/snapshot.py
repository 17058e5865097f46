"""From a source of bars to an immutable snapshot."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.clock import Clock
from components.core.errors import UsageError
from components.core.files import atomic_file, checked_symbol
from components.core.run_context import open_run
from components.market.quality import assess
from components.market.quality_report import render
from components.market.quarantine import refuse_unfit, set_aside, sound
from components.market.readers import bars_of, read_rows
from components.market.snapshot import write_snapshot

REPORT = "quality.html"


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


def ingest(
    source: str,
    symbols: str,
    asof: str,
    dataset: str,
    faults: str,
    *,
    out: str,
    quality: str,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Write the snapshot to ``out`` and the quality report to ``quality``; return the snapshot's facts."""
    with open_run("ingest", root=root, run_key=run_key) as run:
        policy = checked_policy(faults)
        moment = as_of(asof, run.clock)
        parts = read_rows(source, symbols=wanted_symbols(symbols))
        found = assess(parts, asof=moment)
        page = render(found, dataset=dataset, source=source, faults=policy).encode()
        for path in (run.folder / REPORT, Path(quality)):
            with atomic_file(path) as file:
                file.write(page)
        run.log.info("quality score %.4f, report %s", found.score, run.folder / REPORT)
        for issue in found.issues() if not found.fit else ():
            run.log.warning("%s", issue)
        aside = None
        if policy == "quarantine":
            refuse_unfit(found, source=source)
            parts, aside = sound(found), set_aside(found)
        bars = bars_of(parts, source=source, asof=moment)
        manifest = write_snapshot(
            Path(out), bars, source=source, dataset=dataset, asof=moment, quality=found.facts(), quarantine=aside
        )
        facts = {key: manifest[key] for key in ("digest", "source", "dataset", "interval", "rows", "first", "last")}
        facts["num_symbols"] = len(manifest["symbols"])
        facts["quality"] = round(found.score, 6)
        facts["num_quarantined"] = 0 if aside is None else aside.num_rows
        run.record(**facts)
        return facts
