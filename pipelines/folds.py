"""Cross-validation of a recipe on the days before the test zone: each fold is a training and a test of its own.

Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", ch. 7 and 12. The folds never see the test
zone or the holdout, so looking at them uses up neither; what is promoted is decided there, not here.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.core import family as families
from components.core.code import code_digest
from components.core.family import Family
from components.core.files import digest_of, read_json, sha256_of, write_json
from components.core.recipe import DataConfig, RecipeConfig
from components.core.run_context import RunContext
from components.core.workspace import Workspace
from components.market.examples_manifest import TABLE, examples_digest
from components.market.splits import cross_validation
from components.validate.kinds import kind_of
from pipelines.proving import Ground, prepare
from pipelines.study import Facts, Study, carry_out

LEFT_OUT: Final = "left_out"
METHOD: Final = "walk_forward"
NUM_FOLDS: Final = 5

Times = npt.NDArray[np.datetime64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Fold:
    """What each of the decision times of the examples is for."""

    times: Times
    """Distinct, ascending."""
    zones: Names
    """train, validation, test, or none of them."""


def folds_of(examples: Path, data: DataConfig, *, method: str, num_folds: int) -> list[Fold]:
    """Return the folds of the days before the test zone, in the order of ``cross_validation``.

    Of the times that a fold may train on, the newest are its validation, by which its epochs are chosen; their share
    is that of the recipe. Windows and labels lie inside one zone, so no window reaches into a test.

    Raises:
        RecipeError: If the method does not exist, or there are too few days for so many folds.
    """
    table = pq.read_table(examples / TABLE, columns=["timestamp", "zone"])
    stamps: Times = table["timestamp"].cast(pa.timestamp("us", "UTC")).to_numpy().astype("datetime64[us]")
    times, first = np.unique(stamps, return_index=True)
    zone = np.array(table["zone"].take(first).to_pylist())
    usable = np.flatnonzero(np.isin(zone, ("train", "validation", "calibration")))
    start = times[usable]
    end = start[np.minimum(np.arange(start.size) + data.horizon, start.size - 1)]
    embargo = data.embargo_bars * np.median(np.diff(start)) if start.size > 1 else np.timedelta64(0, "us")
    share = data.zones["validation"] / (data.zones["train"] + data.zones["validation"])
    folds: list[Fold] = []
    for split in cross_validation(method, start, end, num_folds=num_folds, embargo=embargo):
        names = np.full(times.size, LEFT_OUT, dtype="<U10")
        num_validated = max(1, math.floor(share * split.train.size))
        names[usable[split.train]] = "train"
        names[usable[split.train[-num_validated:]]] = "validation"
        names[usable[split.test]] = "test"
        folds.append(Fold(times, names))
    return folds


def write_fold(examples: Path, fold: Fold, folder: Path) -> Path:
    """Write the examples with the zones of a fold to ``folder`` and return it; the holdout is not among them."""
    table, manifest = pq.read_table(examples / TABLE), read_json(examples / "manifest.json")
    stamps: Times = table["timestamp"].cast(pa.timestamp("us", "UTC")).to_numpy().astype("datetime64[us]")
    zone = fold.zones[np.searchsorted(fold.times, stamps)]
    folder.mkdir(parents=True)
    pq.write_table(table.set_column(table.column_names.index("zone"), "zone", pa.array(zone)), folder / TABLE)
    counts = {
        str(name): {"rows": int(number)} for name, number in zip(*np.unique(zone, return_counts=True), strict=True)
    }
    altered: dict[str, Any] = {**manifest, "zones": counts, "files": {TABLE: sha256_of(folder / TABLE)}}
    write_json(folder / "manifest.json", altered | {"digest": examples_digest(altered)})
    return folder


def judge_fold(*, family: str, recipe: str, examples: str, method: str, num_folds: int, number: int) -> Facts:
    """Return how a model that is trained on fold ``number`` does on its test."""
    member = families.find(family)
    config: RecipeConfig = member.config.parse_json(recipe, name="recipe")
    fold = folds_of(Path(examples), config.data, method=method, num_folds=num_folds)[number]
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_fold(Path(examples), fold, Path(scratch) / "examples")
        run = RunContext("train", f"fold-{number}", Workspace.at(str(Path(scratch) / "root")), serves=False)
        bundle = member.module("train").train(config, folder, Path(scratch) / "bundle", run)
        losses: list[float] = read_json(bundle.path("history.json"))["val_loss"]
        said, known = (
            member.module("predict").predict(bundle, folder, zone=zone, threads=1) for zone in ("test", "train")
        )
    kind = kind_of(said)
    score = kind.trial_score(kind.zone(said), kind.zone(known) if kind.learns else None, config.judge)
    days = fold.times[fold.zones == "test"]
    return {
        "fold": number + 1,
        "trained_times": int(np.isin(fold.zones, ("train", "validation")).sum()),
        "first": str(days[0])[:10],
        "last": str(days[-1])[:10],
        "rows": int(said.label.size),
        "val_loss": min(losses),
        "score": score if math.isfinite(score) else None,
    }


def cross_validate(
    member: Family,
    recipe: RecipeConfig,
    source: str,
    folder: Path,
    *,
    method: str,
    num_folds: int,
    num_processes: int,
    on_done: Callable[[int, int], None],
) -> list[Facts]:
    """Return the facts of every fold; a killed run goes on from the folds that are done.

    Raises:
        RecipeError: As in ``folds_of``.
        InterruptedRunError: If a process was killed.
    """
    key = digest_of([member.name, recipe.digest(), source, method, num_folds, code_digest()])[:12]
    ground = Ground(folder / f"{member.pipeline}-{key}", folder / f"{member.pipeline}-{key}" / "root")
    if not ground.examples.exists():
        prepare(ground, member, recipe, source)
    num_splits = len(folds_of(ground.examples, recipe.data, method=method, num_folds=num_folds))
    fixed = {"family": member.name, "recipe": recipe.canonical(), "examples": str(ground.examples)}
    fixed |= {"method": method, "num_folds": num_folds}
    jobs = {f"fold-{number:03d}": {**fixed, "number": number} for number in range(num_splits)}
    return carry_out(Study(ground.folder, judge_fold, jobs), num_processes=num_processes, on_done=on_done)


def table_of(results: Sequence[Facts]) -> str:
    """Return the folds as a person reads them, and the mean and the deviation of their scores."""
    lines = ["fold  trained on  tested from  to          rows  val loss  score"]
    for item in results:
        score = "-" if item["score"] is None else f"{item['score']:+.4f}"
        lines.append(
            f"{item['fold']:>4}  {item['trained_times']:>4} times  {item['first']}   {item['last']}  "
            f"{item['rows']:>4}  {item['val_loss']:>8.4f}  {score}"
        )
    scores = [item["score"] for item in results if item["score"] is not None]
    if scores:
        deviation = f", deviation {np.std(scores, ddof=1):.4f}" if len(scores) > 1 else ""
        lines.append(f"mean score {np.mean(scores):+.4f}{deviation}, of {len(scores)} folds")
    return "\n".join(lines)
