"""What a pod of ours must hold: Kubernetes' restricted profile, limits, fixed images, and secrets by reference only.

Source: the Pod Security Standards, profile ``restricted``. What goes beyond it is our own: a user of the images' range,
a read-only root, sizes on scratch volumes, no token where none is needed.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, cast

from components.core.family import GPU_TYPE
from components.wiring import POOL_LABEL

Spec = dict[str, Any]

VOLUMES: Final = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
"""Kinds of volume that the profile allows; ``hostPath`` is none of them."""
LOWEST_USER: Final = 10_000
"""Below it lie users that a node may have itself."""
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|(^|_)KEY(_|$)")
_SECRET_VALUE = re.compile(r"://[^/\s:@]+:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def pods(item: Any, where: str) -> Iterator[tuple[str, Spec]]:
    """Yield every pod spec inside an object of any kind, custom ones too, and where it was found."""
    if isinstance(item, dict):
        found = cast("Spec", item)
        if isinstance(found.get("containers"), list):
            yield where, found
            return
        for value in found.values():
            yield from pods(value, where)
    elif isinstance(item, list):
        for value in cast("list[Any]", item):
            yield from pods(value, where)


def faults(spec: Spec, *, where: str) -> list[str]:
    """Return one sentence for each rule that a pod breaks."""
    found = [*_pod(spec), *_placement(spec)]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            found += [f"container {container.get('name')}: {text}" for text in _container(container, spec)]
    return [f"{where}: {text}" for text in found]


def unfixed(image: str) -> bool:
    """Whether an image may be another one tomorrow: without a digest and a tag, or of the tag ``latest``."""
    if "@" in image:
        return not _DIGEST.search(image)
    name = image.rpartition("/")[2]
    return ":" not in name or name.endswith((":", ":latest"))


def reveals(name: str, value: str) -> bool:
    """Whether a setting carries a secret: credentials in an address, a key, or anything under a secret's name.

    The path of a mounted file is none.
    """
    secret = _SECRET_NAME.search(name.upper().replace("-", "_")) is not None
    return bool(_SECRET_VALUE.search(value)) or (secret and value != "" and not value.startswith("/"))


def literal_secrets(container: Spec) -> Iterator[str]:
    """Yield a sentence for each environment variable, or word of the command, that carries a secret's value."""
    for variable in container.get("env", []):
        if reveals(variable["name"], str(variable.get("value", ""))):
            yield f"{variable['name']} holds a secret's value; refer to a Secret"
    words = [str(word) for word in [*container.get("command", []), *container.get("args", [])]]
    for word in words:
        name, _, value = word.partition("=")
        if reveals("", word) or (name.startswith("--") and "$(" not in value and reveals(name.strip("-"), value)):
            yield f"the command holds a secret's value ({name}); refer to a Secret"


def _pod(spec: Spec) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field}; a pod must not share the node's"
    if spec.get("automountServiceAccountToken") is not False:
        yield "mounts a service account's token; say automountServiceAccountToken: false"
    if spec.get("serviceAccountName", "default") == "default":
        yield "runs as the default service account; name one"
    if spec.get("securityContext", {}).get("sysctls"):
        yield "sets sysctls"
    for volume in spec.get("volumes", []):
        kinds = volume.keys() - {"name"}
        if forbidden := sorted(kinds - VOLUMES):
            yield f"volume {volume.get('name')}: {', '.join(forbidden)}; the restricted profile forbids it"
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or ()):
            yield f"volume {volume.get('name')}: no sizeLimit; it could fill the node"


def _placement(spec: Spec) -> Iterator[str]:
    limits = [item.get("resources", {}).get("limits", {}) for item in spec["containers"]]
    asks = any(GPU_TYPE in limit for limit in limits)
    selects = POOL_LABEL in spec.get("nodeSelector", {})
    tolerates = any(item.get("key") == GPU_TYPE for item in spec.get("tolerations", []))
    if asks and not selects:
        yield f"asks for a GPU but selects no pool ({POOL_LABEL})"
    if (asks or selects) and not tolerates:
        yield f"goes to the GPU pool but does not tolerate its taint ({GPU_TYPE})"


def _container(container: Spec, pod: Spec) -> Iterator[str]:
    above: Spec = pod.get("securityContext", {})
    own: Spec = container.get("securityContext", {})
    yield from _privileges(own)
    if not own.get("runAsNonRoot", above.get("runAsNonRoot")):
        yield "may run as root; say runAsNonRoot: true"
    if own.get("runAsUser", above.get("runAsUser", 0)) < LOWEST_USER:
        yield f"runs as no user above {LOWEST_USER}; say runAsUser"
    profile = own.get("seccompProfile", above.get("seccompProfile", {}))
    if profile.get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccomp profile; say RuntimeDefault"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "takes a port of the node"
    resources: Spec = container.get("resources", {})
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            if resource not in resources.get(kind, {}):
                yield f"no {kind} of {resource}"
    if unfixed(image := str(container.get("image", ""))):
        yield f"image {image!r} has no fixed version; give a tag or a digest"
    yield from literal_secrets(container)


def _privileges(own: Spec) -> Iterator[str]:
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges; say allowPrivilegeEscalation: false"
    if not own.get("readOnlyRootFilesystem"):
        yield "may write to its root; say readOnlyRootFilesystem: true"
    if own.get("procMount", "Default") != "Default":
        yield "sees the node's /proc"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "keeps capabilities; drop ALL"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"adds capabilities {capabilities['add']}"
