"""Files of object storage, fetched whole onto this machine, or not at all.

Credentials come from the environment, a profile or the instance's role, as the storage's own
library finds them; an address that carries some is refused.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import fsspec
from fsspec.asyn import AsyncFileSystem, sync

from components.core.errors import DataError, EnvironmentMissingError
from components.market.retry import Patience, TransientError, patiently

SCHEMES: Final = ("s3", "file", "memory")
ENDINGS: Final = (".parquet", ".pq", ".csv")
CHUNK_BYTES: Final = 8 * 2**20
_DENIED: Final = "Grant read access, and give credentials by environment, profile or role"


def fetch(source: str, folder: Path, patience: Patience) -> list[tuple[Path, str]]:
    """Return the files that were fetched into ``folder`` with their addresses, sorted.

    ``source`` names one .parquet or .csv object, or a prefix whose .csv objects are meant.

    Raises:
        DataError: If nothing is there, access is denied, or it is too large.
        SourceUnreachableError: If the storage does not answer, or not in full, after all tries.
        EnvironmentMissingError: If the storage's library is not installed.
    """
    scheme, _, place = source.partition("://")
    storage = _storage(scheme, patience)
    found = [place] if PurePosixPath(place).suffix.lower() in ENDINGS else storage.listed(place)
    if len(found) > patience.max_files:
        raise DataError(f"{len(found)} objects, at most {patience.max_files}", file=source, remedy="Narrow the prefix")
    files: list[tuple[Path, str]] = []
    room = patience.max_bytes
    for key in found:
        path = folder / PurePosixPath(key).name
        storage.download(key, path, room)
        room -= path.stat().st_size
        files.append((path, storage.address(key)))
    return files


def fetch_named(source: str, names: Sequence[str], folder: Path, patience: Patience) -> None:
    """Fetch the objects with these names below the prefix ``source`` into ``folder``.

    Raises:
        DataError: If one is not there, access is denied, or they are too large.
        SourceUnreachableError: If the storage does not answer, or not in full, after all tries.
        EnvironmentMissingError: If the storage's library is not installed.
    """
    scheme, _, place = source.partition("://")
    storage, room = _storage(scheme, patience), patience.max_bytes
    for name in names:
        storage.download(f"{place.rstrip('/')}/{name}", folder / name, room)
        room -= (folder / name).stat().st_size


def _storage(scheme: str, patience: Patience) -> "_Storage":
    if scheme != "s3":
        return _Storage(scheme, fsspec.filesystem(scheme), (OSError,), patience)
    try:
        errors = importlib.import_module("botocore.exceptions")
        aiohttp = importlib.import_module("aiohttp")
        timeouts = {"connect_timeout": patience.connect_timeout_s, "read_timeout": patience.read_timeout_s}
        system = fsspec.filesystem(
            "s3",
            config_kwargs={**timeouts, "retries": {"total_max_attempts": 1}},
            skip_instance_cache=True,
            use_listings_cache=False,
        )
    except ImportError as error:
        raise EnvironmentMissingError(f"s3:// needs the package s3fs ({error}). Install quantfoundry[data]") from None
    system.retries = 1  # one place counts the tries, and it is not this one
    return _Storage(scheme, system, (OSError, errors.BotoCoreError, aiohttp.ClientError), patience)


def _short(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip().splitlines()[0][:160]


def _identity(facts: dict[str, Any]) -> tuple[object, ...]:
    return tuple(str(facts.get(key)) for key in ("size", "ETag", "LastModified", "mtime", "created"))


@dataclass(frozen=True)
class _Storage:
    """One file system, asked with patience."""

    scheme: str
    system: Any
    transient: tuple[type[Exception], ...]
    """Its errors that may pass."""
    patience: Patience

    def address(self, key: str) -> str:
        """Return how a person writes a key."""
        return f"{self.scheme}://{key}"

    def ask(self, method: str, key: str, **options: Any) -> Any:
        """Return the answer of one request, tried again where that can help."""
        address = self.address(key)

        def request() -> Any:
            try:
                if isinstance(self.system, AsyncFileSystem):
                    call = getattr(self.system, f"_{method}")
                    return sync(self.system.loop, call, key, timeout=self.patience.request_timeout_s, **options)
                return getattr(self.system, method)(key, **options)
            except (FileNotFoundError, NotADirectoryError):
                raise DataError("no such object or bucket", file=address, remedy="Check the address") from None
            except PermissionError as error:
                raise DataError(f"access denied ({_short(error)})", file=address, remedy=_DENIED) from None
            except self.transient as error:
                if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
                    raise DataError("no credentials were found", file=address, remedy=_DENIED) from None
                raise TransientError(_short(error)) from None

        return patiently(request, self.patience, what=address)

    def listed(self, place: str) -> list[str]:
        """Return the .csv objects right below a prefix."""
        entries = self.ask("ls", place.rstrip("/"), detail=True)
        names = [entry["name"] for entry in entries if entry["type"] == "file"]
        found = sorted(name for name in names if PurePosixPath(name).suffix.lower() == ".csv")
        if not found:
            remedy = "Name a .parquet or .csv object, or their prefix"
            raise DataError("no .csv object below it", file=self.address(place), remedy=remedy)
        return found

    def download(self, key: str, path: Path, room: int) -> None:
        """Write the object to ``path`` piece by piece; it is whole, and did not change meanwhile."""
        address = self.address(key)
        before = self.ask("info", key)
        if before["type"] != "file":
            remedy = "End its name otherwise, or name the object"
            raise DataError("a folder, not an object", file=address, remedy=remedy)
        size = int(before["size"])
        if size > room:
            remedy = "Split it, or save it as parquet"
            raise DataError(f"{size} bytes, at most {room} are left", file=address, remedy=remedy)
        with path.open("xb") as file:
            for start in range(0, size, CHUNK_BYTES):
                file.write(self.ask("cat_file", key, start=start, end=min(start + CHUNK_BYTES, size)))
        if path.stat().st_size != size or _identity(self.ask("info", key)) != _identity(before):
            raise DataError("changed while it was read", file=address, remedy="Run again when its writer is done")
