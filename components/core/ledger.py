"""An append-only, hash-chained ledger of one file per entry, and a head that says how far it reaches.

Each entry names the sha256 of the one before it and is created exclusively, so of several
writers that saw the same length exactly one wins, and an edit anywhere breaks the chain.
``head.json`` follows every entry before the next one comes: at most one entry, of a writer that
died in between, is beyond it. So entries that were cut off at the end are missed, unless the
head of that time was put back too.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from components.core.errors import ArtifactError, LedgerRaceError
from components.core.files import canonical_json, file_lock, link_exclusively, write_json

HEAD: Final = "head.json"
_LOCK: Final = "head.lock"
_LOCK_WAIT_S: Final = 60.0
_GENESIS: Final = "0" * 64


class Head(NamedTuple):
    """How many entries were there, and the sha256 of the last."""

    num_entries: int = 0
    sha256: str = _GENESIS


@dataclass(frozen=True)
class Ledger:
    """The entries below ``folder``, oldest first."""

    folder: Path

    def read(self) -> list[dict[str, Any]]:
        """Return all entries.

        Raises:
            ArtifactError: If an entry is missing, altered or out of order, or the head does not fit the entries.
        """
        return self._read()[0]

    def _read(self) -> tuple[list[dict[str, Any]], Head]:
        """Return all entries and the head that they make.

        Others may append meanwhile, so the head is read on both sides: what it tells of before is there, and after it
        has followed all entries but one.
        """
        before = self._head()
        entries, digests = self._entries()
        if len(entries) < before.num_entries or digests[before.num_entries] != before.sha256:
            raise ArtifactError(
                f"{self.folder}: {before.num_entries} entries ending in {before.sha256[:12]} were written, "
                f"and {len(entries)} are there that do not end so. {self._remedy}"
            )
        if len(entries) > self._head().num_entries + 1:
            raise ArtifactError(f"{self.folder / HEAD}: tells of fewer than {len(entries)} entries. {self._remedy}")
        return entries, Head(len(entries), digests[-1])

    @property
    def _remedy(self) -> str:
        return f"Restore {self.folder} from a backup"

    def _head(self) -> Head:
        path = self.folder / HEAD
        try:
            facts = json.loads(path.read_bytes())
            return Head(int(facts["num_entries"]), str(facts["sha256"]))
        except FileNotFoundError:
            return Head()
        except (ValueError, TypeError, KeyError):
            raise ArtifactError(f"{path}: does not say how many entries there were. {self._remedy}") from None

    def _entries(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return all entries, and the sha256 of the last of the first 0, 1, 2, ... of them."""
        entries: list[dict[str, Any]] = []
        digests = [_GENESIS]
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
            if entry.get("previous") != digests[-1]:
                raise ArtifactError(f"{path}: the ledger's chain is broken here. {self._remedy}")
            digests.append(sha256(content).hexdigest())
            entries.append(entry)
        return entries, digests

    def append(self, entry: Mapping[str, Any], *, expect: int) -> int:
        """Append ``entry`` as number ``expect`` and return that number.

        Raises:
            LedgerRaceError: If the ledger no longer has exactly ``expect`` entries.
            ArtifactError: If the chain is broken, or entries were cut off.
            BusyError: If another writer holds the ledger for a minute.
        """
        with file_lock(self.folder / _LOCK, wait_s=_LOCK_WAIT_S):
            entries, head = self._read()
            if len(entries) != expect:
                landed = len(entries) - expect
                raise LedgerRaceError(f"{self.folder.name}: {landed} entries landed first. Read them, then decide")
            if head != self._head():  # a writer died between its entry and the head
                write_json(self.folder / HEAD, head._asdict())
            content = canonical_json({**entry, "number": expect, "previous": head.sha256}).encode()
            try:
                link_exclusively(self.folder / f"{expect:08d}.json", content)
            except FileExistsError:
                raise LedgerRaceError(f"{self.folder.name}: entry {expect} was taken. Read it, then decide") from None
            write_json(self.folder / HEAD, Head(expect + 1, sha256(content).hexdigest())._asdict())
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
