"""The only door to Kubeflow besides ``component.py`` and ``pipelines/``: make a step, place a task.

A step is a lightweight component over the installed package: nothing is installed at run time,
and the function's body only calls into the folder it lies in.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kfp import dsl, kubernetes

from components.core.family import GPU_TYPE, QUEUE_LABEL, Resources
from components.core.workspace import JOB_NAMESPACE, SIGNING_KEY, TRACKING_URI, TUNE_STORAGE, VERIFY_KEY

CPU = "quantfoundry/python-cpu:0.1.0"
JUDGE = "quantfoundry/python-judge:0.1.0"
GPU = "quantfoundry/python-gpu:0.1.0"
TOTO = "quantfoundry/python-toto:0.1.0"

POOL_LABEL = "quantfoundry/pool"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the mount point that torch's loaders use
USER = 10001
"""The unprivileged user of every image; the restricted profile wants it on each task."""

WORKSPACE = "/qf"
"""Where the artifact root is mounted; the default of every pipeline's parameter ``root``."""
CLAIM = "qf-workspace"
"""The volume claim behind it, which the pods of all steps and of all training jobs share."""
SETTINGS = "qf-settings"
"""The ConfigMap that says where mounted keys and servers are."""
MOUNTS = "/etc/quantfoundry"

SMALL = Resources(cpu="1", memory="4Gi", timeout_s=3600, queue="")
"""What a step asks for that trains nothing; it waits in no queue."""
CLEAN_UP_S = 900
"""How long the supervisor of a training job may take, besides the job, to copy files and to cancel."""


def step(*, image: str) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that makes a function a Kubeflow component of ``image``."""

    def make(function: Callable[..., Any]) -> Any:
        return dsl.component(function, base_image=image, install_kfp_package=False)

    return make


def place(task: dsl.PipelineTask, resources: Resources, *, cached: bool) -> dsl.PipelineTask:
    """Give ``task`` its share of the cluster, its queue, its node pool, its security context and the workspace.

    A GPU is asked for by type and limit, its pool by selector and toleration: the backend adds
    none of them for another. ``cached=False`` marks a task with side effects. The local runner reads
    no more of this than limits and caching.
    """
    task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
    task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    task.set_caching_options(enable_caching=cached)
    kubernetes.set_timeout(task, resources.timeout_s)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    kubernetes.mount_pvc(task, pvc_name=CLAIM, mount_path=WORKSPACE)
    if resources.queue:
        kubernetes.add_pod_label(task, QUEUE_LABEL, resources.queue)
    if resources.gpus:
        task.set_accelerator_type(GPU_TYPE).set_accelerator_limit(resources.gpus)
        kubernetes.add_node_selector(task, POOL_LABEL, "gpu")
        kubernetes.add_toleration(task, key=GPU_TYPE, operator="Exists", effect="NoSchedule")
        kubernetes.empty_dir_mount(
            task, volume_name="shm", mount_path=SHARED_MEMORY, medium="Memory", size_limit=resources.shared_memory
        )
    return task


def place_supervisor(task: dsl.PipelineTask, training: Resources) -> dsl.PipelineTask:
    """Place the small step that starts a job of ``training``, follows it and outlives it."""
    own = replace(SMALL, cpu="500m", memory="1Gi", timeout_s=training.timeout_s + CLEAN_UP_S)
    kubernetes.use_field_path_as_env(task, JOB_NAMESPACE, "metadata.namespace")
    return place(task, own, cached=False)


def may_verify(task: dsl.PipelineTask) -> None:
    """Mount the gate's public key."""
    kubernetes.use_secret_as_volume(task, "qf-verify-key", mount_path=f"{MOUNTS}/verify")
    kubernetes.use_config_map_as_env(task, SETTINGS, {"verify-key": VERIFY_KEY})


def may_sign(task: dsl.PipelineTask) -> None:
    """Mount the gate's key pair: of all steps only the judge's may have the private half."""
    kubernetes.use_secret_as_volume(task, "qf-signing-key", mount_path=f"{MOUNTS}/signing")
    kubernetes.use_config_map_as_env(task, SETTINGS, {"signing-key": SIGNING_KEY})
    may_verify(task)


def may_fetch(task: dsl.PipelineTask) -> None:
    """Hand over the vendor's token and the object store's keys, where there are any."""
    kubernetes.use_secret_as_volume(task, "qf-vendor", mount_path=f"{MOUNTS}/vendor", optional=True)
    kubernetes.use_config_map_as_env(task, SETTINGS, {"vendor-token-file": "QF_VENDOR_TOKEN_FILE"})
    may_use_object_store(task)


def may_use_object_store(task: dsl.PipelineTask) -> None:
    """Hand over the object store's keys; where the pods have a role of the cloud there are none."""
    keys = {
        "access-key-id": "AWS_ACCESS_KEY_ID",
        "secret-access-key": "AWS_SECRET_ACCESS_KEY",
        "endpoint": "AWS_ENDPOINT_URL_S3",
    }
    kubernetes.use_secret_as_env(task, "qf-object-store", keys, optional=True)


def may_use_features(task: dsl.PipelineTask) -> None:
    """Hand over the addresses of the feature store's servers."""
    servers = {"registry": "QF_FEAST_REGISTRY", "redis": "QF_FEAST_REDIS"}
    kubernetes.use_secret_as_env(task, "qf-feast", servers)


def may_share_a_search(task: dsl.PipelineTask) -> None:
    """Hand over the database in which workers of several hosts share a search: SQLite is for one host."""
    kubernetes.use_secret_as_env(task, "qf-tune", {"storage": TUNE_STORAGE})


def may_register(task: dsl.PipelineTask) -> None:
    """Hand over the model registry, and the public key that a verdict is checked with."""
    kubernetes.use_config_map_as_env(task, SETTINGS, {"mlflow-tracking-uri": TRACKING_URI})
    client = {"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"}
    kubernetes.use_secret_as_env(task, "qf-mlflow-client", client)
    may_verify(task)
