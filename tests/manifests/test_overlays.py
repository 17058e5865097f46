"""Every overlay builds and keeps the rules; each rule is seen to fail when it is broken on purpose."""

import copy
import importlib.metadata
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from breaches import BREACHES, Change, container, find

from components.core.errors import ArtifactError
from components.core.family import GPU_TYPE
from components.wiring import POOL_LABEL
from pipelines.manifests import FOLDER, OVERLAYS
from pipelines.manifests.build import Object, build, jobs
from pipelines.manifests.check import overlay_faults
from pipelines.manifests.references import Reference, of_pipelines
from pipelines.pods import pods


@cache
def built(overlay: str) -> list[Object]:
    return build(FOLDER / "overlays" / overlay)


@cache
def beside() -> list[Object]:
    return jobs()


@cache
def pipelines() -> list[Reference]:
    return of_pipelines()


def faults_of(objects: list[Object], tasks: list[Reference] | None = None) -> str:
    return "\n".join(overlay_faults(objects, beside(), tasks or []))


def test_every_overlay_is_listed_and_nothing_else_lies_there() -> None:
    assert {path.name for path in (FOLDER / "overlays").iterdir()} == set(OVERLAYS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_builds_and_keeps_every_rule(overlay: str) -> None:
    assert faults_of(built(overlay), pipelines()) == ""


def test_the_command_says_how_much_it_checked(top: Path) -> None:
    command = [sys.executable, "-m", "pipelines.manifests"]
    result = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    total = sum(len(built(overlay)) for overlay in OVERLAYS)
    assert result.stdout == f"6 overlays of {total} objects, and 3 jobs, keep every rule\n"


def test_a_folder_that_does_not_build_is_named(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [nowhere.yaml]\n")
    with pytest.raises(ArtifactError, match=r"does not build .*nowhere\.yaml"):
        build(tmp_path)


def named(overlay: str, kind: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in built(overlay) if item["kind"] == kind}


def test_the_nodes_that_karpenter_makes_are_those_that_tasks_and_flavors_select() -> None:
    flavors = named("eks", "ResourceFlavor")
    for name, pool in named("eks", "NodePool").items():
        template = pool["spec"]["template"]
        assert template["metadata"]["labels"] == flavors[name]["spec"]["nodeLabels"]
        assert template["metadata"]["labels"][POOL_LABEL] == "gpu"
        assert [taint["key"] for taint in template["spec"]["taints"]] == [GPU_TYPE]
    assert named("eks", "NodePool").keys() == {"quantfoundry-gpu", "quantfoundry-gpu-spot"}


@pytest.mark.parametrize(
    ("overlay", "taint"),
    [("gke", "cloud.google.com/gke-spot"), ("aks", "kubernetes.azure.com/scalesetpriority"), ("eks", None)],
)
def test_only_the_spot_flavor_tolerates_what_a_provider_taints_its_spot_nodes_with(
    overlay: str, taint: str | None
) -> None:
    flavors = {name: item["spec"].get("tolerations", []) for name, item in named(overlay, "ResourceFlavor").items()}
    keys = {name: [each["key"] for each in tolerations] for name, tolerations in flavors.items()}
    assert keys == {
        "quantfoundry-any": [],
        "quantfoundry-gpu": [GPU_TYPE],
        "quantfoundry-gpu-spot": [GPU_TYPE, *([taint] if taint else [])],
    }


def test_bare_metal_has_no_spot_queue() -> None:
    assert named("bare-metal", "LocalQueue").keys() == {"quantfoundry"}
    assert named("gke", "LocalQueue").keys() == {"quantfoundry", "quantfoundry-spot"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_image_of_ours_is_one_that_is_built(overlay: str, top: Path) -> None:
    every = {
        container["image"]
        for item in [*built(overlay), *beside()]
        for _, spec in pods(item, "")
        for container in spec["containers"]
    }
    ours = {image.removeprefix("quantfoundry/") for image in every if image.startswith("quantfoundry/")}
    assert {name.partition(":")[0] for name in ours} >= {"python-cpu", "python-mlflow"}
    assert [name for name in ours if not (top / "images" / name.partition(":")[0] / "Dockerfile").is_file()] == []
    assert {name.partition(":")[2] for name in ours} == {importlib.metadata.version("quantfoundry")}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES.keys())
def test_each_breach_turns_the_check_red(breach: tuple[str, Change, str]) -> None:
    title, change, said = breach
    objects = copy.deepcopy(built("production"))
    change(find(objects, title))
    assert said in faults_of(objects)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("NetworkPolicy/default-deny", "no NetworkPolicy that denies by default"),
        ("ResourceQuota/quantfoundry", "no ResourceQuota"),
        ("LimitRange/quantfoundry", "no LimitRange"),
        ("PodDisruptionBudget/qf-mlflow", "2 replicas without a PodDisruptionBudget"),
        ("ServiceAccount/qf-trainer", "names ServiceAccount qf-trainer, which is not there"),
        ("ConfigMap/qf-settings", "names ConfigMap qf-settings, which is not there"),
    ],
)
def test_what_is_left_out_is_missed(title: str, said: str) -> None:
    objects = built("production")
    assert said in faults_of([item for item in objects if item is not find(objects, title)])


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap", "PersistentVolumeClaim", "LocalQueue"])
def test_what_a_task_of_a_pipeline_names_must_be_there(kind: str) -> None:
    wanted = [Reference("price-action.yaml: exec-train", kind, "nowhere")]
    assert f"price-action.yaml: exec-train: names {kind} nowhere, which is not there" in faults_of(
        built("production"), wanted
    )


@pytest.mark.parametrize("job", ["qf-mlflow-upgrade", "qf-workspace-check", "qf-shell"])
def test_a_job_is_held_to_the_same_rules(job: str) -> None:
    changed = copy.deepcopy(beside())
    container(find(changed, f"Job/{job}"))["securityContext"]["privileged"] = True
    assert f"Job/{job}: container" in "\n".join(overlay_faults(built("production"), changed, []))
