"""Train twins: from the examples of stocks, a recipe and a foundation to a sealed fleet.

A killed or stopped run goes on from its newest checkpoint and ends in the same bits.
"""

# pyright: reportUnknownMemberType=false
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.errors import ArtifactError, DataError, RecipeError
from components.core.registry import history, required
from components.core.run_context import RunContext
from components.families.twin.config import TwinConfig
from components.families.twin.fit import fit
from components.families.twin.fleet import Twin, write_fleet
from components.families.twin.stocks import Stock
from components.learning.bundles import judged_from, notes, origin, require_columns
from components.learning.examples import Examples, read_examples
from components.learning.faults import DivergedError, memory_advice
from components.learning.foundation import FAMILY as FOUNDATION
from components.learning.reproducible import choose_device, reproducible
from components.market.columns import FOUNDATION as COLUMNS
from components.market.columns import OPTIONS


def train(config: TwinConfig, examples: Path, out: Path, run: RunContext) -> Bundle:
    """Return the sealed fleet of all stocks of ``examples``, now in ``out``.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted, there is no foundation, or no stock has enough.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
        OutOfMemoryError: If a step does not fit into memory; the message names the setting to change.
    """
    data = read_examples(examples)
    foundation = foundation_of(config, str(data.manifest["dataset"]), run)
    stocks, refused = enough(config, dict.fromkeys(config.tickers or data.symbols, data), foundation, run.log)
    if not stocks:
        raise next(iter(refused.values()))
    return train_each(config, stocks, foundation, out, run, told=origin(data), refused=refused)


def train_each(
    config: TwinConfig,
    stocks: Sequence[Stock],
    foundation: Bundle,
    out: Path,
    run: RunContext,
    *,
    told: Mapping[str, Any],
    refused: Mapping[str, DataError],
    kept: Path | None = None,
) -> Bundle:
    """Return the sealed fleet of ``stocks``, now in ``out``; ``refused`` are named in it, and why.

    With ``kept``, twins that it holds of the same data, recipe and foundation are taken from there.

    Raises:
        InterruptedRunError, OutOfMemoryError: As in ``train``.
    """
    started = run.clock()
    with (
        reproducible(seed=config.seed, threads=config.train.threads),
        memory_advice(batch=config.train.batch, has_segments=False),
    ):
        device = choose_device(config.train.device)
        twins, num_trained = fit(config, stocks, foundation, device, run, kept=kept)
    of_host = notes(threads=config.train.threads, device=device, started=started, finished=run.clock())
    advice = [f"{twin.ticker}: {twin.facts['num_days']} days" for twin in twins if twin.facts["short_history"]]
    return write_fleet(
        out,
        config,
        foundation,
        twins,
        columns=columns_of(config),
        data=told,
        notes=of_host | {"advice": advice, "num_trained": num_trained},
        refused={ticker: str(error) for ticker, error in refused.items()},
    )


def fine_tune_twin(ticker: str, foundation: Bundle, config: TwinConfig, *, examples: Path, run: RunContext) -> Twin:
    """Return the twin of one stock on a foundation, which stays as it is.

    The same twin, to rounding, comes out of a fleet of many.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted, or the stock has too little history.
        DivergedError: If its loss was never a finite number.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
    """
    stock = Stock.of(_checked(read_examples(examples), config, foundation), ticker, config)
    with reproducible(seed=config.seed, threads=config.train.threads):
        [twin], _ = fit(config, [stock], foundation, choose_device(config.train.device), run)
    if not twin.facts["best_epoch"]:
        raise DivergedError(f"{ticker}: the loss is not finite. Lower train.lr (was {config.train.lr:g})")
    return twin


def columns_of(config: TwinConfig) -> tuple[str, ...]:
    """Return the features that twins of a recipe read, in their order."""
    return COLUMNS + (OPTIONS if config.model.options_enabled else ())


def foundation_of(config: TwinConfig, dataset: str, run: RunContext) -> Bundle:
    """Return the foundation that the recipe names, or the champion on ``dataset``; of one that is not, it is said.

    Raises:
        ArtifactError: If there is none; the command that makes one is named.
        RecipeError: If its window or horizon is another than the recipe's.
    """
    if config.foundation:
        folder = Path(config.foundation)
        if not (folder / bundles.MANIFEST).is_file():
            raise ArtifactError(f"{folder}: no foundation lies here. Train one: qf run {FOUNDATION}")
        found = bundles.load(folder)
        champion = history(run.workspace, FOUNDATION, dataset).champion
        if champion is None or champion.bundle != found.digest:
            line = f"foundation {found.digest[:12]} is not champion on {dataset}: only the twins' own verdicts count"
            run.log.warning("%s", line)
            run.progress(line=line)
    else:
        found = required(run.workspace, FOUNDATION, dataset)
    theirs = {key: found.manifest["config"]["data"][key] for key in ("window", "horizon")}
    for key, value in theirs.items():
        if getattr(config.data, key) != value:
            ours = getattr(config.data, key)
            raise RecipeError(f"data.{key} must be {value}, the foundation's, was {ours}. Twins read what it read")
    return found


def enough(
    config: TwinConfig, examples: Mapping[str, Examples], foundation: Bundle, log: logging.Logger
) -> tuple[list[Stock], dict[str, DataError]]:
    """Return the stocks that can have a twin, and why the others cannot.

    Raises:
        ArtifactError: If the foundation does not say up to when it looked.
        RecipeError: If it saw days that a twin would be judged on.
    """
    stocks: list[Stock] = []
    refused: dict[str, DataError] = {}
    for ticker, data in examples.items():
        try:
            stocks.append(Stock.of(_checked(data, config, foundation), ticker, config))
        except DataError as error:
            log.warning("refused: %s", error)
            refused[ticker] = error
    for stock in (stock for stock in stocks if stock.is_short(config)):
        wanted = config.data.lookback_days
        log.warning("%s: %d days to learn from, fewer than %d", stock.ticker, len(stock.train), wanted)
    return stocks, refused


def _checked(data: Examples, config: TwinConfig, foundation: Bundle) -> Examples:
    require_columns(data, columns_of(config))
    seen, judged = foundation.manifest["data"].get("seen_until"), judged_from(data)
    if seen is None:
        raise ArtifactError(
            f"{foundation.folder}: the foundation does not say up to when it looked, so no days can be shown to be new "
            f"to it. Train it again: qf run {FOUNDATION}"
        )
    if judged is not None and judged <= seen:
        raise RecipeError(
            f"data.zones: the test begins on {judged[:10]}, and the foundation saw days up to {seen[:10]}. Give "
            "zones.test a smaller share, or take a foundation of earlier days"
        )
    return data
