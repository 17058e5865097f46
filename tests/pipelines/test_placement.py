"""Where each step of each compiled pipeline runs and what it may see; how a step with a job of its own is placed."""

import dataclasses
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler

from components.core import family as families
from components.core.family import GPU_TYPE, QUEUE_LABEL, Family, Resources
from components.core.workspace import SIGNING_KEY, TUNE_STORAGE, VERIFY_KEY
from components.market.vendor import TOKEN_FILE
from components.wiring import CLEAN_UP_S, CPU, GPU, SHARED_MEMORY, SMALL
from feature_repo.place import REDIS, REGISTRY
from pipelines import COMPILED, COMPLETE, PAIRS, PROFIT, TWIN, WEEKLY
from pipelines.head import FORECASTER
from pipelines.lint import hazards
from pipelines.plan import Prices, plan
from pipelines.training import training_pipeline
from pipelines.tuning import worker_of

QUEUE = {QUEUE_LABEL: "quantfoundry"}
OBJECT_STORE = {
    "AWS_ACCESS_KEY_ID": "qf-object-store",
    "AWS_SECRET_ACCESS_KEY": "qf-object-store",
    "AWS_ENDPOINT_URL_S3": "qf-object-store",
}
STORES = {REGISTRY: "qf-feast", REDIS: "qf-feast"}
SEES: Mapping[str, tuple[dict[str, str], dict[str, str]]] = {
    "ingest": ({"/etc/quantfoundry/vendor": "qf-vendor"}, {TOKEN_FILE: "qf-settings", **OBJECT_STORE}),
    "forecast": ({}, OBJECT_STORE),
    "features": ({}, STORES),
    "score": ({}, STORES),
    "assemble": ({}, {}),
    "train": ({}, {}),
    "tune": ({}, {TUNE_STORAGE: "qf-tune"}),
    "collect": ({}, {}),
    "validate": (
        {"/etc/quantfoundry/signing": "qf-signing-key", "/etc/quantfoundry/verify": "qf-verify-key"},
        {SIGNING_KEY: "qf-settings", VERIFY_KEY: "qf-settings"},
    ),
    "promote": (
        {"/etc/quantfoundry/verify": "qf-verify-key"},
        {
            VERIFY_KEY: "qf-settings",
            "QF_TRACKING_URI": "qf-settings",
            "MLFLOW_TRACKING_USERNAME": "qf-mlflow-client",
            "MLFLOW_TRACKING_PASSWORD": "qf-mlflow-client",
        },
    ),
    "observe": ({"/etc/quantfoundry/verify": "qf-verify-key"}, {VERIFY_KEY: "qf-settings"}),
    "monitor": ({}, {}),
    "publish": ({"/etc/quantfoundry/verify": "qf-verify-key"}, {VERIFY_KEY: "qf-settings", **OBJECT_STORE}),
}
"""By step: the Secret behind each mount, and the Secret or ConfigMap behind each variable."""


def documents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    spec, platform = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def steps() -> list[tuple[str, str]]:
    return [
        (path.stem, label.removeprefix("exec-"))
        for path in sorted(COMPILED.glob("*.yaml"))
        for label in documents(path)[0]["deploymentSpec"]["executors"]
    ]


def plain(name: str) -> str:
    """Return a step's kind: those of many models see what the others of their kind see, and a shard is numbered."""
    name = re.sub(r"-(\d+|stocks|pairs|groups|each|twins|with-forecasts)$", "", re.sub(r"-\d+$", "", name))
    return "train" if name == "fine-tune" else name


def wanted(pipeline: str, name: str) -> Resources:
    if name == "forecast":
        return FORECASTER
    if plain(name) == "tune":
        return worker_of(families.find(pipeline.removesuffix(families.TUNING)).resources)
    if plain(name) != "train":
        return SMALL
    owners = {WEEKLY: TWIN, COMPLETE: PAIRS if name.startswith("train-pairs") else PROFIT}
    return families.find(owners.get(pipeline, pipeline)).resources


@pytest.mark.parametrize(("pipeline", "name"), steps())
def test_every_step_is_placed_by_what_it_asks_for(pipeline: str, name: str) -> None:
    spec, placed = documents(COMPILED / f"{pipeline}.yaml")
    asked, placing = wanted(pipeline, name), placed[f"exec-{name}"]
    resources = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]["resources"]
    for kind in ("Limit", "Request"):
        assert resources[f"resourceCpu{kind}"] == asked.cpu
        assert resources[f"resourceMemory{kind}"] == asked.memory
    assert placing["activeDeadlineSeconds"] == str(asked.timeout_s)
    assert placing["securityContext"] == {"runAsGroup": "10001", "runAsNonRoot": True, "runAsUser": "10001"}
    assert [(item["constant"], item["mountPath"]) for item in placing["pvcMount"]] == [("qf-workspace", "/qf")]
    assert placing.get("podMetadata", {}).get("labels", {}) == (QUEUE if asked.queue else {})
    assert ("accelerator" in resources) == bool(asked.gpus)
    assert spec["root"]["dag"]["tasks"][name]["cachingOptions"] == {}
    if asked.gpus:
        assert resources["accelerator"]["resourceType"] == GPU_TYPE
        assert resources["accelerator"]["resourceCount"] == str(asked.gpus)
        shm = {"medium": "Memory", "mountPath": SHARED_MEMORY, "sizeLimit": asked.shared_memory, "volumeName": "shm"}
        assert placing["emptyDirMounts"] == [shm]
    assert ("nodeSelector" in placing, "tolerations" in placing) == (bool(asked.gpus), bool(asked.gpus))


