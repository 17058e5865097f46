"""A model for each of many groups of symbols, in one step: stocks on a base model, portfolios as one batch."""

from pathlib import Path
from typing import Any, Final

from components.core import bundle as bundles
from components.core import family as families
from components.core.files import copy_files, digest_of, file_lock, fresh_folder, read_json
from components.core.run_context import open_run
from components.train.fine_tune import STOCKS
from components.train.fit import ORPHAN_WAIT_S

MODELS: Final = {"base": "base", "stocks": "finetuned", "pairs": "finetuned/portfolio_pairs"}
"""Where in the run's ``models`` folder lies what each part of it made; a promotion copies it once more."""


def train_each(
    examples: str, family: str, recipe: str, part: str, *, out: str, root: str, run_key: str, base: str = ""
) -> dict[str, Any]:
    """Write the bundle of each group of ``examples`` to the folder of its name below ``out``; return their facts.

    ``base`` is the bundle that they start from, if they do. All are kept in the run's ``models`` folder too.
    """
    with open_run(f"train-{part}", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        folders = {name: Path(examples) / name for name in read_json(Path(examples) / STOCKS)["stocks"]}
        kept, made = run.folder / "models", Path(out)
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        with file_lock(run.checkpoints / f"train-{part}.lock", f"run {run_key}", wait_s=ORPHAN_WAIT_S):
            start = _keep(Path(base), kept / MODELS["base"]) if base else None  # a place that a resumed run finds again
            refused = member.module("each").train_each(config, folders, made, run, base=start)
            digests = {name: bundles.load(made / name).digest for name in folders if name not in refused}
            for name in digests:
                _keep(made / name, kept / MODELS[part] / name)
        facts = {"digest": digest_of(digests), "num_models": len(digests)}
        run.record(**facts, models=digests, refused={name: str(error) for name, error in refused.items()})
        return facts


def _keep(bundle: Path, target: Path) -> Path:
    with fresh_folder(target) as folder:
        copy_files(bundle, folder)
    return target
