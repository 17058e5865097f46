"""The only door to Kubeflow besides ``component.py`` and ``pipelines/``: make a step, place a task.

A step is a lightweight component over the installed package: nothing is installed at run time,
and the function's body only calls into the folder it lies in.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable
from typing import Any

from kfp import dsl, kubernetes

from components.core.family import Resources

CPU = "quantfoundry/python-cpu:0.1.0"
JUDGE = "quantfoundry/python-judge:0.1.0"
GPU = "quantfoundry/python-gpu:0.1.0"

GPU_TYPE = "nvidia.com/gpu"
POOL_LABEL = "quantfoundry/pool"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the mount point that torch's loaders use
USER = 10001
"""The unprivileged user of every image; the restricted profile wants it on each task."""

SMALL = Resources(cpu="1", memory="4Gi", timeout_s=3600)
"""What a step asks for that trains nothing."""


def step(*, image: str) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that makes a function a Kubeflow component of ``image``."""

    def make(function: Callable[..., Any]) -> Any:
        return dsl.component(function, base_image=image, install_kfp_package=False)

    return make


def place(task: dsl.PipelineTask, resources: Resources, *, cached: bool) -> dsl.PipelineTask:
    """Give ``task`` its share of the cluster, its node pool and its security context.

    A GPU is asked for by type and limit, its pool by selector and toleration: the backend adds
    none of them for another. ``cached=False`` marks a task with side effects.
    """
    task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
    task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    task.set_caching_options(enable_caching=cached)
    kubernetes.set_timeout(task, resources.timeout_s)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    if resources.gpus:
        task.set_accelerator_type(GPU_TYPE).set_accelerator_limit(resources.gpus)
        kubernetes.add_node_selector(task, POOL_LABEL, "gpu")
        kubernetes.add_toleration(task, key=GPU_TYPE, operator="Exists", effect="NoSchedule")
        kubernetes.empty_dir_mount(
            task, volume_name="shm", mount_path=SHARED_MEMORY, medium="Memory", size_limit=resources.shared_memory
        )
    return task
