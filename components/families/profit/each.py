"""A base model trained on for each of many stocks, one after another."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from components.core import bundle as bundles
from components.core.errors import DataError
from components.core.run_context import RunContext
from components.families.profit.config import ProfitConfig, StartConfig
from components.families.profit.train import train

CURVES: Final = "finetuned"
"""Folder, of the run and of its TensorBoard events, with one for each stock."""


def train_each(
    config: ProfitConfig, folders: Mapping[str, Path], out: Path, run: RunContext, *, base: Path | None
) -> dict[str, DataError]:
    """Write the bundle of each stock to the folder of its name below ``out``; return why some have none.

    ``folders`` are the examples of each stock, ``base`` is the bundle that all start from; without one each starts
    anew. A stock with too little history is left out.

    Raises:
        ArtifactError: If the base model saw days that are to judge.
        DataError: If there is no stock that can be trained on.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
    """
    start = StartConfig(bundle=str(base), expect=bundles.load(base).digest) if base else config.start
    passes = config.train.model_copy(update={"epochs": config.finetune_epochs})
    tuned = config.model_copy(update={"start": start, "train": passes})
    refused: dict[str, DataError] = {}
    for number, (name, folder) in enumerate(folders.items(), start=1):
        try:
            bundle = train(tuned, folder, out / name, replace(run, part=f"{CURVES}/{name}"))
        except DataError as error:
            run.log.warning("%s is left out: %s", name, error)
            refused[name] = error
        else:
            run.progress(done=number, total=len(folders), line=f"{name}: bundle {bundle.digest[:12]}")
    if len(refused) == len(folders):
        raise next(iter(refused.values()))
    return refused
