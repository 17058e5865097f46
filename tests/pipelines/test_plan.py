"""The cost plan: hand-worked from what is asked for, and refused where there is no bound."""

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import OverBudgetError, PlanError, RecipeError, UsageError
from pipelines import COMPILED
from pipelines.plan import PRICES, Prices, money, plan, prices_of, quantity
from pipelines.schedules import Schedule, compiled_file

Documents = list[dict[str, Any]]

TABLE = """
currency: EUR
as_of: 2026-11-20
source: made up for this test
per_cpu_hour: 0.1
per_gib_hour: 0.01
per_gpu_hour: {nvidia.com/gpu: 3, nvidia.com/mig-1g.10gb: 0.5}
"""


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    path = tmp_path / "prices.yaml"
    path.write_text(TABLE)
    return prices_of(path)


def changed(folder: Path, change: Callable[[Documents], Any]) -> Path:
    """Write the price-action pipeline with one change, and return the path."""
    documents: Documents = list(yaml.safe_load_all((COMPILED / "price-action.yaml").read_text()))
    change(documents)
    path = folder / "p.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def train(documents: Documents) -> dict[str, Any]:
    return documents[0]["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]


def placed(documents: Documents) -> dict[str, Any]:
    return documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]


def task(documents: Documents) -> dict[str, Any]:
    return documents[0]["root"]["dag"]["tasks"]["train"]


def test_a_run_of_price_action_worked_by_hand(prices: Prices) -> None:
    found = plan(compiled_file("price-action"), prices)
    assert [step.name for step in found.steps] == ["ingest", "features", "assemble", "train", "validate", "promote"]
    small, training = found.steps[0], found.steps[3]
    # 1 core and 4 GiB for an hour: 0.10 + 0.04
    assert (small.cores, small.memory_gib, small.gpus, small.most_hours) == (1, 4, None, 1)
    assert (small.cpu_hours, small.gpu_hours, small.most_cost) == (1, 0, Decimal("0.14"))
    # 4 cores, 16 GiB and a GPU for 6 hours: 6 x (0.40 + 0.16 + 3.00)
    assert (training.cores, training.memory_gib, training.most_hours) == (4, 16, 6)
    assert training.gpus == ("nvidia.com/gpu", 1)
    assert (training.cpu_hours, training.gpu_hours, training.most_cost) == (24, 6, Decimal("21.36"))
    assert found.most_cost == 5 * Decimal("0.14") + Decimal("21.36") == Decimal("22.06")


def test_parts_of_cores_decimal_memory_and_other_gpus_worked_by_hand(tmp_path: Path, prices: Prices) -> None:
    def change(documents: Documents) -> None:
        train(documents).update(resourceCpuLimit="500m", resourceMemoryLimit="16G")
        train(documents)["accelerator"].update(resourceType="nvidia.com/mig-1g.10gb", resourceCount="2")
        placed(documents).update(activeDeadlineSeconds="5400")

    step = plan(changed(tmp_path, change), prices).steps[3]
    assert step.cores == Decimal("0.5")
    assert float(step.memory_gib) == pytest.approx(14.901161, abs=1e-6)  # 16e9 / 2^30
    assert (step.most_hours, step.cpu_hours, step.gpu_hours) == (Decimal("1.5"), Decimal("0.75"), 3)
    # 1.5 x (0.5 x 0.1 + 14.901161 x 0.01 + 2 x 0.5)
    assert float(step.most_cost) == pytest.approx(1.798517, abs=1e-6)


def test_every_shipped_pipeline_has_a_plan_by_the_shipped_prices() -> None:
    for path in COMPILED.glob("*.yaml"):
        found = plan(path, prices_of(PRICES))
        assert found.pipeline == path.stem
        assert found.most_cost > 0


def test_a_step_in_a_sub_pipeline_is_counted_too(tmp_path: Path, prices: Prices) -> None:
    def change(documents: Documents) -> None:
        spec = documents[0]
        inner = {"tasks": {"train": {"componentRef": {"name": "comp-train"}}}}
        spec["components"]["comp-group"] = {"dag": inner}
        spec["root"]["dag"]["tasks"]["train"]["componentRef"]["name"] = "comp-group"

    assert plan(changed(tmp_path, change), prices).most_cost == Decimal("22.06")


def test_a_component_that_is_placed_twice_is_paid_twice(tmp_path: Path, prices: Prices) -> None:
    def change(documents: Documents) -> None:
        documents[0]["root"]["dag"]["tasks"]["train-2"] = dict(task(documents))

    assert plan(changed(tmp_path, change), prices).most_cost == Decimal("22.06") + Decimal("21.36")


