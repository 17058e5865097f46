"""The ledger: of several writers one wins, and an edit anywhere is found."""

import multiprocessing
import multiprocessing.synchronize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import ArtifactError, LedgerRaceError
from components.core.ledger import Ledger


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


@given(entry=st.integers(0, 2), place=st.floats(0, 0.999))
def test_a_flipped_byte_anywhere_before_the_end_breaks_the_chain(
    tmp_path_factory: pytest.TempPathFactory, entry: int, place: float
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    for number in range(4):
        ledger.append({"note": f"entry {number}"}, expect=number)
    path = ledger.folder / f"{entry:08d}.json"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match="chain is broken"):
        ledger.read()


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
