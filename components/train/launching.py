"""Let a job of the cluster train, instead of this step.

Examples, request, checkpoints and bundle pass through the shared workspace, so a job that is preempted, or whose
supervisor is killed, goes on under the same run key and ends in the same bits. Where no cluster is, as many processes
of this host train instead.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import json
import os
from pathlib import Path
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity
from torchx import specs

from components.core import bundle as bundles
from components.core import family as families
from components.core.errors import ArtifactError
from components.core.family import Resources
from components.core.files import copy_files, digest_of, fresh_folder, read_json
from components.core.run_context import open_run
from components.core.workspace import JOB_NAMESPACE
from components.train.cluster import TrainJobs
from components.train.fit import Training, asked_processes
from components.train.gang import ERROR, workers
from components.train.supervise import see_through
from components.train.trainjob import TrainJobOpts, TrainJobScheduler, job_name

_MIB: Final = 1024**2


def launch(
    examples: str, family: str, recipe: str, image: str, resources: str, *, out: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the bundle to ``out`` and return its facts; ``resources`` is the JSON of a family's ``Resources``."""
    with open_run("train", root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        wanted = Resources(**json.loads(resources))
        per_host = asked_processes(member, config) or max(1, wanted.gpus)
        training = Training(
            member=member, config=config, examples=Path(examples), run=run, processes=per_host * wanted.nodes
        )
        if namespace := os.environ.get(JOB_NAMESPACE):
            jobs = TrainJobs.found(namespace, os.environ)
            trained = trained_by_job(TrainJobScheduler("quantfoundry", jobs), training, wanted, image=image)
            with fresh_folder(Path(out)) as folder:
                copy_files(trained, folder)
        else:
            run.log.info("no cluster: %d processes of this host train instead of a job", training.processes)
            training.here(Path(out))
        return training.facts(Path(out))


def trained_by_job(scheduler: TrainJobScheduler, training: Training, wanted: Resources, *, image: str) -> Path:
    """Return the folder of the bundle in the shared workspace, once a job has written it.

    Raises:
        QuantfoundryError: As ``see_through``.
    """
    identity = [training.config.canonical(), read_json(training.examples / "manifest.json")["digest"]]
    shared = training.run.folder / "launch" / digest_of(identity)[:16]
    if not (shared / "examples").exists():
        with fresh_folder(shared / "examples") as folder:
            copy_files(training.examples, folder)
    out, logs = shared / "bundle", shared / "logs"
    logs.mkdir(exist_ok=True)
    request = training.ask(shared / "request.json", examples=shared / "examples", out=out, logs=logs)
    see_through(
        scheduler,
        job_app(request, training, wanted, image=image),
        TrainJobOpts(run_key=training.run.run_key, queue=wanted.queue),
        stop=training.run.stop,
        timeout_s=wanted.timeout_s,
        error=logs / ERROR,
        usable=lambda: _whole(out),
    )
    return out


def job_app(request: Path, training: Training, wanted: Resources, *, image: str) -> specs.AppDef:
    """Return the application: the command that trains on one host, on each of several."""
    command = workers(["components.train.worker", str(request)], per_host=training.processes // wanted.nodes)
    role = specs.Role(
        name="node",
        image=image,
        entrypoint="python",
        args=["-m", "torch.distributed.run", *command],
        env={"OMP_NUM_THREADS": "1"},
        num_replicas=wanted.nodes,
        resource=specs.Resource(
            cpu=float(parse_quantity(wanted.cpu)),  # pyright: ignore[reportArgumentType] - fractions are sent too
            gpu=wanted.gpus,
            memMB=int(parse_quantity(wanted.memory) // _MIB),
        ),
    )
    return specs.AppDef(name=job_name(training.member.name, training.run.run_key), roles=[role])


def _whole(bundle: Path) -> bool:
    try:
        bundles.load(bundle)
    except ArtifactError:
        return False
    return True
