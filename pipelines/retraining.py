"""What follows from a monitor that asks for a training: the run that is started, here or on a server."""

from typing import Any, Final

from components.core import registry
from components.core.errors import UsageError
from components.core.family import Family
from components.core.files import read_json, write_json
from components.core.workspace import Workspace
from pipelines.request import RunRequest, Settings, request

RETRAIN: Final = "retrain"
"""What a monitor's request says that asks for a training."""
RECIPE: Final = "retrain.yaml"
_SHARED: Final = (
    "source", "symbols", "asof", "dataset", "faults", "layout", "max_restated", "context", "options",
)  # fmt: skip
"""Parameters that a training has as the monitoring before it had them."""


def retraining(watched: RunRequest) -> RunRequest | None:
    """Return the training that a monitoring which ended asks for; None if it asks for none.

    It has the champion's own recipe, without a champion the family's default. The same monitoring asks for the same
    run, so asking twice trains once.
    """
    if read_json(watched.folder / "monitor.json")["outcome"] != RETRAIN:
        return None
    family, workspace = watched.family, watched.workspace
    recipe = family.default_recipe
    champion = registry.history(workspace, family.name, watched.arguments["dataset"]).champion
    if champion is not None:
        recipe = str(watched.folder / RECIPE)
        write_json(watched.folder / RECIPE, champion.load().manifest["config"])
    shared = {name: watched.arguments[name] for name in _SHARED}
    return request(family.pipeline, workspace, settings=Settings(recipe=recipe), **shared)


def asked_of_server(workspace: Workspace, family: Family, dataset: str) -> dict[str, Any] | None:
    """Return the parameters of the training that the newest request asks for; None if it asks for none.

    Their ``run_key`` is made of the request, so a server starts one run for it however often it is asked.

    Raises:
        UsageError: If nobody watched that champion yet, or it is not the champion any more.
    """
    path = workspace.monitoring(family.name, dataset)
    if not path.exists():
        raise UsageError(f"{path}: nobody watched {family.pipeline} on {dataset} yet. Run {family.monitoring_pipeline}")
    asked = read_json(path)
    champion = registry.history(workspace, family.name, dataset).champion
    if asked["champion"] != (champion.bundle if champion else None):
        raise UsageError(f"{path}: is about another champion than serves now. Run {family.monitoring_pipeline} again")
    if asked["outcome"] != RETRAIN:
        return None
    recipe = family.recipe(family.default_recipe)
    if champion is not None:
        recipe = family.config.parse(champion.load().manifest["config"], name=f"{champion.folder}: config")
    key = f"{asked['run_key']}-{RETRAIN}"[-80:].lstrip("-._")
    return {"dataset": dataset, "recipe": recipe.canonical(), "run_key": key}
