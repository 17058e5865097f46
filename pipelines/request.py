"""What a run is asked to do, and the key by which the same request is the same run."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core import bundle as bundles
from components.core import family as families
from components.core.address import refuse_credentials
from components.core.clock import Clock, system_clock
from components.core.code import code_digest
from components.core.errors import ArtifactError, DataError, UsageError
from components.core.family import Family
from components.core.files import canonical_json, digest_of, sha256_of
from components.core.groups import groups_of, pairs_of, text_of
from components.core.recipe import RecipeConfig
from components.core.registry import Promotion, history, required
from components.core.workspace import Workspace, slug
from components.ingest import MAX_RESTATED
from components.serving import MAX_AGE_DAYS
from pipelines import COMPLETE, PAIRS, PROFIT, TWIN, WEEKLY

DATA_ENDINGS = (".parquet", ".csv")
_WATCHED = {"train": 0.5, "validation": 0.05, "test": 0.45}


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
    """Of the weekly pipeline: stocks that get a twin, separated by commas; empty is all of the source. Of the complete
    one: stocks that the base model is fine-tuned for; empty is those of the pairs."""
    pairs: str = ""
    """Of the complete pipeline: its portfolios, as in ``pairs_of``."""
    steps: int | None = None
    """Steps of a training at most; None is what the recipe says."""
    base_model: str = ""
    """Folder of a base model to start from; empty starts anew."""


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


def watched(recipe: RecipeConfig) -> RecipeConfig:
    """Return a recipe whose newest days are a test zone, and none is sealed: every outcome that is known is there."""
    data = recipe.data.model_copy(update={"zones": dict(_WATCHED), "max_days": None})
    return recipe.model_copy(update={"data": data})


def _own(family: Family, pipeline: str, settings: Settings, champion: Promotion | None) -> dict[str, Any]:
    """Return the parameters that only this kind of pipeline has."""
    _refuse_strangers(family, pipeline, settings)
    if pipeline == COMPLETE:
        return _portfolios(family, settings)
    if pipeline not in {family.scoring_pipeline, family.monitoring_pipeline}:
        recipe = family.recipe(settings.recipe or family.default_recipe, (*settings.overrides, *_shorthands(settings)))
        own: dict[str, Any] = {"tickers": settings.tickers} if pipeline == WEEKLY else {}
        if settings.num_trials is not None:
            own = {"num_trials": settings.num_trials}
        return {"recipe": recipe.canonical(), **own}
    if not family.outputs:
        raise UsageError(f"{pipeline}: {family.pipeline} declares no outputs to score. Add them to its Family")
    if settings.recipe or settings.overrides or _shorthands(settings):
        raise UsageError(
            f"{pipeline}: asks the champion, which has its recipe. Leave --recipe and --set out, --steps and "
            "--base-model too"
        )
    if pipeline == family.monitoring_pipeline:
        return {"recipe": watched(_recipe_of(family, champion)).canonical()}
    max_age_days = MAX_AGE_DAYS if settings.max_age_days is None else settings.max_age_days
    return {"every_window": settings.every_window, "max_age_days": max_age_days}


def _refuse_strangers(family: Family, pipeline: str, settings: Settings) -> None:
    if settings.tickers and pipeline not in {WEEKLY, COMPLETE}:
        raise UsageError(f"{pipeline}: makes no twins. Leave --tickers out, or ask {WEEKLY}")
    if settings.pairs and pipeline != COMPLETE:
        raise UsageError(f"{pipeline}: makes no portfolios. Leave --pairs out, or ask {COMPLETE}")
    if settings.num_trials is not None and pipeline != family.tuning_pipeline:
        raise UsageError(f"{pipeline}: tries one recipe. Leave --trials out, or ask {family.tuning_pipeline}")
    if pipeline != family.scoring_pipeline and (settings.every_window or settings.max_age_days is not None):
        raise UsageError(f"{pipeline}: has no windows to score. Ask {family.scoring_pipeline}")


def _recipe_of(family: Family, champion: Promotion | None) -> RecipeConfig:
    """Return the settings that the champion was trained with; without one, the family's default."""
    if champion is None:
        return family.recipe(family.default_recipe)
    return family.config.parse(champion.load().manifest["config"], name=f"{champion.folder}: config")


