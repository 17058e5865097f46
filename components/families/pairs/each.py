"""Many portfolios fitted as one batch, a sealed bundle of each."""

from collections.abc import Mapping
from pathlib import Path

from components.core.errors import DataError
from components.core.files import digest_of
from components.core.run_context import RunContext
from components.families.pairs.config import PairsConfig
from components.families.pairs.train import PAIRS, Portfolio, fit, write
from components.learning.bundles import training_key
from components.learning.examples import read_examples


def train_each(
    config: PairsConfig, folders: Mapping[str, Path], out: Path, run: RunContext, *, base: Path | None
) -> dict[str, DataError]:
    """Write the bundle of each portfolio to the folder of its name below ``out``; return why some have none.

    ``folders`` are the examples of each, whose symbols it holds. All are fitted as one batch. They start anew:
    ``base`` is for families whose members start from one model.

    Raises:
        ArtifactError, InterruptedRunError: As in ``train_pair_portfolio``.
        DataError: If there is none that can be fitted.
    """
    started, refused, found = run.clock(), dict[str, DataError](), dict[str, Portfolio]()
    for name, folder in folders.items():
        data = read_examples(folder)
        try:
            found[name] = Portfolio.of(data, data.symbols, config)
        except DataError as error:
            run.log.warning("%s is left out: %s", name, error)
            refused[name] = error
    if not found:
        raise next(iter(refused.values()))
    keys = [training_key(PAIRS, config, portfolio.data) for portfolio in found.values()]
    fitted = fit(list(found.values()), config, run, name=f"{len(found)}-{digest_of(keys)[:32]}")
    for (name, portfolio), item in zip(found.items(), fitted, strict=True):
        write(portfolio, item, config, out / name, run, started=started)
    return refused
