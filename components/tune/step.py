"""The two steps of a search on a cluster: a worker, of which there are several, and who gathers what they found."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from components.core import family as families
from components.core.code import code_digest
from components.core.errors import InterruptedRunError
from components.core.files import digest_of, read_json
from components.core.run_context import open_run
from components.core.workspace import TUNE_STORAGE
from components.tune.results import best_of, read_results, write_recipe, write_results

TRIALS_AT_A_TIME: Final = 2
"""Of one worker."""
BEST: Final = "best.yaml"


def tune(
    examples: str,
    family: str,
    recipe: str,
    dataset: str,
    *,
    num_trials: int,
    worker: int,
    out: str,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Carry out trials until ``num_trials`` of all workers are over; write this one's to ``out`` and count them."""
    step = f"tune-{worker}"
    with open_run(step, root=root, run_key=run_key) as run:
        from components.tune.crew import work_together  # noqa: PLC0415 - loads torch, which gathering does not want
        from components.tune.search import Search, results_of  # noqa: PLC0415 - and Optuna

        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        data = read_json(Path(examples) / "manifest.json")["digest"]
        identity = digest_of([member.name, config.digest(), dataset, data, code_digest()])
        search = Search(
            family=member, recipe=config, space=member.search, examples=Path(examples), dataset=dataset,
            workspace=run.workspace, folder=run.folder / "search" / f"{run_key}-{identity[:12]}",
            metric=member.metric, storage=os.environ.get(TUNE_STORAGE, ""),
        )  # fmt: skip
        study = work_together(
            search, num_trials, num_processes=TRIALS_AT_A_TIME, worker=step, stop=run.stop,
            on_done=lambda done, total: run.progress(done=done, total=total, text="trials"),
        )  # fmt: skip
        own = results_of(study, worker=step)
        write_results(own, Path(out))
        facts = {"num_trials": len(own), "metric": search.metric}
        run.record(**facts)
        return facts


def collect(
    shares: Sequence[str], family: str, recipe: str, *, num_trials: int, out: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the best recipe, and all trials, to ``out`` and return the facts of the search."""
    with open_run("collect", root=root, run_key=run_key) as run:
        member = families.find(family)
        results = sorted(
            (result for share in shares for result in read_results(Path(share))), key=lambda result: result.number
        )
        if len(results) < num_trials:
            raise InterruptedRunError(
                f"of {num_trials} trials the workers carried out {len(results)}. The same run goes on with the rest"
            )
        best = best_of(results, member.metric)
        found = member.varied(member.config.parse_json(recipe, name="recipe"), best.params)
        write_results(results, Path(out))
        for place in (Path(out), run.folder):
            write_recipe(place / BEST, found, best, metric=member.metric, num_trials=len(results))
        facts: dict[str, Any] = {
            "metric": member.metric,
            "value": best.value,
            "num_trials": len(results),
            "num_ended_early": sum(result.state == "ended early" for result in results),
            "recipe_digest": found.digest(),
        }
        run.record(**facts, params=best.params, recipe=str(run.folder / BEST))
        return facts
