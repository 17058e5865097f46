"""An append-only, hash-chained ledger of one file per entry.

Each entry names the sha256 of the one before it and is created exclusively, so of several
writers that saw the same length exactly one wins, and an edit anywhere breaks the chain.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from components.core.errors import ArtifactError, LedgerRaceError
from components.core.files import canonical_json, link_exclusively

_GENESIS = "0" * 64


@dataclass(frozen=True)
class Ledger:
    """The entries below ``folder``, oldest first."""

    folder: Path

    def read(self) -> list[dict[str, Any]]:
        """Return all entries.

        Raises:
            ArtifactError: If an entry is missing, altered or out of order.
        """
        return self._read()[0]

    def _read(self) -> tuple[list[dict[str, Any]], str]:
        entries: list[dict[str, Any]] = []
        previous = _GENESIS
        for number, path in enumerate(sorted(self.folder.glob("[0-9]*.json"))):
            content = path.read_bytes()
            try:
                entry: dict[str, Any] = json.loads(content)
            except ValueError:
                entry = {}
            if path.name != f"{number:08d}.json" or entry.get("previous") != previous:
                raise ArtifactError(f"{path}: the ledger's chain is broken here. Restore {self.folder} from a backup")
            previous = sha256(content).hexdigest()
            entries.append(entry)
        return entries, previous

    def append(self, entry: Mapping[str, Any], *, expect: int) -> int:
        """Append ``entry`` as number ``expect`` and return that number.

        Raises:
            LedgerRaceError: If the ledger no longer has exactly ``expect`` entries.
            ArtifactError: If the chain is broken.
        """
        entries, previous = self._read()
        if len(entries) != expect:
            landed = len(entries) - expect
            raise LedgerRaceError(f"{self.folder.name}: {landed} entries landed first. Read them, then decide")
        content = canonical_json({**entry, "number": expect, "previous": previous}).encode()
        try:
            link_exclusively(self.folder / f"{expect:08d}.json", content)
        except FileExistsError:
            raise LedgerRaceError(f"{self.folder.name}: entry {expect} was taken. Read it, then decide") from None
        return expect