@pytest.mark.parametrize(("pipeline", "name"), steps())
def test_no_step_sees_more_than_it_needs(pipeline: str, name: str) -> None:
    placing = documents(COMPILED / f"{pipeline}.yaml")[1][f"exec-{name}"]
    mounts = {item["mountPath"]: item["secretName"] for item in placing.get("secretAsVolume", [])}
    variables = {
        pair["envVar"]: item.get("secretName") or item["configMapName"]
        for item in [*placing.get("secretAsEnv", []), *placing.get("configMapAsEnv", [])]
        for pair in item["keyToEnv"]
    }
    assert (mounts, variables) == SEES[plain(name)]


@pytest.mark.promise("S2-24")
@pytest.mark.parametrize("name", [name for name in families.names() if families.find(name).outputs])
def test_a_family_that_reads_forecasts_has_a_step_that_makes_them_and_always_runs(name: str) -> None:
    member = families.find(name)
    for pipeline in (member.pipeline, member.scoring_pipeline):
        tasks = documents(COMPILED / f"{pipeline}.yaml")[0]["root"]["dag"]["tasks"]
        assert ("forecast" in tasks) == (name == "profit")
        if name != "profit":
            continue
        assert tasks["forecast"]["dependentTasks"] == ["ingest"]
        assert "triggerPolicy" not in tasks["forecast"]
        assert set(tasks["features-with-forecasts"]["dependentTasks"]) == {"forecast", "ingest"}
        told = tasks["forecast"]["inputs"]["parameters"]["recipe"]
        assert told == (
            {"componentInputParameter": "recipe"}
            if pipeline == member.pipeline
            else {"runtimeValue": {"constant": ""}}  # of a scoring the champion says
        )


def compiled_with(tmp_path: Path, resources: Resources, name: str = "price-action") -> Path:
    declared = families.find(name)
    other: Family = dataclasses.replace(declared, resources=resources)
    path = tmp_path / f"{name}.yaml"
    compiler.Compiler().compile(training_pipeline(other), str(path))
    return path


SEVERAL = Resources(cpu="8", memory="32Gi", gpus=4, nodes=2, timeout_s=7200, queue="large")


def test_several_hosts_take_a_small_step_that_starts_their_job(tmp_path: Path) -> None:
    path = compiled_with(tmp_path, SEVERAL)
    assert hazards(path) == []
    spec, placed = documents(path)
    container, placing = spec["deploymentSpec"]["executors"]["exec-launch"]["container"], placed["exec-launch"]
    assert container["image"] == CPU
    assert container["resources"]["resourceCpuLimit"] == "500m"
    assert "accelerator" not in container["resources"]
    assert not {"nodeSelector", "tolerations", "podMetadata", "emptyDirMounts"} & placing.keys()
    assert placing["activeDeadlineSeconds"] == str(7200 + CLEAN_UP_S)
    assert placing["fieldPathAsEnv"] == [{"fieldPath": "metadata.namespace", "name": "QF_JOB_NAMESPACE"}]
    tasks = spec["root"]["dag"]["tasks"]
    given = tasks["launch"]["inputs"]["parameters"]
    assert given["image"]["runtimeValue"]["constant"] == GPU
    assert Resources(**json.loads(given["resources"]["runtimeValue"]["constant"])) == SEVERAL
    assert "exec-train" not in spec["deploymentSpec"]["executors"]
    for step in ("validate", "promote"):
        assert tasks[step]["inputs"]["artifacts"]["bundle"]["taskOutputArtifact"]["producerTask"] == "launch"


def test_the_cost_of_the_job_is_in_the_plan(tmp_path: Path) -> None:
    prices = Prices.parse(
        {
            "currency": "EUR",
            "as_of": "2026-11-20",
            "source": "made up",
            "per_cpu_hour": "0.1",
            "per_gib_hour": "0.01",
            "per_gpu_hour": {GPU_TYPE: "3"},
        },
        name="test",
    )
    costs = {step.name: step for step in plan(compiled_with(tmp_path, SEVERAL), prices).steps}
    job = costs["launch: its job"]
    assert (job.cores, job.memory_gib, job.gpus, job.most_hours) == (16, 64, (GPU_TYPE, 8), 2)
    assert job.most_cost == Decimal("52.48")  # 2 h x (16 x 0.1 + 64 x 0.01 + 8 x 3)
    assert costs["launch"].most_cost == Decimal("0.135")  # 2.25 h x (0.5 x 0.1 + 1 x 0.01)


@pytest.mark.parametrize(
    ("resources", "launched"),
    [
        (Resources(cpu="1", memory="1Gi"), False),
        (Resources(cpu="1", memory="1Gi", gpus=8), False),
        (Resources(cpu="1", memory="1Gi", nodes=2), True),
        (Resources(cpu="1", memory="1Gi", spot=True), True),
    ],
)
def test_only_several_hosts_or_passing_ones_take_a_job(tmp_path: Path, resources: Resources, launched: bool) -> None:
    assert resources.launched is launched
    spec, _ = documents(compiled_with(tmp_path, resources))
    assert ("launch" in spec["root"]["dag"]["tasks"]) is launched


def test_without_a_queue_there_is_no_label(tmp_path: Path) -> None:
    _, placed = documents(compiled_with(tmp_path, Resources(cpu="1", memory="1Gi", queue="")))
    assert "podMetadata" not in placed["exec-train"]


def test_no_secret_is_written_into_a_compiled_pipeline() -> None:
    for path in COMPILED.glob("*.yaml"):
        executors = documents(path)[0]["deploymentSpec"]["executors"].values()
        assert not any("env" in executor["container"] for executor in executors)
        assert not re.search(r"hostPath|BEGIN [A-Z ]*PRIVATE KEY", path.read_text())
