"""What a bundle's folder may hold, looked at before a byte of it is believed.

Sources: the safetensors format (8 bytes of header length, a JSON header, the tensors).
"""

import json
import stat
from pathlib import Path
from typing import Any, Final

from components.core.bundle import MANIFEST
from components.core.errors import ArtifactError

ENDINGS: Final = (".json", ".onnx", ".safetensors")
MAX_FILES: Final = 64
MAX_FILE_BYTES: Final = 1 << 30
MAX_JSON_BYTES: Final = 1 << 24
_LENGTH_BYTES: Final = 8


def check_folder(folder: Path) -> None:
    """Return if ``folder`` holds a manifest and otherwise only plain files of the kinds that a bundle has.

    Raises:
        ArtifactError: If there is a link, a device, a file of another kind, too many or too large
            files, or a safetensors file that is something else.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise ArtifactError(f"{folder}: no such folder. Promote the model again")
    num_files = 0
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        if stat.S_ISDIR(facts.st_mode):
            continue
        num_files += 1
        if not stat.S_ISREG(facts.st_mode):
            raise ArtifactError(f"{path}: a link or a device; a bundle holds plain files. Train it again")
        if path.suffix not in ENDINGS:
            raise ArtifactError(f"{path}: a bundle holds {', '.join(ENDINGS)} only. Remove it")
        most = MAX_JSON_BYTES if path.suffix == ".json" else MAX_FILE_BYTES
        if facts.st_size > most:
            raise ArtifactError(f"{path}: {facts.st_size:,} bytes, at most {most:,} are read. Train a smaller model")
        if num_files > MAX_FILES:
            raise ArtifactError(f"{folder}: more than {MAX_FILES} files. Train it again")
        if path.suffix == ".safetensors":
            _check_tensors(path, facts.st_size)
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder / MANIFEST}: no such file. Promote the model again")


def _check_tensors(path: Path, size: int) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 0 < length <= min(size - _LENGTH_BYTES, MAX_JSON_BYTES):
            raise ArtifactError(f"{path}: no safetensors file: its header declares {length:,} bytes. Train it again")
        text = file.read(length)
    try:
        header: dict[str, Any] = json.loads(text)
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    except (ValueError, RecursionError, TypeError, KeyError, IndexError, AttributeError):
        raise ArtifactError(f"{path}: no safetensors file: its header does not read. Train it again") from None
    if max(ends, default=0) != size - _LENGTH_BYTES - length:
        raise ArtifactError(f"{path}: its header declares other tensors than it brings. Train it again")
