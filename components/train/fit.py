"""From examples and a recipe to a sealed bundle."""

from dataclasses import dataclass
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
        processes = num_processes(member, config)
        training = Training(member=member, config=config, examples=Path(examples), run=run, processes=processes)
        training.here(Path(out))
        return training.facts(Path(out))


def num_processes(member: Family, config: RecipeConfig) -> int:
    """Return how many processes of this host train; ``auto`` is one per GPU of it, and one without.

    Raises:
        RecipeError: If several are asked for and the family trains in one.
    """
    if asked := asked_processes(member, config):
        return asked
    import torch  # noqa: PLC0415 - takes a second, and only this line needs it

    return max(1, torch.cuda.device_count())


def asked_processes(member: Family, config: RecipeConfig) -> int | None:
    """Return the processes of a host that family and recipe ask for, None where that is up to its GPUs.

    Raises:
        RecipeError: If several are asked for and the family trains in one.
    """
    if member.parallel:
        return None if config.processes == "auto" else config.processes
    if config.processes not in ("auto", 1):
        raise RecipeError(f"processes must be 1 for {member.pipeline}, was {config.processes}: it trains in one")
    return 1


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training that is to be done."""

    member: Family
    config: RecipeConfig
    examples: Path
    run: RunContext
    processes: int
    """On all hosts together."""

    def here(self, out: Path) -> None:
        """Write the bundle to ``out``: train in this process, or in several of this host.

        Raises:
            BusyError: If another trainer of this run does not leave.
            QuantfoundryError: What the family raises.
        """
        require_writable(self.run.checkpoints)
        with file_lock(self.run.checkpoints / "trainer.lock", f"run {self.run.run_key}", wait_s=ORPHAN_WAIT_S):
            if self.processes == 1:
                self.member.module("train").train(self.config, self.examples, out, self.run)
            else:
                self._together(out)

    def _together(self, out: Path) -> None:
        from components.train.gang import gang_app, run_gang  # noqa: PLC0415 - TorchX is an extra of its own

        logs = self.run.folder / "logs" / "processes"
        request = self.ask(self.run.folder / "train-request.json", examples=self.examples, out=out, logs=logs)
        app = gang_app(["components.train.worker", str(request)], processes=self.processes)
        run_gang(app, logs=logs, stop=self.run.stop)

    def ask(self, request: Path, *, examples: Path, out: Path, logs: Path) -> Path:
        """Return the file ``request``, which says what each of several processes is to do."""
        paths = {"examples": examples, "out": out, "root": self.run.workspace.root, "logs": logs}
        facts = {"family": self.member.name, "recipe": self.config.canonical(), "run_key": self.run.run_key}
        write_json(request, facts | {name: str(path.resolve()) for name, path in paths.items()})
        return request

    def facts(self, out: Path) -> dict[str, Any]:
        """Return the facts of the bundle in ``out``, kept beside the run.

        Raises:
            ArtifactError: If there is none, or it was altered.
        """
        bundle = bundles.load(out)
        facts = {
            "digest": bundle.digest,
            "family": self.member.name,
            "recipe_digest": self.config.digest(),
            "examples_digest": read_json(self.examples / "manifest.json")["digest"],
            "processes": self.processes,
        }
        self.run.record(**facts, folder=str(out), notes=dict(bundle.manifest["notes"]))
        return facts
