"""Models and ledgers of a root in one signed archive, and back: the same bits, or nothing.

The archive is a tar file whose first member lists the sha256 of every other, signed with the key of the gate. The
ledgers are listed before the models: of what is promoted meanwhile, a backup may hold the files without the entry,
never the entry without the files.
"""

import binascii
import contextlib
import hashlib
import io
import itertools
import json
import shutil
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from cryptography.exceptions import InvalidSignature

from components.core.errors import ArtifactError, UsageError
from components.core.files import atomic_file, canonical_json, fresh_folder, inside, sha256_of, write_json
from components.core.keys import private_key, public_key
from components.core.workspace import Workspace

FORMAT: Final = 1
KEPT: Final = ("ledger", "models", "twins")
"""Folders below the root, in the order in which they are listed; restored last first, so the ledger is the last."""
LIST, UNFINISHED = "backup.json", "restore.json"
_MOST_LIST: Final = 64 * 2**20
"""Bytes of the list that are read at most."""


def back_up(workspace: Workspace, archive: Path) -> dict[str, str]:
    """Write the archive, whole or not at all, and return the sha256 of each file in it, by its path below the root.

    Raises:
        UsageError: If there is nothing to keep, or the archive lies in what it keeps.
        ArtifactError: If there is no key to sign with, or a file was altered while it was read.
    """
    root = workspace.root
    if any(archive.resolve().is_relative_to(root / name) for name in KEPT):
        raise UsageError(f"{archive}: lies in what is backed up. Name a place outside {root}")
    files = {path.relative_to(root).as_posix(): sha256_of(path) for path in _files(root)}
    if not files:
        raise UsageError(f"{root}: holds no model and no ledger. Train and promote one, or name another --root")
    content = canonical_json({"format": FORMAT, "files": files})
    signature = b64encode(private_key(workspace.signing_key).sign(content.encode())).decode()
    listed = canonical_json({"content": content, "signature": signature}).encode()
    with atomic_file(archive) as target, tarfile.open(fileobj=target, mode="w") as tar:
        _add(tar, LIST, io.BytesIO(listed), len(listed))
        for name in files:
            with (root / name).open("rb") as source:
                _add(tar, name, source, (root / name).stat().st_size)
    return files


def _files(root: Path) -> Iterator[Path]:
    """Yield what is kept; locks and half-written files are nobody's."""
    for kept in KEPT:
        for path in sorted((root / kept).rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_file() and not path.is_symlink() and not hidden and path.suffix != ".lock":
                yield path


def _add(tar: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o640
    tar.addfile(entry, source)


def restore(workspace: Workspace, archive: Path) -> dict[str, str]:
    """Put what the archive holds below the root, and return the sha256 of each file, by its path.

    Every byte is checked before anything is in its place. Killed at any moment, the same command completes it.

    Raises:
        UsageError: If the root holds models or ledgers already.
        ArtifactError: If the archive was altered, is not whole, or was signed with another key.
    """
    root = workspace.root
    if not (root / UNFINISHED).exists() and (there := [name for name in KEPT if (root / name).exists()]):
        raise UsageError(f"{root}: has {', '.join(there)} already. Restore to a root without them, and compare")
    staging = root / ".restored"
    with fresh_folder(staging) as folder:
        files = _unpack(archive, folder, workspace.verify_key)
    write_json(root / UNFINISHED, {"archive": archive.name})
    for name in reversed(KEPT):
        if (staging / name).exists():
            shutil.rmtree(root / name, ignore_errors=True)
            (staging / name).rename(root / name)
    (root / UNFINISHED).unlink()
    shutil.rmtree(staging)
    return files


def _unpack(archive: Path, folder: Path, verify_key: Path) -> dict[str, str]:
    """Write the files to ``folder``, each checked against the signed list; return the list."""
    with contextlib.ExitStack() as stack:
        try:
            tar = stack.enter_context(tarfile.open(archive, mode="r:"))
            files = _listed(tar, archive, verify_key)
            missing = dict(files)
            for entry in itertools.islice(tar, 1, None):
                expected = missing.pop(entry.name, None)
                source = tar.extractfile(entry) if expected is not None and entry.isfile() else None
                if source is None:
                    raise ArtifactError(f"{archive}: holds {entry.name!r:.80}, which its list does not. It was altered")
                target = inside(folder, *entry.name.split("/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with target.open("xb") as file:
                    while part := source.read(2**20):
                        digest.update(part)
                        file.write(part)
                target.chmod(0o640)
                if digest.hexdigest() != expected:
                    raise ArtifactError(f"{archive}: the sha256 of {entry.name} differs from its list. It was altered")
        except FileNotFoundError:
            raise ArtifactError(f"{archive}: no such archive. 'qf backup' writes one") from None
        except (tarfile.TarError, EOFError, FileExistsError) as error:
            raise ArtifactError(f"{archive}: is no whole backup ({error}). Take an earlier one") from None
    if missing:
        raise ArtifactError(f"{archive}: lacks {len(missing)} files, such as {next(iter(missing))}. It was cut short")
    return files


def _listed(tar: tarfile.TarFile, archive: Path, verify_key: Path) -> dict[str, str]:
    """Return the list of files after its signature was checked."""
    first = tar.next()
    source = tar.extractfile(first) if first is not None and first.name == LIST and first.isfile() else None
    if source is None:
        raise ArtifactError(f"{archive}: does not begin with {LIST}. It is no backup of this product")
    try:
        document: dict[str, Any] = json.loads(source.read(_MOST_LIST))
        content = str(document["content"])
        public_key(verify_key).verify(b64decode(document["signature"], validate=True), content.encode())
        listed = json.loads(content)
        if listed["format"] != FORMAT:
            raise ArtifactError(f"{archive}: format {listed['format']!r}, this version reads {FORMAT}")
        files: dict[str, str] = listed["files"]
    except (InvalidSignature, binascii.Error, ValueError, KeyError, TypeError):
        raise ArtifactError(
            f"{archive}: its list does not fit its signature and {verify_key}. It was altered, or signed with another "
            "key"
        ) from None
    return files
