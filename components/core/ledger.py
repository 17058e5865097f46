"""An append-only, hash-chained ledger of one file per entry.

Each entry names the sha256 of the one before it and is created exclusively, so of several
writers that saw the same length exactly one wins, and an edit anywhere breaks the chain.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
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
        listed = {path.name for path in self.folder.glob("[0-9]*.json")}
        # While others append, a listing may lack an entry and yet hold a later one: so each is opened by its number.
        while listed:
            path = self.folder / f"{len(entries):08d}.json"
            listed.discard(path.name)
            content = path.read_bytes() if path.exists() else b""
            try:
                entry: dict[str, Any] = json.loads(content)
            except ValueError:
                entry = {}
            if entry.get("previous") != previous:
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

    def append_if(self, entry_of: Callable[[list[dict[str, Any]]], Mapping[str, Any] | None]) -> list[dict[str, Any]]:
        """Append what ``entry_of`` makes of the entries, nothing where that is None, and return all entries.

        Where another writer lands first, ``entry_of`` is asked anew.

        Raises:
            ArtifactError: If the chain is broken.
        """
        while True:
            entries = self.read()
            entry = entry_of(entries)
            if entry is None:
                return entries
            with contextlib.suppress(LedgerRaceError):
                self.append(entry, expect=len(entries))
                return self.read()
