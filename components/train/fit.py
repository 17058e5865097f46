"""From examples and a recipe to a sealed bundle."""

from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import family as families
from components.core.errors import RecipeError
from components.core.family import Family
from components.core.files import file_lock, read_json, require_writable, write_json
from components.core.recipe import RecipeConfig
from components.core.run_context import RunContext, open_run

ORPHAN_WAIT_S = 30.0
"""How long to wait for a trainer of the same run whose caller was killed to notice and leave."""


def fit(examples: str, family: str, recipe: str, *, out: str, root: str, run_key: str) -> dict[str, Any]:
    """Write the bundle to ``out`` and return its facts."""
    with open_run("train", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        require_writable(run.checkpoints)
        with file_lock(run.checkpoints / "trainer.lock", f"run {run_key}", wait_s=ORPHAN_WAIT_S):
            if (processes := num_processes(member, config)) > 1:
                _train_together(member, recipe, Path(examples), Path(out), run, processes=processes)
            else:
                member.module("train").train(config, Path(examples), Path(out), run)
        bundle = bundles.load(Path(out))
        facts = {
            "digest": bundle.digest,
            "family": member.name,
            "recipe_digest": config.digest(),
            "examples_digest": read_json(Path(examples) / "manifest.json")["digest"],
            "processes": processes,
        }
        run.record(**facts, notes=dict(bundle.manifest["notes"]))
        return facts


def num_processes(member: Family, config: RecipeConfig) -> int:
    """Return how many processes train; ``auto`` is one per GPU of this host, and one without.

    Raises:
        RecipeError: If several are asked for and the family trains in one.
    """
    if not member.parallel:
        if config.processes not in ("auto", 1):
            raise RecipeError(f"processes must be 1 for {member.pipeline}, was {config.processes}: it trains in one")
        return 1
    if config.processes != "auto":
        return config.processes
    import torch  # noqa: PLC0415 - takes a second, and only this line needs it

    return max(1, torch.cuda.device_count())


def _train_together(member: Family, recipe: str, examples: Path, out: Path, run: RunContext, *, processes: int) -> None:
    from components.train.gang import gang_app, run_gang  # noqa: PLC0415 - TorchX is an extra of its own

    logs = run.folder / "logs" / "processes"
    request = run.folder / "train-request.json"
    paths = {"examples": examples, "out": out, "root": run.workspace.root, "logs": logs}
    facts = {"family": member.name, "recipe": recipe, "run_key": run.run_key}
    write_json(request, facts | {name: str(path.resolve()) for name, path in paths.items()})
    app = gang_app(["components.train.worker", str(request)], processes=processes)
    run_gang(app, logs=logs, stop=run.stop)
