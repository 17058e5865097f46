"""Every overlay builds and keeps the rules; each rule is seen to fail when it is broken on purpose."""

import copy
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import ArtifactError
from pipelines.manifests import FOLDER, OVERLAYS
from pipelines.manifests.build import Object, build, jobs
from pipelines.manifests.check import overlay_faults
from pipelines.manifests.references import Reference, of_pipelines

Change = Callable[[Any], Any]


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


def find(objects: list[Object], title: str) -> Object:
    kind, _, name = title.partition("/")
    return next(item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name)


def pod(item: Object) -> Any:
    if item["kind"] == "TrainingRuntime":
        item = item["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]
    return item["spec"]["template"]["spec"]


def container(item: Object) -> Any:
    return pod(item)["containers"][0]


def test_every_overlay_is_listed_and_nothing_else_lies_there() -> None:
    assert {path.name for path in (FOLDER / "overlays").iterdir()} == set(OVERLAYS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_builds_and_keeps_every_rule(overlay: str) -> None:
    assert faults_of(built(overlay), pipelines()) == ""


def test_the_command_says_how_much_it_checked(top: Path) -> None:
    command = [sys.executable, "-m", "pipelines.manifests"]
    result = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    total = sum(len(built(overlay)) for overlay in OVERLAYS)
    assert result.stdout == f"6 overlays of {total} objects, and 3 jobs, keep every rule\n"


def test_a_folder_that_does_not_build_is_named(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [nowhere.yaml]\n")
    with pytest.raises(ArtifactError, match=r"does not build .*nowhere\.yaml"):
        build(tmp_path)


MLFLOW, RUNTIME, UPGRADE = "Deployment/qf-mlflow", "TrainingRuntime/quantfoundry-torch", "ClusterQueue/quantfoundry"
POLICY = "NetworkPolicy/steps"

BREACHES: dict[str, tuple[str, Change, str]] = {
    # secrets
    "secret in ENV": (
        MLFLOW,
        lambda d: container(d)["env"].append({"name": "DB_PASSWORD", "value": "hunter2"}),
        "DB_PASSWORD holds a secret's value",
    ),
    "secret in ENV of a runtime": (
        RUNTIME,
        lambda d: container(d)["env"].append({"name": "API_TOKEN", "value": "abc"}),
        "API_TOKEN holds a secret's value",
    ),
    "credentials in an address": (
        MLFLOW,
        lambda d: container(d)["env"].append({"name": "STORE", "value": "postgresql://me:pw@host/db"}),
        "STORE holds a secret's value",
    ),
    "password on the command line": (
        MLFLOW,
        lambda d: container(d)["command"].append("--admin-password=hunter2"),
        "the command holds a secret's value (--admin-password)",
    ),
    "secret in a ConfigMap": (
        "ConfigMap/qf-settings",
        lambda d: d["data"].update({"vendor-token": "abc"}),
        "vendor-token holds a secret's value",
    ),
    "Secret with its value": ("ConfigMap/qf-settings", lambda d: d.update(kind="Secret"), "lies in the manifests"),
    # images
    "latest": (MLFLOW, lambda d: container(d).update(image="a/b:latest"), "'a/b:latest' has no fixed version"),
    "no tag": (RUNTIME, lambda d: container(d).update(image="host:5000/b"), "has no fixed version"),
    "half a digest": (MLFLOW, lambda d: container(d).update(image="a/b@sha256:12"), "has no fixed version"),
    # the restricted profile
    "hostPath": (
        MLFLOW,
        lambda d: pod(d)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "volume node: hostPath",
    ),
    "hostPath in a runtime": (
        RUNTIME,
        lambda d: pod(d)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "volume node: hostPath",
    ),
    "host network": (MLFLOW, lambda d: pod(d).update(hostNetwork=True), "hostNetwork"),
    "host process ids": (RUNTIME, lambda d: pod(d).update(hostPID=True), "hostPID"),
    "host port": (MLFLOW, lambda d: container(d)["ports"][0].update(hostPort=5000), "takes a port of the node"),
    "root by the pod": (MLFLOW, lambda d: pod(d)["securityContext"].update(runAsNonRoot=False), "may run as root"),
    "root by the container": (
        MLFLOW,
        lambda d: container(d)["securityContext"].update(runAsNonRoot=False),
        "may run as root",
    ),
    "user 0": (RUNTIME, lambda d: container(d)["securityContext"].update(runAsUser=0), "no user above 10000"),
    "user of the node": (MLFLOW, lambda d: pod(d)["securityContext"].update(runAsUser=1000), "no user above 10000"),
    "seccomp": (MLFLOW, lambda d: pod(d)["securityContext"].pop("seccompProfile"), "no seccomp profile"),
    "seccomp off": (
        MLFLOW,
        lambda d: container(d)["securityContext"].update(seccompProfile={"type": "Unconfined"}),
        "no seccomp profile",
    ),
    "escalation": (
        MLFLOW,
        lambda d: container(d)["securityContext"].pop("allowPrivilegeEscalation"),
        "may gain privileges",
    ),
    "capabilities": (RUNTIME, lambda d: container(d)["securityContext"].pop("capabilities"), "drop ALL"),
    "more capabilities": (
        MLFLOW,
        lambda d: container(d)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
        "adds capabilities",
    ),
    "privileged": (MLFLOW, lambda d: container(d)["securityContext"].update(privileged=True), ": privileged"),
    "unmasked /proc": (MLFLOW, lambda d: container(d)["securityContext"].update(procMount="Unmasked"), "/proc"),
    "sysctls": (
        MLFLOW,
        lambda d: pod(d)["securityContext"].update(sysctls=[{"name": "kernel.shm_rmid_forced", "value": "1"}]),
        "sysctls",
    ),
    "writable root": (
        MLFLOW,
        lambda d: container(d)["securityContext"].update(readOnlyRootFilesystem=False),
        "may write to its root",
    ),
    "an init container is no exception": (
        MLFLOW,
        lambda d: pod(d).update(initContainers=[{"name": "first", "image": "a/b:1"}]),
        "container first: keeps capabilities",
    ),
    # limits
    "no memory limit": (MLFLOW, lambda d: container(d)["resources"]["limits"].pop("memory"), "no limits of memory"),
    "no CPU request": (RUNTIME, lambda d: container(d)["resources"]["requests"].pop("cpu"), "no requests of cpu"),
    "unbounded scratch": (MLFLOW, lambda d: pod(d)["volumes"][0].update(emptyDir={}), "no sizeLimit"),
    "unbounded shared memory": (
        RUNTIME,
        lambda d: pod(d)["volumes"][1].update(emptyDir={"medium": "Memory"}),
        "volume shm: no sizeLimit",
    ),
    # identities and rights
    "token": (MLFLOW, lambda d: pod(d).pop("automountServiceAccountToken"), "mounts a service account's token"),
    "default account": (MLFLOW, lambda d: pod(d).pop("serviceAccountName"), "runs as the default service account"),
    "account with a token": (
        "ServiceAccount/qf-trainer",
        lambda d: d.pop("automountServiceAccountToken"),
        "only qf-runner needs one",
    ),
    "every right": ("Role/qf-runner", lambda d: d["rules"][0].update(verbs=["*"]), "gives every right"),
    "every Secret": ("Role/qf-runner", lambda d: d["rules"][-1].pop("resourceNames"), "may read every Secret"),
    "into pods": (
        "Role/qf-runner",
        lambda d: d["rules"][1]["resources"].append("pods/exec"),
        "may enter pods (pods/exec)",
    ),
    "rights everywhere": (
        "RoleBinding/qf-runner",
        lambda d: d["roleRef"].update(kind="ClusterRole"),
        "gives rights beyond its namespace",
    ),
    # schemas
    "unknown field": (MLFLOW, lambda d: pod(d).update(restartPolice="Always"), "restartPolice"),
    "unknown field of a custom kind": (UPGRADE, lambda d: d["spec"].update(cohortt="x"), "cohortt"),
    "unknown field in a runtime's pod": (RUNTIME, lambda d: pod(d).update(hostnam="x"), "hostnam"),
    "misspelt kind": (
        "PodDisruptionBudget/qf-mlflow",
        lambda d: d.update(kind="PodDisruptionBudge"),
        "unknown kind policy/v1 PodDisruptionBudge",
    ),
    "misspelt custom kind": (UPGRADE, lambda d: d.update(kind="ClusterQueu"), "unknown kind kueue.x-k8s.io/v1beta2"),
    "group of another": (MLFLOW, lambda d: d.update(apiVersion="apps.example.com/v1"), "apps.example.com/v1"),
    "wrong type": (MLFLOW, lambda d: d["spec"].update(replicas="two"), "spec.replicas"),
    # placement and queues
    "missing toleration": (RUNTIME, lambda d: pod(d).pop("tolerations"), "does not tolerate its taint"),
    "missing selector": (
        MLFLOW,
        lambda d: container(d)["resources"]["limits"].update({"nvidia.com/gpu": "1"}),
        "selects no pool",
    ),
    "weekly work preempts": (
        "PriorityClass/quantfoundry-weekly",
        lambda d: d.update(preemptionPolicy="PreemptLowerPriority"),
        "say preemptionPolicy: Never",
    ),
    "queue preempts": (UPGRADE, lambda d: d["spec"]["preemption"].update(withinClusterQueue="LowerPriority"), "Never"),
    # the namespace and the network
    "profile not enforced": (
        "Namespace/quantfoundry",
        lambda d: d["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce"),
        "does not enforce the restricted profile",
    ),
    "no wall": ("NetworkPolicy/default-deny", lambda d: d["spec"].update(policyTypes=["Ingress"]), "denies by default"),
    "open to everybody": (POLICY, lambda d: d["spec"]["egress"][0].pop("to"), "egress is open to everybody"),
    "open to every namespace": (
        POLICY,
        lambda d: d["spec"]["egress"][0].update(to=[{"namespaceSelector": {}}]),
        "open to every namespace",
    ),
    "metadata service": (
        POLICY,
        lambda d: d["spec"]["egress"][2]["to"][0]["ipBlock"].pop("except"),
        "reaches the nodes' metadata service",
    ),
    "open to outside": ("Service/qf-mlflow", lambda d: d["spec"].update(type="LoadBalancer"), "open to outside"),
    # servers
    "no probe": (MLFLOW, lambda d: container(d).pop("readinessProbe"), "no readinessProbe"),
    "no budget": (
        "PodDisruptionBudget/qf-mlflow",
        lambda d: d["spec"]["selector"]["matchLabels"].update({"app.kubernetes.io/name": "x"}),
        "2 replicas without a PodDisruptionBudget",
    ),
    "budget that stops a drain": (
        "PodDisruptionBudget/qf-mlflow",
        lambda d: d["spec"].update(minAvailable=2),
        "lets no node be drained",
    ),
    # references
    "Secret that nobody gives": (
        MLFLOW,
        lambda d: pod(d)["volumes"][1]["secret"].update(secretName="qf-mlflow-serve"),
        "names Secret qf-mlflow-serve, which is not there",
    ),
    "key that a Secret has not": (
        MLFLOW,
        lambda d: container(d)["env"][6]["valueFrom"]["secretKeyRef"].update(key="backend_uri"),
        "names key backend_uri of Secret qf-mlflow-server",
    ),
    "claim": (
        RUNTIME,
        lambda d: pod(d)["volumes"][0]["persistentVolumeClaim"].update(claimName="qf-work"),
        "names PersistentVolumeClaim qf-work",
    ),
    "priority": (RUNTIME, lambda d: pod(d).update(priorityClassName="high"), "names PriorityClass high"),
    "flavor": (
        UPGRADE,
        lambda d: d["spec"]["resourceGroups"][0]["flavors"][0].update(name="gpu"),
        "names ResourceFlavor gpu",
    ),
    "queue": ("LocalQueue/quantfoundry", lambda d: d["spec"].update(clusterQueue="x"), "names ClusterQueue x"),
    "Secret without its vault": (
        "ExternalSecret/qf-feast",
        lambda d: d["spec"]["target"].update(name="qf-feats"),
        "Secret qf-feast: no ExternalSecret brings it",
    ),
}


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
