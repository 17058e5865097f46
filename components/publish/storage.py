"""A release in object storage: every file of the models first, the pointer to them last.

Credentials come from the environment, a profile or the instance's role, as the storage's own library finds them.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import fsspec

from components.core.errors import DataError, EnvironmentMissingError, SourceUnreachableError

PREFIX: Final = "models"
_WITHOUT: Final = "Give some by environment, profile or role, or publish to the folder alone: --skip-upload"
_REMEDY: Final = "Nothing points to what was uploaded so far; run again"


def upload(folder: Path, names: Sequence[str], *, bucket: str, region: str) -> str:
    """Write the files and folders ``names`` of ``folder``, in their order, to ``models/`` of ``bucket``; return where.

    Raises:
        DataError: If the bucket does not exist, or access is denied.
        SourceUnreachableError: If the storage does not answer.
        EnvironmentMissingError: If there are no credentials, or the storage's library is not installed.
    """
    target = f"{bucket}/{PREFIX}"
    storage, transient = _storage(region)
    try:
        for name in names:
            top = folder / name
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file():
                    storage.put_file(str(path), f"{target}/{path.relative_to(folder).as_posix()}")
    except FileNotFoundError:
        raise DataError("no such bucket", file=f"s3://{bucket}", remedy="Create it, or name another") from None
    except PermissionError as error:
        raise DataError(f"access denied ({error})", file=f"s3://{target}", remedy="Grant write access") from None
    except transient as error:
        if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
            raise EnvironmentMissingError(f"s3://{bucket}: no credentials were found. {_WITHOUT}") from None
        raise SourceUnreachableError(f"s3://{target}: {type(error).__name__} {error}. {_REMEDY}") from None
    return f"s3://{target}"


def require_credentials(bucket: str) -> None:
    """Find out before anything is trained whether there are credentials to publish with.

    Raises:
        EnvironmentMissingError: If there are none, or the storage's library is not installed.
    """
    try:
        session = importlib.import_module("botocore.session").Session()
    except ImportError as error:
        raise EnvironmentMissingError(f"s3:// needs the package s3fs ({error}). Install quantfoundry[data]") from None
    if session.get_credentials() is None:
        raise EnvironmentMissingError(
            f"s3://{bucket}: no credentials were found. Give some, or publish to the folder alone: --skip-upload"
        )


def _storage(region: str) -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        errors = importlib.import_module("botocore.exceptions")
        aiohttp = importlib.import_module("aiohttp")
        system = fsspec.filesystem("s3", client_kwargs={"region_name": region}, skip_instance_cache=True)
    except ImportError as error:
        raise EnvironmentMissingError(f"s3:// needs the package s3fs ({error}). Install quantfoundry[data]") from None
    return system, (OSError, errors.BotoCoreError, aiohttp.ClientError)
