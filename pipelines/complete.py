"""The complete pipeline as a function: base model, fine-tuned stocks, portfolios, verdicts, promotions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.files import read_json
from components.core.groups import text_of
from components.core.workspace import Workspace
from pipelines import COMPILED, COMPLETE
from pipelines.local import execute, finished
from pipelines.request import RunRequest, Settings, request


@dataclass(frozen=True)
class Complete:
    """What one complete run ended in."""

    run_key: str
    folder: Path
    """Of the run: its report, ``reports``, ``models``, ``tensorboard``, ``logs`` and ``checkpoints``."""
    base: str
    """What the promote step did with the base model: promoted, unchanged or refused."""
    stocks: dict[str, tuple[str, str]]
    """Likewise of each stock's model, with the version that serves now, or why there is none."""
    pairs: dict[str, tuple[str, str]]
    """Likewise of each portfolio, by its symbols joined by '-'."""

    @classmethod
    def of(cls, asked: RunRequest) -> "Complete":
        """Return the end of a run that is over."""
        steps = (read_json(asked.folder / f"promote{part}.json") for part in ("", "-stocks", "-pairs"))
        base, stocks, pairs = steps
        each = [{name: (told[0], told[1]) for name, told in part["models"].items()} for part in (stocks, pairs)]
        return cls(asked.run_key, asked.folder, base["outcome"], *each)


def _ignore(_: dict[str, Any]) -> None:
    return None


def run_complete_pipeline(
    pair_symbols: Sequence[Sequence[str]],
    *,
    source: str,
    root: str | Path = "runs",
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    symbols: str = "",
    stocks: Sequence[str] = (),
    on_event: Callable[[dict[str, Any]], None] = _ignore,
) -> Complete:
    """Run the compiled pipeline ``profit-complete`` on this machine and return what came of each model.

    ``pair_symbols`` are the portfolios, of two symbols or more each; ``stocks`` get a fine-tuned model, those of the
    portfolios if none is named; ``symbols``, all of the source if none, train the base model. The same words resume
    the same run; one that ended is not run again.

    Raises:
        UsageError, DataError: If a pair is none, or the source does not exist.
        InterruptedRunError, StepFailedError: As in ``pipelines.local.execute``.
    """
    asked = request(
        COMPLETE,
        Workspace.at(str(root)),
        source=source,
        symbols=symbols,
        settings=Settings(
            recipe=recipe, overrides=tuple(overrides), pairs=text_of(pair_symbols), tickers=",".join(stocks)
        ),
    )
    if not finished(asked):
        execute(asked, COMPILED / f"{asked.pipeline}.yaml", on_event)
    return Complete.of(asked)
