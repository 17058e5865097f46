"""Everything that is asked of one overlay."""

from collections.abc import Sequence

from pipelines.manifests.build import Object
from pipelines.manifests.references import Reference, broken, of_objects, vaulted
from pipelines.manifests.rules import every_fault


def overlay_faults(overlay: Sequence[Object], jobs: Sequence[Object], tasks: Sequence[Reference]) -> list[str]:
    """Return a sentence for each thing wrong with an overlay, the jobs beside it, or what tasks name in it.

    Where no Kueue is, a queue's label does nothing, so no queue has to be there.
    """
    objects = [*overlay, *jobs]
    queued = any(item.get("kind") == "LocalQueue" for item in objects)
    wanted = [item for item in tasks if queued or item.kind != "LocalQueue"]
    return [*every_fault(objects), *broken([*of_objects(objects), *wanted], objects), *vaulted(objects)]
