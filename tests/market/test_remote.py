"""Object storage: a real S3 server process on loopback, and a proxy before it that fails as it is told."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faulty_server import Answer, Faulty, forward_to, serving

from components.core.errors import DataError, SourceUnreachableError, UsageError
from components.core.files import sha256_of
from components.market import remote
from components.market.bars import Bars
from components.market.readers import read_bars
from components.market.retry import Patience
from components.market.synthetic import MarketSpec, market

ASOF = datetime(2025, 1, 1, tzinfo=UTC)
CSV = "date,open,high,low,close,volume\n2024-01-02,10,11,9,10.5,100\n2024-01-03,10,11,9,10.5,100\n"
QUICK = Patience(read_timeout_s=0.5, connect_timeout_s=0.5, request_timeout_s=1.0, backoff_s=0.01)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def s3_port() -> Iterator[int]:
    """An S3 server in a process of its own."""
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **CREDENTIALS},
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        child.terminate()
        child.wait(timeout=30)


@pytest.fixture(scope="module")
def bars_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough bars for an object of several pieces."""
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    table = market(MarketSpec(symbols=30, days=500))
    sessions = table.set_column(1, "date", table["timestamp"].cast(pa.date32())).drop_columns(["known_at"])
    pq.write_table(sessions, path, compression="none")
    return path


