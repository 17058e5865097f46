"""What a run is asked to do, and the key by which the same request is the same run."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core import family as families
from components.core.address import refuse_credentials
from components.core.clock import Clock, system_clock
from components.core.code import code_digest
from components.core.errors import DataError, UsageError
from components.core.family import Family
from components.core.files import digest_of, sha256_of
from components.core.registry import history, required
from components.core.workspace import Workspace, slug
from components.ingest import MAX_RESTATED
from components.serving import MAX_AGE_DAYS
from pipelines import TWIN, WEEKLY

DATA_ENDINGS = (".parquet", ".csv")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person may set of one kind of pipeline only: of a training the recipe, of a scoring the rest."""

    recipe: str | None = None
    """A shipped recipe or a file; None is the family's default."""
    overrides: tuple[str, ...] = ()
    every_window: bool = False
    """Predict every window of the source, not only each symbol's newest."""
    max_age_days: float | None = None
    """Age from which a champion is not asked; 0 is no limit, None the default."""
    num_trials: int | None = None
    """Of a search: how many recipes it tries, None is the default."""
    tickers: str = ""
    """Of the weekly pipeline: stocks that get a twin, separated by commas; empty is all of the source."""


@dataclass(frozen=True)
class RunRequest:
    """One run of one of a family's pipelines."""

    pipeline: str
    family: Family
    workspace: Workspace
    run_key: str
    arguments: dict[str, Any]
    """The pipeline's parameters, as they are passed to it."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.workspace.run(self.run_key)


def located(source: str) -> str:
    """Return a source that means the same from any folder: URIs as they are, paths absolute.

    Raises:
        DataError: If a path does not exist.
        UsageError: If an address carries credentials: it is written down.
    """
    if "://" in source:
        refuse_credentials(source)
        return source
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(
            "no such file or folder",
            file=source,
            remedy="Give a .parquet or .csv file, a folder of them, an s3:// or https:// address, or synthetic://planted",
        )
    return str(path.resolve())


def fingerprint(source: str, day: str) -> str:
    """Return the digest of what a source holds now; changed data is another run.

    What lies behind an address is not looked at; of one that may change, each ``day`` is another run.
    """
    if "://" in source:
        changing = [] if source.startswith("synthetic:") else [day]
        return digest_of([source, importlib.metadata.version("quantfoundry"), *changing])
    path = Path(source)
    files = [path] if path.is_file() else [item for item in path.rglob("*") if item.suffix.lower() in DATA_ENDINGS]
    return digest_of({item.name: sha256_of(item) for item in sorted(files)})


def dataset_of(source: str) -> str:
    """Return the name under which a source's models compete: its file's name, or its market's."""
    scheme, separator, rest = source.partition("://")
    name = f"{scheme}-{rest.partition('?')[0]}" if separator else Path(source).stem
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lower()).strip("_")
    return slug(plain[:60] or "data", what="dataset")


def _own(family: Family, pipeline: str, settings: Settings) -> dict[str, Any]:
    """Return the parameters that only this kind of pipeline has."""
    if settings.tickers and pipeline != WEEKLY:
        raise UsageError(f"{pipeline}: makes no twins. Leave --tickers out, or ask {WEEKLY}")
    if settings.num_trials is not None and pipeline != family.tuning_pipeline:
        raise UsageError(f"{pipeline}: tries one recipe. Leave --trials out, or ask {family.tuning_pipeline}")
    if pipeline != family.scoring_pipeline:
        if settings.every_window or settings.max_age_days is not None:
            raise UsageError(f"{pipeline}: trains, and has no windows to score. Ask {family.scoring_pipeline}")
        recipe = family.recipe(settings.recipe or family.default_recipe, tuple(settings.overrides))
        own: dict[str, Any] = {"tickers": settings.tickers} if pipeline == WEEKLY else {}
        if pipeline == family.tuning_pipeline and settings.num_trials is not None:
            own = {"num_trials": settings.num_trials}
        return {"recipe": recipe.canonical(), **own}
    if not family.outputs:
        raise UsageError(f"{pipeline}: {family.pipeline} declares no outputs to score. Add them to its Family")
    if settings.recipe or settings.overrides:
        raise UsageError(f"{pipeline}: asks the champion, which has its recipe. Leave --recipe and --set out")
    max_age_days = MAX_AGE_DAYS if settings.max_age_days is None else settings.max_age_days
    return {"every_window": settings.every_window, "max_age_days": max_age_days}


def _asked_of(pipeline: str) -> tuple[Family, str]:
    """Return the family of a pipeline, and its full name; '-' and '_' are the same.

    Raises:
        UsageError: If there is none.
    """
    if pipeline.replace("_", "-") == WEEKLY:
        return families.find(TWIN), WEEKLY
    family = families.find(pipeline.removesuffix(families.SCORING).removesuffix(families.TUNING))
    if pipeline.endswith(families.TUNING):
        if family.starts_from:
            raise UsageError(f"{pipeline}: stands on the champion of {family.starts_from}. Search for that one")
        return family, family.tuning_pipeline
    return family, family.scoring_pipeline if pipeline.endswith(families.SCORING) else family.pipeline


def _stands_on(family: Family, workspace: Workspace, arguments: dict[str, Any]) -> list[str]:
    """Return the digest of the champion that a family starts from, if its recipe names no other.

    Raises:
        ArtifactError: If there is none.
    """
    if not family.starts_from or getattr(
        family.config.parse_json(arguments["recipe"], name="recipe"), family.starts_from
    ):
        return []
    return [required(workspace, family.starts_from, arguments["dataset"]).digest]


def request(
    pipeline: str,
    workspace: Workspace,
    *,
    source: str,
    settings: Settings,
    symbols: str = "",
    asof: str = "",
    dataset: str = "",
    faults: str = "refuse",
    layout: str = "",
    max_restated: float = MAX_RESTATED,
    context: str = "",
    options: str = "",
    run_key: str = "",
    clock: Clock = system_clock,
) -> RunRequest:
    """Return the run that these words ask for.

    Without a run key the request is its own key: the same pipeline, recipe, data and code resume
    the same run. A scoring run is another one on another day, and with another champion.

    Raises:
        QuantfoundryError: If there is no such pipeline, the recipe does not validate, or the source does not exist.
    """
    family, pipeline = _asked_of(pipeline)
    place = located(source)
    beside = {name: located(text) if text else "" for name, text in (("context", context), ("options", options))}
    arguments: dict[str, Any] = {
        "source": place,
        "symbols": symbols,
        "asof": asof,
        "dataset": slug(dataset, what="dataset") if dataset else dataset_of(place),
        "faults": faults,
        "layout": layout,
        "max_restated": max_restated,
        **beside,
        **_own(family, pipeline, settings),
        "root": str(workspace.root),
    }
    today = clock().date().isoformat()
    contents = [fingerprint(text, asof or today) for text in (place, *beside.values()) if text]
    if pipeline == family.scoring_pipeline:
        champion = history(workspace, family.name, arguments["dataset"]).champion
        contents += [today, champion.bundle if champion else ""]
    else:
        contents += _stands_on(family, workspace, arguments)
    identity = digest_of([pipeline, arguments, contents, code_digest()])
    key = slug(run_key, what="run key") if run_key else f"{pipeline}-{arguments['dataset']}-{identity[:10]}"[:80]
    return RunRequest(pipeline, family, workspace, key, {**arguments, "run_key": key})
