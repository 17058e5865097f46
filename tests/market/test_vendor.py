"""HTTP vendors that fail in every way: bounded tries, one named error, nothing half, and no secret in sight."""

import gzip
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pytest
from faulty_server import Answer, Faulty, serving

from components.core.errors import DataError, QuantfoundryError, SourceUnreachableError, UsageError
from components.market import vendor
from components.market.readers import read_bars
from components.market.retry import Patience

ASOF = datetime(2025, 1, 1, tzinfo=UTC)
CSV = b"date,open,high,low,close,volume\n2024-01-02,10,11,9,10.5,100\n2024-01-03,10,11,9,10.5,100\n"
SECRET = "s3cr3t+token/with=signs"  # noqa: S105 - of no vendor
QUICK = Patience(read_timeout_s=0.3, connect_timeout_s=0.3, request_timeout_s=1.0, backoff_s=0.01, max_wait_s=2.0)


def files(method: str, path: str, headers: Mapping[str, str]) -> Answer:
    return Answer(200, CSV, {"Content-Type": "text/csv"}) if ".csv" in path else Answer(404, b"none")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    for name in (vendor.TOKEN, vendor.TOKEN_FILE, vendor.HOST):
        monkeypatch.delenv(name, raising=False)
    with serving(Faulty(files)) as faulty:
        yield faulty


def fetched(server: Faulty, folder: Path, *, symbols: tuple[str, ...] = ("AAPL",), patience: Patience = QUICK) -> bytes:
    [(path, _)] = vendor.fetch(server.url + "/{symbol}.csv", symbols, folder, patience)
    return path.read_bytes()


def test_each_symbol_is_one_request_and_one_file(server: Faulty) -> None:
    bars = read_bars(server.url + "/bars/{symbol}.csv", symbols=("KO", "AAPL"), asof=ASOF, patience=QUICK)
    assert bars.table["symbol"].to_pylist() == ["AAPL", "AAPL", "KO", "KO"]
    assert [path for path, _ in server.asked] == ["/bars/AAPL.csv", "/bars/KO.csv"]
    assert [(Path(item.name).name, item.num_bytes) for item in bars.inputs] == [
        ("AAPL.csv", len(CSV)),
        ("KO.csv", len(CSV)),
    ]


def test_an_address_without_a_symbol_is_one_file(server: Faulty) -> None:
    assert read_bars(server.url + "/MSFT.csv", asof=ASOF, patience=QUICK).table["symbol"][0].as_py() == "MSFT"