UNBOUNDED: dict[str, tuple[Callable[[Documents], Any], str]] = {
    "CPU": (lambda d: train(d).pop("resourceCpuLimit"), "no resourceCpuLimit, so its cost has no bound. Place"),
    "memory": (lambda d: train(d).pop("resourceMemoryLimit"), "no resourceMemoryLimit"),
    "timeout": (lambda d: placed(d).pop("activeDeadlineSeconds"), "no activeDeadlineSeconds"),
    "platform": (lambda d: d.pop(), "ingest: no activeDeadlineSeconds"),
    "no timeout at all": (lambda d: placed(d).update(activeDeadlineSeconds="0"), "activeDeadlineSeconds: '0' is not"),
    "part of a second": (lambda d: placed(d).update(activeDeadlineSeconds="3600m"), "'3600m' is no whole number"),
    "parameter": (
        lambda d: train(d).update(resourceMemoryLimit="{{$.inputs.parameters['memory']}}"),
        "resourceMemoryLimit: .* is no Kubernetes quantity",
    ),
    "GPU without type": (lambda d: train(d)["accelerator"].pop("resourceType"), "a GPU without resourceType"),
    "GPU without count": (lambda d: train(d)["accelerator"].pop("resourceCount"), "no resourceCount"),
    "half a GPU": (lambda d: train(d)["accelerator"].update(resourceCount="0.5"), "'0.5' is no whole number"),
    "GPU without price": (
        lambda d: train(d)["accelerator"].update(resourceType="amd.com/gpu"),
        "no price for a GPU of type 'amd.com/gpu', only for nvidia.com/gpu, nvidia.com/mig-1g.10gb. Add it",
    ),
    "retry": (lambda d: task(d).update(retryPolicy={"maxRetryCount": 3}), "retryPolicy: it may run any number"),
    "loop": (lambda d: task(d).update(parameterIterator={}), "parameterIterator"),
}


@pytest.mark.parametrize("case", UNBOUNDED.values(), ids=UNBOUNDED.keys())
def test_what_has_no_bound_or_price_is_named(
    tmp_path: Path, prices: Prices, case: tuple[Callable[[Documents], Any], str]
) -> None:
    change, named = case
    with pytest.raises(PlanError, match=named) as caught:
        plan(changed(tmp_path, change), prices)
    assert str(caught.value).startswith("p.yaml: ")
    assert caught.value.exit_code == 65


def test_a_budget_holds_to_the_cent_and_names_the_dearest_step(prices: Prices) -> None:
    found = plan(compiled_file("price_action"), prices)
    found.check(Decimal("22.06"))
    with pytest.raises(OverBudgetError) as caught:
        found.check(Decimal("22.05"))
    assert str(caught.value) == (
        "price-action: a run can cost 22.06 EUR, over the budget of 22.05. The dearest step is train, up to 21.36 in "
        "6 h: give it less ('Resources': cores, memory, GPUs, timeout) and run 'qf compile', or raise the budget"
    )
    assert caught.value.exit_code == 2


def test_money_is_rounded_up() -> None:
    assert [money(Decimal(text)) for text in ("0", "0.001", "13.440", "1234.5601")] == [
        "0.00", "0.01", "13.44", "1,234.57",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("per_cpu_hour: 0.1", "per_cpu_hour: -1", "per_cpu_hour"),
        ("per_cpu_hour: 0.1", "per_cpu_hour: .nan", "per_cpu_hour"),
        ("per_cpu_hour: 0.1", "cpu: 0.1", "cpu: unknown key"),
        ("gpu: 3", "gpu: -3", "per_gpu_hour.nvidia.com/gpu"),
        ("2026-11-20", "today", "as_of"),
    ],
)
def test_a_price_table_that_means_nothing_is_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(RecipeError, match=named):
        prices_of(path)


def test_a_pipeline_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match=r"regimes: no such pipeline .+ There is agents-monitoring, "):
        compiled_file("regimes")


FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("0.001"), "": Decimal(1), "k": Decimal(1000),
    "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}  # fmt: skip


@given(st.integers(0, 10**6), st.integers(0, 3), st.sampled_from(sorted(FACTORS)))
def test_a_quantity_comes_back_from_its_text(digits: int, places: int, suffix: str) -> None:
    number = Decimal(digits).scaleb(-places)
    assert quantity(f"{number:f}{suffix}", where="here") / FACTORS[suffix] == number


@pytest.mark.parametrize(
    "text", ["", "Gi", "1mi", "1ki", "1K", "1_0", " 1", "1 Gi", "-1", "nan", "inf", "1e3", "4GB", "٣"]
)
def test_what_a_cluster_would_not_take_is_no_quantity(text: str) -> None:
    with pytest.raises(PlanError, match=r"here: .* is no Kubernetes quantity"):
        quantity(text, where="here")


@pytest.mark.parametrize(
    ("cron", "runs"),
    [
        ("0 0 2 1 * *", "1"),  # on the first
        ("0 30 6 * * *", "30"),  # daily
        ("0 0 * * * *", "720"),  # hourly
        ("0 * 9 * * *", "1800"),  # each minute from 9 to 10
        ("0 0 2 1 1 *", "0.083333"),  # once a year
        ("0 0 2 * * 0", "4.285714"),  # Sundays: 30 / 7
        ("0 0 2 1 * 0", "5.142857"),  # the first, and Sundays: 1 + 29 / 7
    ],
)
def test_runs_in_thirty_days_worked_by_hand(cron: str, runs: str) -> None:
    assert round(Schedule(cron=cron).runs_per_month, 6) == Decimal(runs)


def test_importing_the_plan_loads_neither_kubeflow_nor_kubernetes(top: Path) -> None:
    program = "import sys, pipelines.plan\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=top, capture_output=True, text=True, check=True, timeout=120
    )
    assert not {"kfp", "kubernetes", "torch", "pandas", "numpy"} & set(result.stdout.split())
