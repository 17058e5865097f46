"""What a search found: its trials as plain facts, and the best of them as a recipe to run."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from components.core.errors import ArtifactError, RecipeError
from components.core.files import atomic_file, read_json, write_json
from components.core.recipe import RecipeConfig
from components.core.search import maximizes

TRIALS = "trials.json"
Ended = Literal["complete", "ended early", "refused"]
"""How a trial may have ended."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One trial that is over."""

    number: int
    state: Ended
    """Refused is one whose settings do not go together, or whose training failed."""
    value: float | None
    """Its metric on the validation zone, at its best epoch; null of one that was refused."""
    params: dict[str, Any]
    """Its settings, by dotted key."""
    worker: str
    error: str = ""


def write_results(results: Iterable[Result], folder: Path) -> None:
    """Write the trials to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / TRIALS, {"trials": [asdict(result) for result in results]})


def read_results(folder: Path) -> list[Result]:
    """Return the trials in a folder.

    Raises:
        ArtifactError: If they are not trials.
    """
    try:
        return [Result(**facts) for facts in read_json(folder / TRIALS)["trials"]]
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / TRIALS}: holds no trials ({error!r:.80}). Run the search again") from None


def best_of(results: Iterable[Result], metric: str) -> Result:
    """Return the best of the trials that were trained to their end; of equal ones the oldest.

    Raises:
        RecipeError: If there is none; what the first refused one says is in the message.
    """
    known = sorted(results, key=lambda result: result.number)
    whole = [(result.value, result) for result in known if result.state == "complete" and result.value is not None]
    if not whole:
        said = next((result.error for result in known if result.error), "all were ended early, or there were none")
        raise RecipeError(f"no trial could be trained to its end. The first one says: {said}")
    sign = -1.0 if maximizes(metric) else 1.0
    return min(whole, key=lambda pair: sign * pair[0])[1]


def write_recipe(path: Path, recipe: RecipeConfig, best: Result, *, metric: str, num_trials: int) -> None:
    """Write the recipe of the best trial, to be run as any other."""
    head = f"# Best of {num_trials} trials by {metric}, {best.value:.6g} on the validation zone.\n"
    with atomic_file(path) as file:
        file.write((head + yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=True)).encode())