def _shorthands(settings: Settings) -> tuple[str, ...]:
    """Return what steps and a base model mean in a recipe: fine-tuning is by passes, unless steps are asked for."""
    words: list[str] = []
    if settings.base_model:
        folder = Path(settings.base_model).expanduser().resolve()
        start = {"bundle": str(folder), "expect": bundles.load(folder).digest}
        words.append(f"start={canonical_json(start)}")
        words += [] if settings.steps else ["train.epochs=10"]
    if settings.steps:
        words.append(f"train.max_steps={settings.steps}")
    return tuple(words)


def _portfolios(family: Family, settings: Settings) -> dict[str, Any]:
    """Return the parameters of the complete pipeline; overrides that begin with ``pairs.`` are of the portfolios."""
    pairs, mark = pairs_of(settings.pairs), f"{PAIRS}."
    theirs = tuple(word.removeprefix(mark) for word in settings.overrides if word.startswith(mark))
    ours = tuple(word for word in settings.overrides if not word.startswith(mark)) + _shorthands(settings)
    portfolios, name = families.find(PAIRS), settings.recipe or family.default_recipe
    shipped = name if name in portfolios.recipes() else portfolios.default_recipe
    stocks = settings.tickers or ",".join(dict.fromkeys(symbol for pair in pairs for symbol in pair))
    return {
        "recipe": family.recipe(name, ours).canonical(),
        "pairs_recipe": portfolios.recipe(shipped, theirs).canonical(),
        "pairs": text_of(groups_of(text_of(pairs)).values()),
        "stocks": text_of(groups_of(stocks).values()),
    }


def _asked_of(pipeline: str) -> tuple[Family, str]:
    """Return the family of a pipeline, and its full name; '-' and '_' are the same.

    Raises:
        UsageError: If there is none.
    """
    if pipeline.replace("_", "-") == WEEKLY:
        return families.find(TWIN), WEEKLY
    if pipeline.replace("_", "-") == COMPLETE:
        return families.find(PROFIT), COMPLETE
    for ending in (families.SCORING, families.MONITORING, families.TUNING):
        if pipeline.endswith(ending):
            family = families.find(pipeline.removesuffix(ending))
            if ending == families.TUNING and family.starts_from:
                raise UsageError(f"{pipeline}: stands on the champion of {family.starts_from}. Search for that one")
            return family, f"{family.pipeline}{ending}"
    family = families.find(pipeline)
    return family, family.pipeline


def _stands_on(family: Family, workspace: Workspace, arguments: dict[str, Any]) -> list[str]:
    """Return the digest of the bundle that a family starts from: that in the folder its recipe names, or the champion.

    Raises:
        ArtifactError: If there is none.
    """
    if not family.starts_from:
        return []
    named = getattr(family.config.parse_json(arguments["recipe"], name="recipe"), family.starts_from)
    if not named:
        return [required(workspace, family.starts_from, arguments["dataset"]).digest]
    if not (Path(named) / bundles.MANIFEST).is_file():
        raise ArtifactError(f"{named}: no {family.starts_from} lies here. Train one: qf run {family.starts_from}")
    return [bundles.load(Path(named)).digest]


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
    the same run. To score or to watch is another run on another day, and with another champion.

    Raises:
        QuantfoundryError: If there is no such pipeline, the recipe does not validate, or the source does not exist.
    """
    family, pipeline = _asked_of(pipeline)
    place = located(source)
    name = slug(dataset, what="dataset") if dataset else dataset_of(place)
    asks_champion = pipeline in {family.scoring_pipeline, family.monitoring_pipeline}
    champion = history(workspace, family.name, name).champion if asks_champion else None
    beside = {name: located(text) if text else "" for name, text in (("context", context), ("options", options))}
    arguments: dict[str, Any] = {
        "source": place,
        "symbols": symbols,
        "asof": asof,
        "dataset": name,
        "faults": faults,
        "layout": layout,
        "max_restated": max_restated,
        **beside,
        **_own(family, pipeline, settings, champion),
        "root": str(workspace.root),
    }
    today = clock().date().isoformat()
    contents = [fingerprint(text, asof or today) for text in (place, *beside.values()) if text]
    if asks_champion:
        contents += [today, champion.bundle if champion else ""]
    else:
        contents += _stands_on(family, workspace, arguments)
    identity = digest_of([pipeline, arguments, contents, code_digest()])
    key = slug(run_key, what="run key") if run_key else f"{pipeline}-{arguments['dataset']}-{identity[:10]}"[:80]
    return RunRequest(pipeline, family, workspace, key, {**arguments, "run_key": key})
