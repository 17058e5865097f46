"""One change for each rule of the manifests, and what the check must say of it."""

from collections.abc import Callable
from typing import Any

from pipelines.manifests.build import Object

Change = Callable[[Any], Any]


def find(objects: list[Object], title: str) -> Object:
    kind, _, name = title.partition("/")
    return next(item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name)


def pod(item: Object) -> Any:
    if item["kind"] == "TrainingRuntime":
        item = item["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]
    return item["spec"]["template"]["spec"]


def container(item: Object) -> Any:
    return pod(item)["containers"][0]


MLFLOW, RUNTIME, QUEUE = "Deployment/qf-mlflow", "TrainingRuntime/quantfoundry-torch", "ClusterQueue/quantfoundry"
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
    "unknown field of a custom kind": (QUEUE, lambda d: d["spec"].update(cohortt="x"), "cohortt"),
    "unknown field in a runtime's pod": (RUNTIME, lambda d: pod(d).update(hostnam="x"), "hostnam"),
    "misspelt kind": (
        "PodDisruptionBudget/qf-mlflow",
        lambda d: d.update(kind="PodDisruptionBudge"),
        "unknown kind policy/v1 PodDisruptionBudge",
    ),
    "misspelt custom kind": (QUEUE, lambda d: d.update(kind="ClusterQueu"), "unknown kind kueue.x-k8s.io/v1beta2"),
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
    "queue preempts": (QUEUE, lambda d: d["spec"]["preemption"].update(withinClusterQueue="LowerPriority"), "Never"),
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
        QUEUE,
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