@pytest.fixture
def server(s3_port: int, bars_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """The proxy; the bucket ``market`` holds bars.parquet and the folder shares/ with two CSV files and a note."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    direct = fsspec.filesystem("s3", endpoint_url=f"http://127.0.0.1:{s3_port}", skip_instance_cache=True)
    if not direct.exists("market"):
        direct.mkdir("market")
        direct.put_file(str(bars_file), "market/bars.parquet")
        for name in ("AAPL.csv", "KO.csv", "README.txt", "deeper/MSFT.csv"):
            direct.pipe_file(f"market/shares/{name}", CSV.encode())
    faulty = Faulty(forward_to(s3_port), scripted=lambda method, path: method == "GET" and "list-type" not in path)
    with serving(faulty):
        monkeypatch.setenv("AWS_ENDPOINT_URL", faulty.url)
        monkeypatch.setattr(remote, "CHUNK_BYTES", 400_000)
        yield faulty


def read(source: str, patience: Patience = QUICK) -> Bars:
    return read_bars(source, asof=ASOF, patience=patience)


def test_one_parquet_object_is_the_file(server: Faulty, bars_file: Path) -> None:
    bars = read("s3://market/bars.parquet")
    assert bars.table.equals(read(str(bars_file)).table)
    [item] = bars.inputs
    assert (item.name, item.sha256, item.rows) == ("s3://market/bars.parquet", sha256_of(bars_file), 15_000)
    pieces = {headers["Range"] for path, headers in server.asked if "Range" in headers}  # a slow one is asked twice
    assert len(pieces) == -(-bars_file.stat().st_size // 400_000)
    assert len(pieces) > 2


@pytest.mark.parametrize("prefix", ["s3://market/shares", "s3://market/shares/"])
def test_a_prefix_is_the_csv_objects_right_below_it(server: Faulty, prefix: str) -> None:
    bars = read(prefix)
    assert [item.name for item in bars.inputs] == ["s3://market/shares/AAPL.csv", "s3://market/shares/KO.csv"]
    assert bars.table["symbol"].unique().to_pylist() == ["AAPL", "KO"]


@pytest.mark.parametrize("fault", [Answer(500, b""), Answer(503, b""), "hang", "short", "reset"])
def test_two_faults_and_then_the_object_is_a_success(server: Faulty, fault: str | Answer, bars_file: Path) -> None:
    server.script = ["ok", fault, fault]
    assert read("s3://market/bars.parquet").inputs[0].sha256 == sha256_of(bars_file)
    assert server.script == []


@pytest.mark.promise("S0-55")
@pytest.mark.parametrize("fault", [Answer(500, b""), Answer(503, b""), "hang", "short", "reset", "drip"])
def test_a_fault_that_stays_is_one_named_error_and_no_file(
    server: Faulty, fault: str | Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server.script = ["ok", *[fault] * 50]
    with pytest.raises(
        SourceUnreachableError, match=r"s3://market/bars\.parquet: .*try 3 of 3.*Nothing was kept"
    ) as caught:
        read("s3://market/bars.parquet", replace(QUICK, attempts=3))
    assert len(server.script) in (50 - 3, 50 - 6)  # the library dials once more where a connection was reset
    assert "s3cr3t" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_object_or_a_bucket_that_is_not_there_is_named(server: Faulty) -> None:
    for source in ("s3://market/nowhere.parquet", "s3://no-such-bucket/bars.parquet", "s3://market/nowhere/"):
        with pytest.raises(DataError, match="no such object or bucket"):
            read(source)
    assert server.script == []


DENIED = Answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")


def test_access_denied_is_said_at_once(server: Faulty) -> None:
    server.script = [DENIED] * 9
    with pytest.raises(DataError, match=r"access denied .* environment, profile or role"):
        read("s3://market/bars.parquet")
    assert len(server.script) == 8


def test_without_credentials_it_says_so(server: Faulty, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(DataError, match="no credentials were found"):
        read("s3://market/bars.parquet")


def test_an_object_that_is_too_large_is_refused_before_it_is_fetched(server: Faulty) -> None:
    with pytest.raises(DataError, match="at most 1000 are left"):
        read("s3://market/bars.parquet", replace(QUICK, max_bytes=1000))
    assert not [path for path, headers in server.asked if "Range" in headers]
    with pytest.raises(DataError, match=r"KO\.csv: .* at most 10 are left"):
        read("s3://market/shares", replace(QUICK, max_bytes=len(CSV) + 10))


def test_more_objects_than_allowed_are_refused(server: Faulty) -> None:
    with pytest.raises(DataError, match="2 objects, at most 1"):
        read("s3://market/shares", replace(QUICK, max_files=1))


def test_an_object_that_changes_while_it_is_read_is_refused(server: Faulty, s3_port: int, bars_file: Path) -> None:
    direct = fsspec.filesystem("s3", endpoint_url=f"http://127.0.0.1:{s3_port}", skip_instance_cache=True)
    direct.put_file(str(bars_file), "market/moving.parquet")
    plain = server.answer

    def changing(method: str, path: str, headers) -> Answer:
        if method == "GET" and headers.get("Range", "").startswith("bytes=400000-"):
            content = bytearray(bars_file.read_bytes())
            content[-1] ^= 1
            direct.pipe_file("market/moving.parquet", bytes(content))
        return plain(method, path, headers)

    server.answer = changing
    with pytest.raises(DataError, match="changed while it was read"):
        read("s3://market/moving.parquet")


def test_nobody_listening_is_one_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SourceUnreachableError, match="EndpointConnectionError"):
        read("s3://market/bars.parquet")


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match=r"s3://bucket carries credentials") as caught:
        read("s3://somebody:s3cr3t@bucket/bars.parquet")
    assert "s3cr3t" not in str(caught.value)


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    system = fsspec.filesystem(request.param)
    top = "/market" if request.param == "memory" else str(tmp_path / "market")
    system.makedirs(top + "/shares")
    for name in ("AAPL.csv", "KO.csv"):
        system.pipe_file(f"{top}/shares/{name}", CSV.encode())
    yield lambda name: f"{request.param}://{top}/{name}"
    system.rm(top, recursive=True)


def test_memory_and_files_are_read_alike(place: Callable[[str], str]) -> None:
    assert read(place("shares/AAPL.csv")).table.num_rows == 2
    assert len(read(place("shares")).inputs) == 2
    with pytest.raises(DataError, match="no such object"):
        read(place("shares/MSFT.csv"))
    with pytest.raises(DataError, match="no such object"):
        read(place("nowhere"))
