"""What a model family declares: light enough to list hundreds without importing torch."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Literal, cast

from components.core.config import with_overrides
from components.core.errors import RecipeError, UsageError
from components.core.recipe import RecipeConfig
from components.core.search import Range, Space
from components.core.strict_yaml import load, load_file

FAMILIES = "components.families"
SCORING = "-scoring"
"""End of the name of a pipeline that predicts; without one, it trains."""
MONITORING = "-monitoring"
"""End of the name of a pipeline that watches the champion."""
TUNING = "-tuning"
"""End of the name of a pipeline that searches for a better recipe."""
GPU_TYPE = "nvidia.com/gpu"
"""The device that a training asks for, by the name that Kubernetes gives it."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""The label by which Kueue knows the queue of a pod or a job."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one training task asks of the cluster."""

    cpu: str
    """Cores, in Kubernetes notation, such as ``"4"``."""
    memory: str
    """Memory, in Kubernetes notation, such as ``"16Gi"``."""
    gpus: int = 0
    """Whole devices of ``GPU_TYPE``."""
    shared_memory: str = "2Gi"
    """Size of the memory-backed ``/dev/shm``."""
    timeout_s: int = 6 * 3600
    """Wall-clock limit of the task; of a training job, the time in its queue included."""
    queue: str = "quantfoundry"
    """The Kueue queue that it waits in; empty: none."""
    nodes: int = 1
    """Hosts that train together; each gets all of the above. Several take a training job of their own."""
    spot: bool = False
    """Whether hosts will do that may be taken away. Takes a training job, which goes on from its checkpoint."""

    @property
    def launched(self) -> bool:
        """Whether a job trains that the step starts and follows, instead of the step itself."""
        return self.nodes > 1 or self.spot


@dataclass(frozen=True, kw_only=True)
class Output:
    """One named output of a family's network: a number per window, or a vector of them."""

    name: str
    unit: str
    parts: tuple[str, ...] = ()
    """Names of a vector's elements, such as the classes; empty for a single number."""
    tabled: bool = True
    """Whether it fills columns of a table of predictions; if not, who serves the graph has it and nobody else."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it fills in a table of predictions."""
        if not self.tabled:
            return ()
        return tuple(f"{self.name}_{part}" for part in self.parts) or (self.name,)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Two synthetic markets by which the gates are calibrated, as sources without a seed."""

    planted: str
    """What the family's model can learn is in it."""
    noise: str
    """Nobody can know anything of what is asked."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A model family: its settings, what it reads, and where its heavy modules are."""

    name: str
    title: str
    config: type[RecipeConfig]
    feature_service: str
    """The Feast FeatureService that it trains on, with the version in its name."""
    columns: Mapping[str, tuple[str, ...]]
    """Columns of that service in the order of the model's inputs, by feature view."""
    resources: Resources
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Columns of the views that a recipe may ask for (``RecipeConfig.views``), after those above; a row may lack
    them, and they are in no service of its name."""
    starts_from: str = ""
    """The family whose champion it stands on, frozen, unless the recipe's setting of that name is a bundle's folder."""
    latest: str = ""
    """Where below the root, without its ending, the weights of a champion of one ``{ticker}`` are copied too."""
    unit: Literal["symbol", "market"] = "symbol"
    """What one row of its examples is about: a symbol, or the market as a whole."""
    labels: str = "direction"
    """The labeller of its examples, one of ``components/assemble/labellers.py``."""
    outputs: tuple[Output, ...] = ()
    """What it serves, in the order of its graph's outputs; without any, no pipeline scores or watches its champion."""
    truth: Truth | None = None
    """Without it the gates cannot be calibrated on this family; with it there is a recipe ``calibration``."""
    search: Space = field(default_factory=lambda: {"train.lr": Range(1e-5, 1e-2, log=True)})
    """What ``qf tune`` tries, by dotted key of the recipe."""
    metric: str = "val_loss"
    """What a search goes by: a number of the history, lower is better of a loss, higher of all else."""
    default_recipe: str = "daily"
    parallel: bool = False
    """Whether several processes can train it together."""

    @property
    def pipeline(self) -> str:
        """The name of its training pipeline."""
        return self.name.replace("_", "-")

    @property
    def scoring_pipeline(self) -> str:
        """The name of the pipeline that lets its champion predict."""
        return f"{self.pipeline}{SCORING}"

    @property
    def monitoring_pipeline(self) -> str:
        """The name of the pipeline that watches its champion."""
        return f"{self.pipeline}{MONITORING}"

    @property
    def tuning_pipeline(self) -> str:
        """The name of the pipeline that searches for a better recipe; who stands on a champion has none."""
        return f"{self.pipeline}{TUNING}"

    @property
    def predictions_view(self) -> str:
        """The Feast view, and service, that its newest predictions are read from."""
        return f"predictions_{self.name}_v1"

    def reads(self, recipe: RecipeConfig) -> dict[str, tuple[str, ...]]:
        """Return the columns that a recipe reads, in the order of the model's inputs, by feature view."""
        return {**self.columns, **{view: self.optional[view] for view in recipe.views}}

    @property
    def output_units(self) -> dict[str, str]:
        """The unit of each column that its outputs fill."""
        return {column: output.unit for output in self.outputs for column in output.columns}

    def module(self, name: str) -> ModuleType:
        """Return the family's module ``name``; only here is the heavy code imported."""
        return importlib.import_module(f"{FAMILIES}.{self.name}.{name}")

    def modules(self) -> list[str]:
        """Return the names of the family's modules, none of which is imported for it."""
        folder = resources.files(f"{FAMILIES}.{self.name}")
        return sorted(item.name[:-3] for item in folder.iterdir() if item.name.endswith(".py"))

    def recipes(self) -> dict[str, str]:
        """Return the text of each recipe that ships, by name."""
        folder = resources.files(f"{FAMILIES}.{self.name}").joinpath("recipes")
        files = sorted(folder.iterdir(), key=lambda item: item.name)
        return {item.name[:-5]: item.read_text(encoding="utf-8") for item in files if item.name.endswith(".yaml")}

    def recipe(self, name_or_path: str, overrides: tuple[str, ...] = ()) -> RecipeConfig:
        """Return a shipped recipe by name, or one from a YAML file, with overrides applied.

        Raises:
            RecipeError: If it does not exist or does not validate.
        """
        shipped = self.recipes()
        if name_or_path in shipped:
            values = load(shipped[name_or_path], name=f"recipe {name_or_path}")
        elif name_or_path.endswith((".yaml", ".yml")):
            values = load_file(Path(name_or_path))
        else:
            raise RecipeError(
                f"recipe {name_or_path!r}: no such recipe of {self.name}. "
                f"Use one of {', '.join(shipped)}, or the path of a .yaml file"
            )
        merged = with_overrides(values, overrides, name=f"recipe {name_or_path}")
        return self.config.parse(merged, name=f"recipe {name_or_path}")

    def varied(self, recipe: RecipeConfig, settings: Mapping[str, object]) -> RecipeConfig:
        """Return ``recipe`` with some settings, by dotted key, changed.

        Raises:
            RecipeError: If they do not go together.
        """
        changes = [f"{key}={value}" for key, value in settings.items()]
        return self.config.parse(with_overrides(recipe.model_dump(mode="json"), changes, name="trial"), name="trial")


def names() -> list[str]:
    """Return the families that exist: the folders below ``components/families``."""
    root = resources.files(FAMILIES)
    return sorted(item.name for item in root.iterdir() if _NAME.fullmatch(item.name) and item.is_dir())


def find(name: str) -> Family:
    """Return the family called ``name``; '-' and '_' are the same.

    Raises:
        UsageError: If there is none; those that exist are named.
    """
    wanted = name.replace("-", "_")
    if wanted not in names():
        raise UsageError(f"{name!r}: no such family. There is {', '.join(item.replace('_', '-') for item in names())}")
    family = importlib.import_module(f"{FAMILIES}.{wanted}").FAMILY
    return cast("Family", family)


def every() -> list[Family]:
    """Return all families, by name."""
    return [find(name) for name in names()]
