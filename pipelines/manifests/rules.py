"""What the objects of an overlay must hold beside their schema: pods, secrets, rights, the network, servers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pipelines import RUNNER
from pipelines.manifests import schema
from pipelines.manifests.build import Object, title
from pipelines.pods import faults, pods, reveals

ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_MUTATING_PODS: Final = {"pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers"}


def every_fault(objects: Sequence[Object]) -> list[str]:
    """Return one sentence for each thing that is wrong with an overlay's objects, the references aside.

    The rules want to know where a field is, so an object of the wrong form is all that is told of.
    """
    if misshapen := [f"{title(item)}: {text}" for item in objects for text in schema.faults(item)]:
        return misshapen
    found = [*_isolation(objects), *_disruption(objects)]
    for item in objects:
        name = title(item)
        found += [f"{name}: {text}" for text in _object(item)]
        for where, spec in pods(item, name):
            found += faults(spec, where=where)
    return found


def _object(item: Object) -> Iterator[str]:
    rule = _RULES.get(str(item.get("kind")))
    return rule(item) if rule else iter(())


def _secret(_: Object) -> Iterator[str]:
    yield "a secret's value lies in the manifests; refer to one"


def _binding(item: Object) -> Iterator[str]:
    if item["kind"] != "RoleBinding" or item["roleRef"]["kind"] != "Role":
        yield "gives rights beyond its namespace; bind a Role"


def _account(item: Object) -> Iterator[str]:
    if item.get("automountServiceAccountToken") is not (item["metadata"]["name"] == RUNNER):
        yield f"mounts its token unless it says no; only {RUNNER} needs one"


def _namespace(item: Object) -> Iterator[str]:
    if item["metadata"].get("labels", {}).get(ENFORCE) != "restricted":
        yield f"does not enforce the restricted profile; label it {ENFORCE}: restricted"


def _service(item: Object) -> Iterator[str]:
    if item["spec"].get("type", "ClusterIP") != "ClusterIP":
        yield "is open to outside of the cluster; leave out its type"


def _priority(item: Object) -> Iterator[str]:
    if item["value"] <= 0 and item.get("preemptionPolicy") != "Never":
        yield "work that can wait preempts others; say preemptionPolicy: Never"


def _server(item: Object) -> Iterator[str]:
    for container in item["spec"]["template"]["spec"]["containers"]:
        for probe in ("readinessProbe", "livenessProbe"):
            if probe not in container:
                yield f"container {container['name']}: no {probe}"


def _settings(item: Object) -> Iterator[str]:
    for name, value in item.get("data", {}).items():
        if reveals(name, value):
            yield f"{name} holds a secret's value; put it into a Secret"


def _rights(item: Object) -> Iterator[str]:
    if item["kind"] == "ClusterRole":
        yield "gives rights in every namespace; write a Role"
    for rule in item["rules"]:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        if "*" in words:
            yield "gives every right (*); name what is needed"
        if "secrets" in rule["resources"] and not rule.get("resourceNames"):
            yield "may read every Secret; name them"
        if words & _MUTATING_PODS:
            yield f"may enter pods ({', '.join(sorted(words & _MUTATING_PODS))})"


def _openings(item: Object) -> Iterator[str]:
    spec = item["spec"]
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction, []):
            if not rule.get(peers):
                yield f"{direction} is open to everybody; say {peers}"
            for peer in rule.get(peers, []):
                if peer.get("namespaceSelector") == {}:
                    yield f"{direction} is open to every namespace; select one"
                block = peer.get("ipBlock", {})
                if block.get("cidr") == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", []):
                    yield f"{direction} reaches the nodes' metadata service; except 169.254.0.0/16"


_RULES: Final[dict[str, Callable[[Object], Iterator[str]]]] = {
    "Secret": _secret,
    "ConfigMap": _settings,
    "Role": _rights,
    "ClusterRole": _rights,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "ServiceAccount": _account,
    "Namespace": _namespace,
    "Service": _service,
    "NetworkPolicy": _openings,
    "PriorityClass": _priority,
    "Deployment": _server,
    "StatefulSet": _server,
}


def _isolation(objects: Sequence[Object]) -> Iterator[str]:
    """Yield what a namespace of ours lacks: a wall, a quota, limits."""
    if not any(item.get("kind") == "Namespace" for item in objects):
        return
    wall: Object = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(item.get("kind") == "NetworkPolicy" and item.get("spec") == wall for item in objects):
        yield "the namespace has no NetworkPolicy that denies by default"
    for kind in ("ResourceQuota", "LimitRange"):
        if not any(item.get("kind") == kind for item in objects):
            yield f"the namespace has no {kind}"


def _disruption(objects: Sequence[Object]) -> Iterator[str]:
    """Yield the servers of several replicas whose nodes may all be drained at once, or of which none may ever be."""
    budgets: list[dict[str, Any]] = [item["spec"] for item in objects if item.get("kind") == "PodDisruptionBudget"]
    for item in objects:
        if item.get("kind") != "Deployment":
            continue
        labels, replicas = item["spec"]["template"]["metadata"]["labels"], item["spec"].get("replicas", 1)
        own = [budget for budget in budgets if budget["selector"]["matchLabels"].items() <= labels.items()]
        if replicas > 1 and not own:
            yield f"{title(item)}: {replicas} replicas without a PodDisruptionBudget"
        if any(budget["minAvailable"] >= replicas for budget in own):
            yield f"{title(item)}: its PodDisruptionBudget lets no node be drained"
