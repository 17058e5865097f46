"""CSV files of HTTP vendors: one request per symbol, with a token that goes to the vendor's host only.

A vendor is a row of ``VENDORS``, or any https address with ``{symbol}`` in it. The token is read
from ``QF_VENDOR_TOKEN`` or from the file that ``QF_VENDOR_TOKEN_FILE`` names (a mounted secret); an
address that is no row of the table gets it only if its host is ``QF_VENDOR_HOST``.
"""

import email.utils
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import parse_qs, quote, quote_plus, urljoin, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from components.core.errors import DataError, UsageError
from components.core.files import checked_symbol
from components.market.retry import Patience, TransientError, patiently

TOKEN: Final = "QF_VENDOR_TOKEN"  # noqa: S105 - the variable's name
TOKEN_FILE: Final = "QF_VENDOR_TOKEN_FILE"  # noqa: S105 - the variable's name
HOST: Final = "QF_VENDOR_HOST"
SCHEMES: Final = ("vendor", "https", "http")
ENDINGS: Final = (".csv", ".parquet", ".pq")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_READ_BYTES: Final = 1 << 16
_MAX_REDIRECTS: Final = 3
_SHOWN: Final = 120


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Where a vendor's CSV files are, and how it wants to be told who asks."""

    name: str
    url: str
    """With ``{symbol}`` where the symbol goes, here or in ``parameters``."""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    token_parameter: str = ""
    """Query parameter of the token; empty: a bearer token in the header."""
    declared: bool = True
    """Whether it is a row of the table: those want the token, and it goes to their host."""


VENDORS: Final = (
    Vendor(
        name="alpha-vantage",
        url="https://www.alphavantage.co/query",
        parameters={
            "function": "TIME_SERIES_DAILY_ADJUSTED",
            "outputsize": "full",
            "datatype": "csv",
            "symbol": "{symbol}",
        },
        token_parameter="apikey",  # noqa: S106 - the parameter's name
    ),
)


def fetch(
    source: str, symbols: Sequence[str], folder: Path, patience: Patience, *, vendors: Sequence[Vendor] = VENDORS
) -> list[tuple[Path, str]]:
    """Return the files that were fetched into ``folder``, one per symbol, with their addresses.

    Raises:
        UsageError: If there is no such vendor, or symbols or the token are missing.
        DataError: If the vendor refuses, or answers with something that is no table.
        SourceUnreachableError: If it does not answer, or not in full, after all tries.
    """
    vendor, asked = _vendor(source, vendors)
    token = _token(vendor)
    symbols = [checked_symbol(symbol, file=source) for symbol in (asked or symbols)]
    templated = "{symbol}" in vendor.url or "{symbol}" in vendor.parameters.values()
    if templated and not symbols:
        raise UsageError(f"{source!r:.120}: name the symbols to fetch with --symbols AAPL,KO")
    session = requests.Session()
    session.auth = _Token(token, vendor.token_parameter)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # at DEBUG it logs whole addresses
    files: list[tuple[Path, str]] = []
    room = patience.max_bytes
    for symbol in symbols if templated else [""]:
        url = vendor.url.replace("{symbol}", symbol)
        parameters = {key: value.replace("{symbol}", symbol) for key, value in vendor.parameters.items()}
        path = folder / (f"{symbol}.csv" if templated else PurePosixPath(urlsplit(url).path).name)
        answer = _Answer(session, url, parameters, path, token=token, room=room)
        patiently(lambda answer=answer: answer.fetch(patience), patience, what=answer.name)
        room -= path.stat().st_size
        files.append((path, f"vendor://{vendor.name}/{path.name}" if templated else source.partition("?")[0]))
    session.close()
    return files


def _vendor(source: str, vendors: Sequence[Vendor]) -> tuple[Vendor, list[str]]:
    """Return the vendor that an address means and the symbols that it names."""
    parts = urlsplit(source)
    if parts.scheme != "vendor":
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise UsageError(f"{parts.hostname}: unencrypted. Use https://")
        if "{symbol}" not in source and PurePosixPath(parts.path).suffix.lower() not in ENDINGS:
            raise UsageError(f"{source!r:.120}: want {{symbol}} in it, or a name that ends in {' or '.join(ENDINGS)}")
        return Vendor(name=parts.netloc, url=source, declared=False), []
    query = parse_qs(parts.query)
    if set(query) - {"symbols"}:
        raise UsageError(f"{source!r:.120}: the only key is symbols, such as ?symbols=AAPL,KO")
    symbols = [item for text in query.get("symbols", []) for item in text.split(",") if item]
    for vendor in vendors:
        if vendor.name == parts.netloc:
            return vendor, symbols
    raise UsageError(f"{source!r:.120}: no such vendor. There is {', '.join(vendor.name for vendor in vendors)}")


