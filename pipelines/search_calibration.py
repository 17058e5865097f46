"""How often the best of a search over noise is promoted: the gates count every trial, so hardly ever.

Each market is of noise. Its search tries recipes on the validation zone; the best is trained anew, judged before the
ledger that counts its trials, and, if it passes, offered to the real promote step.
"""

# pyright: reportUnknownVariableType=false
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from components.core import family as families
from components.core import trials
from components.core.code import code_digest
from components.core.errors import UsageError
from components.core.family import Family
from components.core.files import digest_of
from components.core.run_context import Stop
from pipelines.calibration import MAX_NOISE, RECIPE, Calibration, share_row, truth_of
from pipelines.study import Facts, Study, carry_out

PROMOTED: Final = "promoted"
NOISE: Final = "synthetic://noise?"


def study_of(
    family: Family,
    overrides: tuple[str, ...] = (),
    *,
    market: str = "",
    num_markets: int,
    num_trials: int,
    seed: int,
    out: Path,
) -> Study:
    """Return the study: one search for each market of noise, from ``seed`` on; ``market`` is another than the family's.

    Raises:
        UsageError: If the family declares no market of noise, or ``market`` is not of noise.
    """
    noise = market or truth_of(family).noise
    if not noise.startswith(NOISE):
        raise UsageError(f"--market {noise!r:.80}: want a market of noise, such as {NOISE}symbols=4&days=1000")
    recipe = family.recipe(RECIPE, overrides)
    fixed = {"family": family.name, "recipe": recipe.canonical(), "num_trials": num_trials}
    space = {key: repr(choice) for key, choice in family.search.items()}
    identity = digest_of([fixed, noise, space, family.metric, seed, code_digest()])
    jobs = {
        f"search-{number:05d}": {**fixed, "source": f"{noise}&seed={seed + number}"} for number in range(num_markets)
    }
    return Study(out / f"{family.pipeline}-search-{identity[:12]}", search_one, jobs)


def search_one(*, family: str, recipe: str, num_trials: int, source: str) -> Facts:
    """Return what became of the best of a search on one market."""
    from components.tune.crew import work  # noqa: PLC0415 - loads torch and Optuna
    from components.tune.results import best_of  # noqa: PLC0415 - as above
    from components.tune.search import Search, results_of  # noqa: PLC0415 - as above
    from pipelines.proving import Ground, judge, prepare, promote, train  # noqa: PLC0415 - loads torch and Feast

    member, before = families.find(family), time.process_time()
    config = member.config.parse_json(recipe, name="recipe")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ground = Ground(folder, folder / "root")
        prepare(ground, member, config, source)
        search = Search(
            family=member, recipe=config, space=member.search, examples=ground.examples, dataset=ground.dataset,
            workspace=ground.workspace, folder=folder / "search", metric=member.metric,
        )  # fmt: skip
        work(search, num_trials, worker="calibration", stop=Stop())
        best = best_of(results_of(search.study()), search.metric)
        chosen = member.varied(config, best.params)
        train(ground, member, chosen)
        verdict = judge(ground, member, chosen, ground.bundle, folder / "verdict")
        outcome = "refused"
        if verdict.verdict == "pass":
            outcome, _ = promote(ground, member, ground.bundle, folder / "verdict")
        counted = trials.read(ground.workspace.trials(member.name, ground.dataset))
    return {
        "source": source,
        "best": best.value,
        "trials": sum(trial.kind == "tune" for trial in counted),
        "verdict": verdict.verdict,
        "outcome": outcome,
        "gates": {f"{gate.metric}, {gate.zone}": gate.outcome for gate in verdict.gates},
        "cpu_s": round(time.process_time() - before, 2),
    }


def calibrate(
    family: Family, study: Study, *, num_processes: int, on_done: Callable[[int, int], None]
) -> tuple[Calibration, Path]:
    """Return the table of one family's searches and the folder that holds it.

    Raises:
        InterruptedRunError: As in ``carry_out``.
    """
    found = table_of(family, carry_out(study, num_processes=num_processes, on_done=on_done))
    found.write(study.folder)
    return found, study.folder


def table_of(family: Family, results: Sequence[Facts]) -> Calibration:
    """Return the table of the results of one family."""
    num_promoted = sum(item["outcome"] == PROMOTED for item in results)
    row = share_row("best of a search on noise that is promoted", num_promoted, len(results), side="at most",
                    limit=MAX_NOISE)  # fmt: skip
    names = sorted({name for item in results for name in item["gates"]})
    gates = [
        f"| {name} | {sum(item['gates'].get(name) == 'pass' for item in results)} of {len(results)} |" for name in names
    ]
    counts = sorted({item["trials"] for item in results})
    told = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return Calibration(
        f"{family.pipeline}: {len(results)} markets of noise, {told} trials in the ledger of each",
        (row,), ("| gate | passed by the best |", "|---|---|", *gates),
    )  # fmt: skip