@pytest.mark.parametrize(
    "fault", [Answer(500, b""), Answer(503, b""), Answer(429, b""), "hang", "short", "reset", "drip"]
)
def test_two_faults_and_then_the_file_is_a_success(server: Faulty, tmp_path: Path, fault: str | Answer) -> None:
    server.script = [fault, fault]
    assert fetched(server, tmp_path) == CSV
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Answer(500, b""), "HTTP 500"), (Answer(429, b""), "HTTP 429"), ("hang", "Timeout"),
        ("short", "IncompleteRead"), ("reset", "ConnectionError"), ("drip", "not done in time"),
    ],
)  # fmt: skip
def test_a_fault_that_stays_is_one_named_error_after_bounded_tries(
    server: Faulty, tmp_path: Path, fault: str | Answer, says: str
) -> None:
    server.script = [fault] * 10
    with pytest.raises(SourceUnreachableError, match="try 4 of 4") as caught:
        fetched(server, tmp_path)
    assert says in str(caught.value)
    assert len(server.asked) == 4
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(401, b""), "HTTP 401, the credentials were refused"),
        (Answer(403, b""), "HTTP 403, the credentials were refused"),
        (Answer(404, b""), "HTTP 404"),
        (Answer(418, b""), "HTTP 418"),
        (Answer(200, b""), "the answer is empty"),
        (Answer(200, b"<!doctype html><title>Log in</title>"), "answers with HTML, not CSV"),
        (Answer(200, b'{"Information": "rate limit is 25 a day"}'), "rate limit is 25 a day"),
    ],
)
def test_what_another_try_cannot_help_is_refused_at_once(
    server: Faulty, tmp_path: Path, answer: Answer, says: str
) -> None:
    server.script = [answer]
    with pytest.raises(DataError, match=says):
        fetched(server, tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_wait_that_a_vendor_asks_for_is_kept_up_to_a_limit(server: Faulty, tmp_path: Path, form: str) -> None:
    hour = "3600" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.script = [Answer(429, b"", {"Retry-After": hour})]
    with pytest.raises(SourceUnreachableError, match=r"asks to wait (3600|3599) s"):
        fetched(server, tmp_path)
    server.script = [Answer(429, b"", {"Retry-After": "0"})]
    assert fetched(server, tmp_path) == CSV


def test_a_compressed_answer_is_unpacked_and_its_size_counts(server: Faulty, tmp_path: Path) -> None:
    packed = Answer(200, gzip.compress(CSV), {"Content-Encoding": "gzip"})
    server.script = [packed, Answer(200, gzip.compress(CSV * 10_000), {"Content-Encoding": "gzip"})]
    assert fetched(server, tmp_path) == CSV
    with pytest.raises(DataError, match="more than 1000 bytes"):
        fetched(server, tmp_path, patience=replace(QUICK, max_bytes=1000))


def test_a_redirect_within_the_host_is_followed_and_one_to_another_is_not(server: Faulty, tmp_path: Path) -> None:
    server.script = [Answer(302, b"", {"Location": "/moved/AAPL.csv"})]
    assert fetched(server, tmp_path) == CSV
    server.script = [Answer(302, b"", {"Location": "https://elsewhere.example/AAPL.csv"})]
    with pytest.raises(DataError, match=r"redirects to https://elsewhere\.example"):
        fetched(server, tmp_path)
    server.script = [Answer(302, b"", {"Location": "/AAPL.csv"})] * 9
    with pytest.raises(DataError, match="more than 3 redirects"):
        fetched(server, tmp_path)


def test_the_token_goes_to_the_host_that_is_named_and_to_no_other(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(vendor.TOKEN, SECRET)
    fetched(server, tmp_path)
    monkeypatch.setenv(vendor.HOST, urlsplit(server.url).netloc)
    fetched(server, tmp_path)
    assert [headers.get("Authorization") for _, headers in server.asked] == [None, f"Bearer {SECRET}"]


def declared(server: Faulty) -> list[vendor.Vendor]:
    return [replace(vendor.VENDORS[0], url=server.url + "/query.csv")]


def test_a_declared_vendor_gets_its_parameters_and_the_token_from_a_mounted_file(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    monkeypatch.setenv(vendor.TOKEN_FILE, str(tmp_path / "token"))
    source = "vendor://alpha-vantage?symbols=AAPL,KO"
    found = vendor.fetch(source, (), tmp_path, QUICK, vendors=declared(server))
    assert [path.name for path, _ in found] == ["AAPL.csv", "KO.csv"]
    assert parse_qs(urlsplit(server.asked[1][0]).query) == {
        "function": ["TIME_SERIES_DAILY_ADJUSTED"], "outputsize": ["full"], "datatype": ["csv"], "symbol": ["KO"],
        "apikey": [SECRET],
    }  # fmt: skip
    assert [name for _, name in found] == ["vendor://alpha-vantage/AAPL.csv", "vendor://alpha-vantage/KO.csv"]


@pytest.mark.parametrize(
    "fault", [Answer(500, b""), Answer(401, b""), Answer(200, b'{"your key": "KEY"}'), "hang", "short", "reset"]
)
def test_no_error_and_no_log_line_holds_the_token(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    fault: str | Answer,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(vendor.TOKEN, SECRET)
    if isinstance(fault, Answer):
        fault = fault._replace(body=fault.body.replace(b"KEY", SECRET.encode()))
    server.script = [fault] * 10
    with pytest.raises(QuantfoundryError) as caught:
        vendor.fetch("vendor://alpha-vantage", ("AAPL",), tmp_path, QUICK, vendors=declared(server))
    for secret in (SECRET, "s3cr3t"):
        assert secret not in str(caught.value) + caplog.text
        assert secret in unquote_plus(str(server.asked))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("vendor://nobody", "no such vendor. There is alpha-vantage"),
        ("vendor://alpha-vantage?key=1", "the only key is symbols"),
        ("vendor://alpha-vantage", "QF_VENDOR_TOKEN_FILE to a file"),
        ("https://host.example/{symbol}.csv", "--symbols AAPL,KO"),
        ("https://host.example/data", "want {symbol} in it"),
        ("http://host.example/{symbol}.csv", "unencrypted"),
        ("https://user:s3cr3t@host.example/{symbol}.csv", "host.example carries credentials"),
        ("https://host.example/{symbol}.csv?apikey=s3cr3t", "carries 'apikey'"),
    ],
)
def test_a_source_that_cannot_work_says_how_it_could(server: Faulty, source: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_bars(source, asof=ASOF, patience=QUICK)
    assert says in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "naïve"])
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv(vendor.TOKEN, token)
    with pytest.raises(UsageError, match="characters that no token has") as caught:
        vendor.fetch("vendor://alpha-vantage", ("AAPL",), tmp_path, QUICK, vendors=declared(server))
    assert token not in str(caught.value)


def test_a_missing_secret_file_is_named_by_its_variable(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(vendor.TOKEN_FILE, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="QF_VENDOR_TOKEN_FILE: FileNotFoundError"):
        vendor.fetch("vendor://alpha-vantage", ("AAPL",), tmp_path, QUICK, vendors=declared(server))
