"""Files that are written whole or not at all, and checked before they are believed."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from components.core.errors import ArtifactError, BusyError, DataError, EnvironmentMissingError

SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,11}(?:[.\-][A-Z0-9]{1,4})?", re.ASCII)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def canonical_json(value: object) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def digest_of(value: object) -> str:
    """Return the sha256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_file(path: Path) -> Generator[IO[bytes]]:
    """Yield a binary file that replaces ``path`` only if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    with temporary.open("xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    temporary.replace(path)
    _sync_folder(path.parent)


def readable_json(value: object) -> str:
    """Return ``value`` as sorted, indented JSON for a file; NaN is refused."""
    return json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n"


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as sorted, indented JSON, atomically; NaN is refused."""
    with atomic_file(path) as file:
        file.write(readable_json(value).encode())


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises:
        ArtifactError: If the file is missing or not a JSON object, or holds NaN or an infinity.
    """
    try:
        value: object = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file. Run the step that writes it again") from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: not JSON ({error}). Delete it and run the step again") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: want a JSON object, got {type(value).__name__}")
    return value  # pyright: ignore[reportUnknownVariableType]


def link_exclusively(path: Path, content: bytes) -> None:
    """Create ``path`` with ``content`` in one step; of several writers exactly one wins.

    Raises:
        FileExistsError: If the path is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextlib.contextmanager
def fresh_folder(path: Path) -> Generator[Path]:
    """Yield an empty folder that becomes ``path`` only if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def room(folder: Path) -> Generator[None]:
    """Say in words if the disk below ``folder`` is full, where what is there is left as it was.

    Raises:
        ArtifactError: If it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ArtifactError(
            f"{folder}: no room to write ({error.strerror}); what is there is as it was. "
            "Free some space, then run again"
        ) from None


def require_writable(folder: Path) -> None:
    """Make ``folder`` if it is not there, and write to it for a moment.

    Raises:
        EnvironmentMissingError: If that cannot be done.
    """
    probe = folder / f".probe.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise EnvironmentMissingError(
            f"{folder}: cannot be written to ({error.strerror}). Let this user write there, or name another --root"
        ) from None


def copy_files(source: Path, folder: Path) -> None:
    """Copy every file below ``source`` into ``folder``; links are left out.

    Unlike ``shutil.copytree`` it ends with the error of the first file that cannot be copied, such as a full disk.
    """
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.is_symlink():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def file_lock(path: Path, note: str = "", *, wait_s: float = 0.0) -> Generator[None]:
    """Hold an exclusive lock that the kernel frees when the holder dies.

    Raises:
        BusyError: If another process still holds it after ``wait_s``; the message names the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while not _locked(handle):
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 200, 0).decode(errors="replace")
                raise BusyError(f"{path.name} is held by {holder}. Wait for it to end, then run again")
            time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"pid {os.getpid()} {note}".strip().encode(), 0)
        yield
    finally:
        os.close(handle)


def checked_symbol(symbol: object, *, file: str, row: int | None = None) -> str:
    """Return ``symbol`` if it is a plain ticker, never a path.

    Raises:
        DataError: If it holds anything but A-Z, 0-9 and one '.' or '-'.
    """
    if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
        raise DataError(
            f"symbol {str(symbol)[:40]!r} is not allowed",
            file=file,
            row=row,
            column="symbol",
            remedy="Use A-Z, 0-9 and at most one '.' or '-', such as AAPL, BRK.B or BF-B",
        )
    return symbol


def inside(root: Path, *parts: str) -> Path:
    """Return ``root/parts`` resolved.

    Raises:
        ArtifactError: If the result leaves ``root``, also through a link.
    """
    base = root.resolve()
    path = base.joinpath(*parts).resolve()
    if not path.is_relative_to(base):
        raise ArtifactError(f"path {'/'.join(parts)!r} leaves {base.name}")
    return path
