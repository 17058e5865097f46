"""The weights of the champion where those look who want one file by a fixed name, beside what says which they are."""

import hashlib

from components.core import family as families
from components.core.files import atomic_file, inside, write_json
from components.core.registry import Promotion
from components.core.workspace import Workspace

WEIGHTS = "weights.safetensors"


def copy_latest(workspace: Workspace, champion: Promotion, family: str) -> None:
    """Write ``<Family.latest>.safetensors`` and, last, the ``.json`` with its sha256; both whole.

    Of a bundle of several stocks, and of a family that declares no such place, nothing is written.

    Raises:
        ArtifactError: If a file of the champion was altered.
    """
    place = families.find(family).latest
    if not place:
        return
    bundle = champion.load()
    tickers = bundle.manifest["schema"]["tickers"]
    if len(tickers) != 1:
        return
    target = inside(workspace.root, *place.format(ticker=tickers[0]).split("/"))
    content = bundle.path(WEIGHTS).read_bytes()
    with atomic_file(target.with_name(f"{target.name}.safetensors")) as file:
        file.write(content)
    facts = {
        "bundle": bundle.digest,
        "folder": champion.folder.relative_to(workspace.root).as_posix(),
        "promoted": champion.entry["at"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "ticker": tickers[0],
        "version": champion.version,
    }
    write_json(target.with_name(f"{target.name}.json"), facts)