def _token(vendor: Vendor) -> str:
    """Return the token that this vendor may see, or an empty text."""
    if not vendor.declared and urlsplit(vendor.url).netloc != os.environ.get(HOST):
        return ""
    token = os.environ.get(TOKEN, "")
    if not token and TOKEN_FILE in os.environ:
        try:
            token = Path(os.environ[TOKEN_FILE]).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{TOKEN_FILE}: {type(error).__name__}. Mount a file that holds the token") from None
    if vendor.declared and not token:
        raise UsageError(f"{vendor.name} wants a token. Set {TOKEN}, or {TOKEN_FILE} to a file that holds it")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(f"{TOKEN}: holds characters that no token has. Set it again")
    return token


class _Token(AuthBase):
    """Adds the token to a request; being there, it also keeps ``.netrc`` from being read."""

    def __init__(self, token: str, parameter: str) -> None:
        self._token, self._parameter = token, parameter

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token and self._parameter:
            r.prepare_url(r.url, {self._parameter: self._token})  # pyright: ignore[reportUnknownMemberType]
        elif self._token:
            r.headers["Authorization"] = f"Bearer {self._token}"
        return r


class _Answer:
    """One file of a vendor, fetched to ``path`` whole or not at all."""

    def __init__(
        self, session: requests.Session, url: str, parameters: dict[str, str], path: Path, *, token: str, room: int
    ) -> None:
        self._session, self._url, self._parameters = session, url, parameters
        self._path, self._token, self._room = path, token, room
        self.name = url.partition("?")[0] + (f" {path.stem}" if parameters else "")

    def fetch(self, patience: Patience) -> None:
        """Fetch it once."""
        deadline = time.monotonic() + patience.request_timeout_s
        url, parameters = self._url, self._parameters
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                with self._session.get(
                    url,
                    params=parameters,
                    timeout=(patience.connect_timeout_s, patience.read_timeout_s),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    if not response.is_redirect:
                        self._check(response)
                        self._save_whole(response, deadline)
                        return
                    url, parameters = self._redirected(url, response), {}
        except (requests.RequestException, HTTPError, OSError) as error:
            raise TransientError(self._masked(f"{type(error).__name__} {error}")) from None
        raise DataError(f"more than {_MAX_REDIRECTS} redirects", file=self.name, remedy="Check the address")

    def _masked(self, text: str) -> str:
        if self._token:
            for form in (self._token, quote(self._token, safe=""), quote_plus(self._token)):
                text = text.replace(form, "***")
        return text[:_SHOWN]

    def _redirected(self, url: str, response: requests.Response) -> str:
        target = urljoin(url, response.headers["Location"])
        old, new = urlsplit(url), urlsplit(target)
        if (new.scheme, new.netloc) != (old.scheme, old.netloc):
            where = self._masked(f"{new.scheme}://{new.hostname}")
            raise DataError(f"redirects to {where}", file=self.name, remedy="Use the address where the files are")
        return target

    def _check(self, response: requests.Response) -> None:
        """Raise unless the status promises a file."""
        status = response.status_code
        if status in (408, 429) or status >= 500:  # noqa: PLR2004
            raise TransientError(f"HTTP {status}", wait_s=_retry_after(response.headers.get("Retry-After", "")))
        if status in (401, 403):
            problem = f"HTTP {status}, the credentials were refused"
            raise DataError(problem, file=self.name, remedy=f"Set {TOKEN} or {TOKEN_FILE}; see {HOST} for other hosts")
        if status == 404:  # noqa: PLR2004
            raise DataError("HTTP 404", file=self.name, remedy="Check the symbol and the address")
        if status != 200:  # noqa: PLR2004
            raise DataError(f"HTTP {status}", file=self.name, remedy="Check the address")

    def _save_whole(self, response: requests.Response, deadline: float) -> None:
        try:
            self._save(response, deadline)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise

    def _save(self, response: requests.Response, deadline: float) -> None:
        """Write the body to the file, checking its length, its size, its duration and its first bytes."""
        num_bytes = 0
        with self._path.open("wb") as file:
            while content := response.raw.read1(_READ_BYTES, decode_content=True):
                if num_bytes == 0:
                    self._refuse_no_table(content)
                num_bytes += len(content)
                if num_bytes > self._room:
                    remedy = "Ask for fewer symbols or days"
                    raise DataError(f"more than {self._room} bytes", file=self.name, remedy=remedy)
                if time.monotonic() > deadline:
                    raise TransientError(f"not done in time, {num_bytes} bytes so far")
                file.write(content)
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and response.raw.tell() != int(announced):
            raise TransientError(f"{response.raw.tell()} of {announced} bytes came")
        if num_bytes == 0:
            raise DataError("the answer is empty", file=self.name, remedy="Check the symbol and the address")

    def _refuse_no_table(self, content: bytes) -> None:
        start = content.lstrip()[:1]
        if start in (b"<", b"{", b"["):
            said = self._masked(" ".join(content[:400].decode(errors="replace").split()))
            kind = "HTML" if start == b"<" else "JSON"
            raise DataError(f"answers with {kind}, not CSV: {said!r}", file=self.name, remedy="It may name the reason")


def _retry_after(text: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait, if it does."""
    if text.isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
