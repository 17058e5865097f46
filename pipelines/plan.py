"""What a pipeline asks of the cluster, step by step, and the most that one run of it can cost.

Read from the compiled file, which is what a cluster gets. A step costs at most its limits for as long as its timeout
lets it run; storage, network and Kubeflow's own pods are not in it. Whatever has no bound is refused, not left out.
"""
# pyright: reportUnknownVariableType=false

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import Field

from components.core.config import Config
from components.core.errors import EnvironmentMissingError, OverBudgetError, PlanError
from components.core.family import GPU_TYPE, Resources
from components.core.strict_yaml import load_file

PRICES: Final = Path(__file__).parent / "prices.yaml"
_GIB: Final = 1024**3
_CENT: Final = Decimal("0.01")
_QUANTITY: Final = re.compile(r"\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?", re.ASCII)
"""The form that Kubernetes accepts, without sign or exponent."""
_REMEDY: Final = "Place the step with it ('place' in components/wiring.py) and run 'qf compile'"

Price = Annotated[Decimal, Field(ge=0)]


class Prices(Config):
    """What an hour costs."""

    currency: str
    as_of: date
    """The day on which these were the prices."""
    source: str
    """Whose prices they are."""
    per_cpu_hour: Price
    """One core."""
    per_gib_hour: Price
    """One GiB of memory."""
    per_gpu_hour: Mapping[str, Price]
    """One device, by the type that a step asks for, such as ``nvidia.com/gpu``."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: what it may use, for how long, and what that costs."""

    name: str
    cores: Decimal
    memory_gib: Decimal
    gpus: tuple[str, int] | None
    """Type and number of devices."""
    most_hours: Decimal
    """Its timeout."""
    most_cost: Decimal

    @property
    def cpu_hours(self) -> Decimal:
        """The most core-hours that it can use."""
        return self.cores * self.most_hours

    @property
    def gpu_hours(self) -> Decimal:
        """The most device-hours that it can use."""
        return self.most_hours * (self.gpus[1] if self.gpus else 0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of one run in their order, priced."""

    pipeline: str
    prices: Prices
    steps: tuple[Step, ...]

    @property
    def most_cost(self) -> Decimal:
        """The most that one run can cost."""
        return sum((step.most_cost for step in self.steps), Decimal(0))

    def check(self, budget: Decimal) -> None:
        """Return if a run stays within ``budget``, whatever happens.

        Raises:
            OverBudgetError: If it can cost more; the dearest step is named.
        """
        if self.most_cost <= budget:
            return
        dearest = max(self.steps, key=lambda step: step.most_cost)
        raise OverBudgetError(
            f"{self.pipeline}: a run can cost {money(self.most_cost)} {self.prices.currency}, over the budget of "
            f"{budget:f}. The dearest step is {dearest.name}, up to {money(dearest.most_cost)} in "
            f"{dearest.most_hours:.4g} h: give it less ('Resources': cores, memory, GPUs, timeout) and run "
            "'qf compile', or raise the budget"
        )


def money(amount: Decimal) -> str:
    """Return an amount in cents, rounded up, because it is the most."""
    return f"{amount.quantize(_CENT, ROUND_CEILING):,f}"


def prices_of(path: Path = PRICES) -> Prices:
    """Return the price table in a YAML file.

    Raises:
        RecipeError: If it does not validate.
    """
    return Prices.parse(load_file(path), name=str(path))


def plan(path: Path, prices: Prices) -> Plan:
    """Return what a run of the compiled pipeline ``path`` asks for and can cost.

    Raises:
        PlanError: If a step has no limit, no timeout or no bound, or asks for a GPU that has no price.
        EnvironmentMissingError: If the package that reads Kubernetes quantities is not installed.
    """
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    spec, platform = documents[0], documents[1] if len(documents) > 1 else {}
    placed = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    steps: list[Step] = []
    for name, label, task in _tasks(spec, spec["root"]["dag"], where=path.name):
        container = spec["deploymentSpec"]["executors"][label].get("container", {})
        resources, placing = container.get("resources", {}), placed.get(label, {})
        where = f"{path.name}: {name}"
        steps.append(_step(name, resources, placing, prices, where=where))
        if (job := task.get("inputs", {}).get("parameters", {}).get("resources")) is not None:
            steps.append(_job(f"{name}: its job", job, prices, where=where))
    return Plan(pipeline=spec["pipelineInfo"]["name"], prices=prices, steps=tuple(steps))


def _tasks(spec: dict[str, Any], graph: dict[str, Any], *, where: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name, the executor and the wiring of each task, those before it first, sub-pipelines opened."""
    tasks: dict[str, dict[str, Any]] = graph["tasks"]
    order = TopologicalSorter({name: task.get("dependentTasks", []) for name, task in tasks.items()})
    for name in order.static_order():
        task = tasks[name]
        if found := sorted({"parameterIterator", "artifactIterator", "retryPolicy"} & task.keys()):
            raise PlanError(f"{where}: {name}: {found[0]}: it may run any number of times. Take it out ('qf compile')")
        component = spec["components"][task["componentRef"]["name"]]
        if "dag" in component:
            yield from _tasks(spec, component["dag"], where=f"{where}: {name}")
        else:
            yield name, component["executorLabel"], task


def _step(name: str, resources: dict[str, Any], placed: dict[str, Any], prices: Prices, *, where: str) -> Step:
    cores = _amount(resources, "resourceCpuLimit", where)
    memory_gib = _amount(resources, "resourceMemoryLimit", where) / _GIB
    most_hours = Decimal(_whole(placed, "activeDeadlineSeconds", where)) / 3600
    gpus = _gpus(resources["accelerator"], where) if "accelerator" in resources else None
    per_hour = cores * prices.per_cpu_hour + memory_gib * prices.per_gib_hour
    if gpus is not None:
        kind, num_gpus = gpus
        if kind not in prices.per_gpu_hour:
            known = ", ".join(prices.per_gpu_hour) or "none"
            raise PlanError(f"{where}: no price for a GPU of type {kind!r}, only for {known}. Add it to per_gpu_hour")
        per_hour += num_gpus * prices.per_gpu_hour[kind]
    return Step(
        name=name,
        cores=cores,
        memory_gib=memory_gib,
        gpus=gpus,
        most_hours=most_hours,
        most_cost=most_hours * per_hour,
    )


def _job(name: str, given: dict[str, Any], prices: Prices, *, where: str) -> Step:
    """Return what the training job that a step starts asks for, on all its hosts together."""
    try:
        wanted = Resources(**json.loads(given["runtimeValue"]["constant"]))
    except (LookupError, TypeError, ValueError):
        raise PlanError(f"{where}: what its job asks for is not written out, so its cost has no bound") from None
    amounts: dict[str, Any] = {
        "resourceCpuLimit": f"{quantity(wanted.cpu, where=where) * wanted.nodes:f}",
        "resourceMemoryLimit": f"{quantity(wanted.memory, where=where) * wanted.nodes:f}",
    }
    if wanted.gpus:
        amounts["accelerator"] = {"resourceType": GPU_TYPE, "resourceCount": str(wanted.gpus * wanted.nodes)}
    return _step(name, amounts, {"activeDeadlineSeconds": str(wanted.timeout_s)}, prices, where=f"{where}: its job")


def _gpus(accelerator: dict[str, Any], where: str) -> tuple[str, int]:
    kind = accelerator.get("resourceType")
    if not kind:
        raise PlanError(f"{where}: asks for a GPU without resourceType. {_REMEDY}")
    return kind, _whole(accelerator, "resourceCount", where)


def _whole(values: dict[str, Any], field: str, where: str) -> int:
    number = _amount(values, field, where)
    if not str(values[field]).isdecimal():
        raise PlanError(f"{where}: {field}: {values[field]!r} is no whole number. {_REMEDY}")
    return int(number)


def _amount(values: dict[str, Any], field: str, where: str) -> Decimal:
    """Return the quantity in ``field``, which must be there and above 0."""
    if field not in values:
        raise PlanError(f"{where}: no {field}, so its cost has no bound. {_REMEDY}")
    number = quantity(str(values[field]), where=f"{where}: {field}")
    if number <= 0:
        raise PlanError(f"{where}: {field}: {values[field]!r} is not above 0. {_REMEDY}")
    return number


def quantity(text: str, *, where: str) -> Decimal:
    """Return a Kubernetes quantity such as ``500m``, ``4Gi`` or ``16G`` as a number of cores, bytes or devices.

    Raises:
        PlanError: If it is none, such as a parameter that is known only when the run starts.
        EnvironmentMissingError: If the package ``kubernetes`` is not installed.
    """
    # The parser alone would take "1mi" and "1_0", which a cluster refuses.
    if not _QUANTITY.fullmatch(text):
        raise PlanError(f"{where}: {text!r} is no Kubernetes quantity such as 500m or 4Gi. Write the amount out")
    try:
        from kubernetes.utils.quantity import parse_quantity  # noqa: PLC0415 - half a second, and an extra of its own
    except ImportError as error:
        raise EnvironmentMissingError(f"kubernetes: {error}. Install quantfoundry[pipelines]") from None
    number: Decimal = parse_quantity(text)
    return number
