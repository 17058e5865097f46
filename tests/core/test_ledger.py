"""The ledger: of several writers one wins, an edit or a cut anywhere is found, and a dead writer breaks nothing."""

import json
import multiprocessing
import multiprocessing.synchronize
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import ArtifactError, LedgerRaceError
from components.core.ledger import HEAD, Ledger


def _append(folder: Path, writer: int, rounds: int, barrier: multiprocessing.synchronize.Barrier) -> None:
    ledger = Ledger(folder)
    for number in range(rounds):
        barrier.wait(60)
        try:
            ledger.append({"writer": writer}, expect=number)
            (folder / f"won-{number}-{writer}").touch()
        except LedgerRaceError:
            pass
        barrier.wait(60)


def test_twelve_rounds_of_four_writers_have_one_winner_each(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    writers = [context.Process(target=_append, args=(tmp_path, number, 12, barrier)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    entries = Ledger(tmp_path).read()
    assert len(entries) == 12
    for number, entry in enumerate(entries):
        assert [path.name for path in tmp_path.glob(f"won-{number}-*")] == [f"won-{number}-{entry['writer']}"]


def test_a_writer_that_saw_another_length_loses(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append({"a": 1}, expect=0)
    for stale in (0, 2):
        with pytest.raises(LedgerRaceError):
            ledger.append({"a": 2}, expect=stale)
    assert [entry["a"] for entry in ledger.read()] == [1]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    ledger = Ledger(tmp_path_factory.mktemp("four"))
    for number in range(4):
        ledger.append({"note": f"entry {number}"}, expect=number)
    return ledger


@given(entry=st.integers(0, 3), place=st.floats(0, 0.999))
def test_a_flipped_byte_in_any_entry_is_found(
    four: Ledger, tmp_path_factory: pytest.TempPathFactory, entry: int, place: float
) -> None:
    folder = tmp_path_factory.mktemp("ledger") / "copy"
    shutil.copytree(four.folder, folder)
    path = folder / f"{entry:08d}.json"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=r"chain is broken|4 entries ending in"):
        Ledger(folder).read()


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_entries_that_were_cut_off_at_the_end_are_missed(four: Ledger, tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(four.folder, folder)
    for number in range(4 - cut, 4):
        (folder / f"{number:08d}.json").unlink()
    for act in (Ledger(folder).read, lambda: Ledger(folder).append({}, expect=4 - cut)):
        with pytest.raises(ArtifactError, match=f"4 entries ending in [0-9a-f]* were written, and {4 - cut} are there"):
            act()


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (None, "tells of fewer than 4 entries"),
        ({"num_entries": 2}, "does not say how many"),
        ([2], "does not say how many"),
        ({"num_entries": 9, "sha256": "0" * 64}, "9 entries ending in"),
        ({"num_entries": -1, "sha256": "0" * 64}, "-1 entries ending in"),
        ({"num_entries": 4, "sha256": "0" * 64}, "4 entries ending in"),
    ],
)
def test_a_head_that_is_gone_or_another_is_refused(four: Ledger, tmp_path: Path, head: object, words: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(four.folder, folder)
    (folder / HEAD).unlink() if head is None else (folder / HEAD).write_text(json.dumps(head))
    with pytest.raises(ArtifactError, match=words):
        Ledger(folder).read()


def _append_until(folder: Path, fatal: int) -> None:
    """Append an entry, and die as by ``kill -9`` before the ``fatal``-th change below the folder."""
    seen = 0

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event in {"os.mkdir", "os.rename", "os.link", "os.remove"}
        if event == "open" and isinstance(arguments[2], int):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and str(arguments[0]).startswith(str(folder)):
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    ledger = Ledger(folder)
    ledger.append({"by": "mortal"}, expect=len(ledger.read()))


@pytest.mark.parametrize("length", [0, 1, 3])
def test_a_writer_killed_before_any_change_leaves_a_ledger_that_goes_on(tmp_path: Path, length: int) -> None:
    context, lengths, fatal = multiprocessing.get_context("fork"), set[int](), 0
    while True:
        fatal += 1
        ledger = Ledger(tmp_path / str(fatal))
        for number in range(length):
            ledger.append({"by": "calm"}, expect=number)
        child = context.Process(target=_append_until, args=(ledger.folder, fatal))
        child.start()
        child.join(60)
        assert child.exitcode in {0, -signal.SIGKILL}
        entries = ledger.read()
        lengths.add(len(entries))
        ledger.append({"by": "next"}, expect=len(entries))
        assert [entry["by"] for entry in ledger.read()][length:] in (["next"], ["mortal", "next"])
        # Whatever the dead writer left behind, the newest entry is missed if it is cut off.
        (ledger.folder / f"{len(entries):08d}.json").unlink()
        with pytest.raises(ArtifactError, match="entries ending in"):
            ledger.read()
        if child.exitcode == 0:
            break
    assert lengths == {length, length + 1}, "some died before the ledger had it, some after"
    assert fatal > 6, "the changes were not counted"


def test_a_removed_entry_breaks_the_chain(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(3):
        ledger.append({}, expect=number)
    (tmp_path / "00000001.json").unlink()
    with pytest.raises(ArtifactError, match=r"00000001\.json"):
        ledger.read()


@pytest.mark.parametrize("name", ["00000007.json", "1a.json"])
def test_a_file_that_is_no_entry_breaks_the_chain(tmp_path: Path, name: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.append({}, expect=0)
    (tmp_path / name).write_text("{}")
    with pytest.raises(ArtifactError, match=r"00000001\.json: the ledger's chain is broken"):
        ledger.read()


def _append_all(folder: Path, writer: int, rounds: int, barrier: multiprocessing.synchronize.Barrier) -> None:
    barrier.wait(60)
    for number in range(rounds):
        entry = {"writer": writer, "round": number}
        Ledger(folder).append_if(lambda _, entry=entry: entry)


def test_four_writers_that_try_again_lose_no_entry(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    writers = [context.Process(target=_append_all, args=(tmp_path, number, 10, barrier)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    found = [(entry["writer"], entry["round"]) for entry in Ledger(tmp_path).read()]
    assert sorted(found) == [(writer, number) for writer in range(4) for number in range(10)]


def test_what_is_there_already_is_not_appended_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def once(entries: list[dict]) -> dict | None:
        return None if entries else {"a": 1}

    first, second = ledger.append_if(once), ledger.append_if(once)
    assert first == second
    assert [entry["a"] for entry in first] == [1]
