"""The ledger of a paper account: one line for each bar, chained by sha256, on the disk before the next bar comes.

What it holds is a function of the model and the feed alone: whoever is killed and goes on ends in the same bytes.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from components.core.errors import ArtifactError
from components.core.files import canonical_json

LEDGER: Final = "ledger.jsonl"
_GENESIS: Final = "0" * 64


class PaperLedger:
    """The lines of one file, oldest first; the half line of a writer that was killed is cut off."""

    def __init__(self, path: Path, entries: list[dict[str, Any]], *, size: int, newest: str) -> None:
        self._path, self._newest, self.entries = path, newest, entries
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(size)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the ledger at ``path``, empty if there is none.

        Raises:
            ArtifactError: If a line was altered, or one is missing.
        """
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        entries, newest = list[dict[str, Any]](), _GENESIS
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry: dict[str, Any] = json.loads(line)
            except ValueError:
                entry = {}
            if entry.get("previous") != newest:
                raise ArtifactError(
                    f"{path}: line {number} does not follow the one before it. Restore it from a backup"
                )
            entries.append(entry)
            newest = sha256(line).hexdigest()
        return cls(path, entries, size=len(whole), newest=newest)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line, which is on the disk when this returns."""
        line = canonical_json({**entry, "previous": self._newest})
        self._file.write(f"{line}\n".encode())
        os.fsync(self._file.fileno())
        self.entries.append({**entry, "previous": self._newest})
        self._newest = sha256(line.encode()).hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
