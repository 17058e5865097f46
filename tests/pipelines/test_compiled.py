"""The compiled pipelines: reproducible to the byte, portable, placed."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.family import GPU_TYPE
from components.wiring import POOL_LABEL
from pipelines import COMPILED
from pipelines.lint import hazards

Documents = list[dict[str, Any]]


def load(name: str = "price-action") -> Documents:
    return list(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text()))


def test_the_committed_files_are_fresh_whatever_the_hash_seed(top: Path) -> None:
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
        command = [sys.executable, "-m", "cli", "compile", "--check"]
        result = subprocess.run(
            command, cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_stale_file_is_printed_and_exits_1(top: Path, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, pipelines, pipelines.compile as c, cli.compile as k\n"
        "c.COMPILED = k.COMPILED = pathlib.Path(sys.argv[1])\nk.compile.main(['--check'])"
    )
    text = (COMPILED / "price-action.yaml").read_text()
    (tmp_path / "price-action.yaml").write_text(text.replace("ingest", "ingset", 1))
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=top,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 1
    assert "-" in result.stdout
    assert "ingset" in result.stdout
    assert "run 'qf compile'" in result.stderr


def test_the_shipped_pipelines_are_portable() -> None:
    for path in COMPILED.glob("*.yaml"):
        assert hazards(path) == []


def test_training_asks_for_a_gpu_with_type_limit_selector_and_toleration() -> None:
    spec, platform = load()
    container = spec["deploymentSpec"]["executors"]["exec-train"]["container"]
    assert container["resources"]["accelerator"]["resourceType"] == GPU_TYPE
    assert container["resources"]["accelerator"]["resourceCount"] == "1"
    placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert placed["nodeSelector"]["labels"] == {POOL_LABEL: "gpu"}
    assert placed["tolerations"] == [{"effect": "NoSchedule", "key": GPU_TYPE, "operator": "Exists"}]
    assert placed["securityContext"] == {"runAsGroup": "10001", "runAsNonRoot": True, "runAsUser": "10001"}


def _executor(documents: Documents, name: str = "exec-train") -> dict[str, Any]:
    return documents[0]["deploymentSpec"]["executors"][name]["container"]


def _placed(documents: Documents, name: str = "exec-train") -> dict[str, Any]:
    return documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"][name]


def _task(documents: Documents) -> dict[str, Any]:
    return documents[0]["root"]["dag"]["tasks"]["promote"]


PLANTS: dict[str, tuple[Callable[[Documents], Any], str]] = {
    "condition": (lambda d: _task(d).update(triggerPolicy={"condition": "x"}), "condition"),
    "exit handler": (
        lambda d: _task(d).update(triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}),
        "exit handler",
    ),
    "loop": (lambda d: _task(d).update(parameterIterator={}), "loop"),
    "retry": (lambda d: _task(d).update(retryPolicy={}), "retry"),
    "cache": (lambda d: _task(d).update(cachingOptions={"enableCache": True}), "cached"),
    "runtime pip": (
        lambda d: _executor(d).update(command=["sh", "-c", "pip install x; kfp.dsl.executor_main"]),
        "installs",
    ),
    "container": (lambda d: _executor(d).update(command=["sh"], args=[]), "container component"),
    "latest": (lambda d: _executor(d).update(image="a/python-gpu:latest"), "no fixed version"),
    "no tag": (lambda d: _executor(d).update(image="a/python-gpu"), "no fixed version"),
    "GPU type": (lambda d: _executor(d)["resources"]["accelerator"].pop("resourceType"), "GPU limit without its type"),
    "GPU gone": (lambda d: _executor(d)["resources"].pop("accelerator"), "asks for no GPU"),
    "selector": (lambda d: _placed(d).pop("nodeSelector"), "selects no pool"),
    "toleration": (lambda d: _placed(d).pop("tolerations"), "does not tolerate"),
    "shared memory": (lambda d: _placed(d).pop("emptyDirMounts"), "no memory at /dev/shm"),
    "root": (lambda d: _placed(d).pop("securityContext"), "may run as root"),
    "user 0": (lambda d: _placed(d)["securityContext"].update(runAsUser="0"), "may run as root"),
    "secret": (
        lambda d: _executor(d).update(env=[{"name": "API_TOKEN", "value": "abc"}]),
        "API_TOKEN holds a secret's value",
    ),
    "hostPath": (lambda d: _placed(d).update(hostPathMounts=[{"path": "/"}]), "hostPathMounts; not one of the things"),
    "unbounded memory": (lambda d: _placed(d)["emptyDirMounts"][0].pop("sizeLimit"), "volume shm has no sizeLimit"),
    "workspace": (lambda d: _placed(d).pop("pvcMount"), "mounts no claim"),
    "another claim": (
        lambda d: _placed(d)["pvcMount"].append({"constant": "theirs", "mountPath": "/x"}),
        "('theirs', '/x')",
    ),
    "key to sign with": (
        lambda d: _placed(d).update(secretAsVolume=[{"secretName": "qf-signing-key", "mountPath": "/k"}]),
        "is given the Secret qf-signing-key, which is not for train",
    ),
    "unknown secret": (
        lambda d: _placed(d).update(secretAsEnv=[{"secretName": "other", "keyToEnv": []}]),
        "is given the Secret other",
    ),
    "no key to sign with": (lambda d: _placed(d, "exec-validate").pop("secretAsVolume"), "no key to sign with"),
    "timeout": (lambda d: _placed(d).pop("activeDeadlineSeconds"), "no timeout"),
    "memory": (lambda d: _executor(d)["resources"].pop("resourceMemoryLimit"), "no resourceMemoryLimit"),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_every_planted_hazard_is_found(tmp_path: Path, plant: tuple[Callable[[Documents], Any], str]) -> None:
    change, named = plant
    documents = copy.deepcopy(load())
    change(documents)
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    found = hazards(path)
    assert len(found) >= 1
    assert named in " ".join(found)
