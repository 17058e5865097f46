"""Where files of bars come from: a path of this machine, or something that is fetched first."""

import contextlib
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.core.address import refuse_credentials
from components.core.errors import DataError, UsageError
from components.market import remote, vendor
from components.market.retry import Patience

ENDINGS = (".parquet", ".pq", ".csv")


class Located(NamedTuple):
    """One file on this machine."""

    path: Path
    name: str
    """How a person knows it: the address that it was fetched from, or its path."""


@contextlib.contextmanager
def opened(source: str, symbols: Sequence[str], patience: Patience) -> Generator[list[Located]]:
    """Yield the files of a source; what was fetched is gone when the block ends.

    ``symbols`` are those to ask a vendor for; other sources give what they have.

    Raises:
        UsageError: If nothing fetches from such an address, or it carries credentials.
        DataError: If there is no such file, or none that is read.
        SourceUnreachableError: If it cannot be fetched in full.
    """
    if "://" not in source:
        yield _local(source)
        return
    refuse_credentials(source)
    scheme = source.partition("://")[0]
    with tempfile.TemporaryDirectory(prefix="qf-ingest-") as folder:
        if scheme in remote.SCHEMES:
            found = remote.fetch(source, Path(folder), patience)
        elif scheme in vendor.SCHEMES:
            found = vendor.fetch(source, symbols, Path(folder), patience)
        else:
            known = ", ".join(f"{name}://" for name in ("synthetic", *remote.SCHEMES, *vendor.SCHEMES))
            raise UsageError(f"{source!r:.120}: no such kind of source. Give a path, or one of {known}")
        yield [Located(path, name) for path, name in found]


def _local(source: str) -> list[Located]:
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
        if not files:
            raise DataError("holds no .csv file", file=source, remedy="Put one CSV file per symbol there")
        return [Located(file, str(file)) for file in files]
    if not path.is_file():
        raise DataError("no such file or folder", file=source, remedy="Check the path")
    if path.suffix.lower() not in ENDINGS:
        remedy = "Give a .parquet or .csv file, or a folder"
        raise DataError("not a kind of file that is read", file=source, remedy=remedy)
    return [Located(path, source)]
