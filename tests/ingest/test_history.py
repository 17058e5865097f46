"""The history of a dataset under faults: whatever happens, the last good snapshot is there and is named."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from components.core.errors import ArtifactError, BusyError, DataError
from components.core.files import file_lock
from components.market import history
from components.market.history import History, append_snapshot
from components.market.readers import read_bars
from components.market.snapshot import read_later, read_snapshot

CHILD = Path(__file__).with_name("ingest_child.py")
ASOF = datetime(2024, 12, 31, 23, tzinfo=UTC)
DATASET = "shares"


def csv(path: Path, num_days: int, *, symbol: str = "AAPL", bump: tuple[int, ...] = ()) -> Path:
    """Write that many days of bars from 2 January; the close of the days in ``bump`` is 1 higher."""
    lines = ["symbol,date,open,high,low,close,volume"]
    for number in range(num_days):
        day = date(2024, 1, 2) + timedelta(days=number)
        lines.append(f"{symbol},{day},10,13,9,{11 + (number in bump)},{100 + number}")
    path.write_text("\n".join(lines) + "\n")
    return path


class Shares:
    """One dataset in one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.history = History(root / "snapshots" / DATASET)

    def ingest(
        self, source: Path, *, asof: datetime = ASOF, max_restated: float = 0.001, symbols: tuple[str, ...] = ()
    ) -> dict[str, object]:
        bars = read_bars(str(source), symbols=symbols, asof=asof)
        return append_snapshot(
            self.history, bars, self.root / "out", source=str(source), dataset=DATASET, symbols=symbols, asof=asof,
            created=ASOF, max_restated=max_restated,
        )  # fmt: skip

    def child(self, source: Path, *, limit: int | None = None) -> "subprocess.Popen[str]":
        arguments = [str(self.root), str(source), "0.001", *([] if limit is None else [str(limit)])]
        return subprocess.Popen(
            [sys.executable, str(CHILD), *arguments],
            env={**os.environ, "PYTHONPATH": str(CHILD.parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def entries(self) -> list[dict[str, object]]:
        return self.history.ledger.read()

    def whole(self) -> list[int]:
        """Check every entry against its folder and return their numbers of rows; nothing half lies about."""
        assert not list(self.history.folder.rglob("*.tmp*"))
        return [read_snapshot(self.history.folder / str(entry["digest"]))[0].num_rows for entry in self.entries]


@pytest.fixture
def shares(tmp_path: Path) -> Shares:
    return Shares(tmp_path)


def test_a_longer_file_becomes_a_second_snapshot_that_names_the_first(shares: Shares, tmp_path: Path) -> None:
    first = shares.ingest(csv(tmp_path / "a.csv", 10))
    second = shares.ingest(csv(tmp_path / "b.csv", 15))
    assert second["increment"]["previous"] == first["digest"]
    assert second["increment"]["added"] == 5
    assert shares.whole() == [10, 15]
    assert read_snapshot(tmp_path / "out")[0].num_rows == 15


def test_a_file_that_grew_gives_the_bytes_of_the_whole_file(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    grown = shares.ingest(csv(tmp_path / "b.csv", 15))
    assert Shares(tmp_path / "other").ingest(tmp_path / "b.csv")["digest"] == grown["digest"]


def test_the_same_file_again_enters_nothing(shares: Shares, tmp_path: Path) -> None:
    source = csv(tmp_path / "a.csv", 10)
    assert shares.ingest(source)["digest"] == shares.ingest(source)["digest"]
    assert len(shares.entries) == 1


def test_a_restated_past_is_refused_with_the_first_value_and_changes_nothing(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(DataError, match=r"1 of 10 known bars changed .* AAPL 2024-01-04 close 11 -> 12") as caught:
        shares.ingest(csv(tmp_path / "b.csv", 15, bump=(2,)))
    assert "--max-restated 1" in caught.value.remedy
    assert shares.whole() == [10]
    assert not (tmp_path / "out").exists()


def test_a_few_restated_bars_below_the_threshold_are_taken_and_recorded(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    manifest = shares.ingest(csv(tmp_path / "b.csv", 10, bump=(2,)), max_restated=0.1)
    assert manifest["increment"]["restated"] == 1


def test_an_allowed_restatement_is_recorded_and_what_was_known_stays(shares: Shares, tmp_path: Path) -> None:
    first = shares.ingest(csv(tmp_path / "a.csv", 10))
    manifest = shares.ingest(csv(tmp_path / "b.csv", 15, bump=(2,)), max_restated=1.0)
    record = manifest["increment"]
    assert (record["restated"], record["restated_by_column"], record["max_restated"]) == (
        1,
        {"close": 1, "adj_close": 1},
        1.0,
    )
    assert record["restated_first"][:1] == [
        {"symbol": "AAPL", "timestamp": "2024-01-04T00:00:00+00:00", "column": "close", "old": 11.0, "new": 12.0}
    ]
    bars = read_snapshot(tmp_path / "out")[0]
    assert bars["close"].to_pylist() == [11.0] * 15
    later = read_later(tmp_path / "out")
    assert (later["close"].to_pylist(), later["known_at"].to_pylist()) == ([12.0], [ASOF])
    assert set(manifest["files"]) == {"bars.parquet", "later.parquet"}
    assert shares.ingest(tmp_path / "b.csv")["digest"] == manifest["digest"] != first["digest"]


def test_an_altered_later_version_is_refused(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    shares.ingest(csv(tmp_path / "b.csv", 10, bump=(2,)), max_restated=1.0)
    flip(tmp_path / "out" / "later.parquet")
    with pytest.raises(ArtifactError, match=r"later\.parquet: sha256 differs"):
        read_snapshot(tmp_path / "out")


def test_an_earlier_asof_is_not_compared_with_what_came_later(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 30))
    early = shares.ingest(csv(tmp_path / "b.csv", 10), asof=datetime(2024, 2, 1, tzinfo=UTC))
    assert early["increment"] == {}
    assert shares.ingest(csv(tmp_path / "c.csv", 12), asof=datetime(2024, 2, 2, tzinfo=UTC))["rows"] == 12


def test_some_symbols_are_compared_with_a_snapshot_that_holds_them(shares: Shares, tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    text = csv(tmp_path / "a.csv", 10).read_text()
    both.write_text(text + text.partition("\n")[2].replace("AAPL", "MSFT"))
    whole = shares.ingest(both)
    part = shares.ingest(both, symbols=("MSFT",))
    assert (part["rows"], part["symbols"], part["increment"]["previous"]) == (10, ["MSFT"], whole["digest"])
    assert shares.ingest(both)["increment"]["previous"] == whole["digest"]


def test_other_bars_want_another_dataset(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    rows = [f"2024-03-0{day}T14:30:00Z,10,11,9,10,100\n" for day in (1, 2, 3)]
    (tmp_path / "AAPL.csv").write_text("timestamp,open,high,low,close,volume\n" + "".join(rows))
    hours = tmp_path / "AAPL.csv"
    with pytest.raises(DataError, match="dataset of its own with --dataset"):
        shares.ingest(hours)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", ["bars.parquet", "manifest.json"])
def test_a_damaged_snapshot_is_passed_over_named_and_kept_as_evidence(
    shares: Shares, tmp_path: Path, damage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = shares.ingest(csv(tmp_path / "a.csv", 10))
    second = shares.ingest(csv(tmp_path / "b.csv", 12))
    hurt = shares.history.folder / str(second["digest"]) / name
    damage(hurt)
    third = shares.ingest(csv(tmp_path / "c.csv", 15))
    assert third["increment"]["previous"] == first["digest"]
    assert str(hurt) in third["increment"]["damaged"][0]
    assert str(hurt) in caplog.text
    assert read_snapshot(shares.history.folder / str(first["digest"]))[0].num_rows == 10
    assert read_snapshot(shares.history.folder / str(third["digest"]))[0].num_rows == 15


def test_the_same_bars_again_heal_a_damaged_snapshot(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    second = shares.ingest(csv(tmp_path / "b.csv", 12))
    flip(shares.history.folder / str(second["digest"]) / "bars.parquet")
    assert shares.ingest(tmp_path / "b.csv")["digest"] == second["digest"]
    assert shares.whole() == [10, 12]
    assert (shares.history.folder / f"{second['digest']}.damaged-1" / "bars.parquet").exists()


def test_no_intact_snapshot_at_all_is_an_error_that_says_so(shares: Shares, tmp_path: Path) -> None:
    first = shares.ingest(csv(tmp_path / "a.csv", 10))
    truncate(shares.history.folder / str(first["digest"]) / "bars.parquet")
    with pytest.raises(ArtifactError, match="no intact snapshot is left"):
        shares.ingest(csv(tmp_path / "b.csv", 12))


def test_an_edited_ledger_is_refused(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    shares.ingest(csv(tmp_path / "b.csv", 12))
    path = shares.history.ledger.folder / "00000000.json"
    path.write_text(path.read_text().replace('"rows":10', '"rows":11'))
    with pytest.raises(ArtifactError, match="chain is broken"):
        shares.ingest(csv(tmp_path / "c.csv", 15))


def test_two_at_once_of_the_same_file_agree(shares: Shares, tmp_path: Path) -> None:
    source = csv(tmp_path / "a.csv", 50)
    children = [shares.child(source) for _ in range(3)]
    digests = {child.communicate(timeout=120)[0].strip() for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
    assert digests == {shares.entries[0]["digest"]}
    assert shares.whole() == [50]


def test_two_at_once_of_different_files_come_one_after_the_other(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    short, long = csv(tmp_path / "b.csv", 20), csv(tmp_path / "c.csv", 30)
    children = [shares.child(source) for source in (short, long)]
    codes = [(child.communicate(timeout=120), child.returncode)[1] for child in children]
    rows = shares.whole()
    if rows == [10, 30]:  # the shorter one came second: to it, ten known days were gone
        assert codes == [DataError.exit_code, 0]
    else:
        assert (rows, codes) == ([10, 20, 30], [0, 0])


def test_one_that_waits_too_long_says_who_holds_the_dataset(
    shares: Shares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LOCK_WAIT_S", 0.1)
    with file_lock(shares.history.folder / "lock", "ingest shares"), pytest.raises(BusyError, match="ingest shares"):
        shares.ingest(csv(tmp_path / "a.csv", 10))


def test_a_disk_that_fills_up_at_any_file_leaves_the_last_snapshot(shares: Shares, tmp_path: Path) -> None:
    shares.ingest(csv(tmp_path / "a.csv", 10))
    source = csv(tmp_path / "b.csv", 300)
    for limit in (0, 20, 300, 1_000, 3_000):
        child = shares.child(source, limit=limit)
        _, errors = child.communicate(timeout=120)
        assert child.returncode != 0
        assert "File too large" in errors
        assert shares.whole() == [10]
    child = shares.child(source)
    child.communicate(timeout=120)
    assert child.returncode == 0
    assert shares.whole() == [10, 300]


TINY_DISK = """
set -e
mount -t tmpfs -o size=256k tmpfs "$1"
run() { "$2" "$3" "$1" "$4" 0.001; }
run "$1" "$2" "$3" "$4"
head -c 1m /dev/zero > "$1/ballast" 2> /dev/null || true
truncate -s -4k "$1/ballast"
code=0; run "$1" "$2" "$3" "$5" || code=$?
cp -r "$1/snapshots" "$6/full"
rm "$1/ballast"
run "$1" "$2" "$3" "$5"
cp -r "$1/snapshots" "$6/freed"
exit $code
"""


@pytest.mark.root
def test_a_full_disk_is_one_named_error_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    first, second = csv(tmp_path / "a.csv", 10), csv(tmp_path / "b.csv", 300)
    words = [tmp_path / "disk", sys.executable, CHILD, first, second, tmp_path]
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", TINY_DISK, "sh", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(CHILD.parents[2])}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert result.returncode == ArtifactError.exit_code, result.stderr
    assert "no room to write (No space left on device); what is there is as it was" in result.stderr
    for name, rows in (("full", [10]), ("freed", [10, 300])):
        (tmp_path / name / "snapshots").mkdir()
        shutil.move(tmp_path / name / DATASET, tmp_path / name / "snapshots" / DATASET)
        assert Shares(tmp_path / name).whole() == rows


def test_the_ingest_step_tells_the_increment(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    for name, num_days in (("a.csv", 10), ("b.csv", 12)):
        child = shares.child(csv(tmp_path / name, num_days))
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors
    facts = json.loads((tmp_path / "runs" / "child" / "ingest.json").read_text())
    assert (facts["increment"]["added"], facts["rows"]) == (2, 12)
    child = shares.child(csv(tmp_path / "c.csv", 12, bump=(3,)))
    _, errors = child.communicate(timeout=120)
    assert child.returncode == DataError.exit_code
    assert "the past was restated: 1 of 12 known bars changed" in errors
