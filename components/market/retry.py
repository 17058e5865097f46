"""Try again, a bounded number of times, what may work the next time."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from components.core.errors import SourceUnreachableError

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class TransientError(Exception):
    """This try failed; another may not."""

    def __init__(self, reason: str, *, wait_s: float | None = None) -> None:
        """Keep why, and how long the other side asked to wait."""
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for a source, and how much to take from it."""

    attempts: int = 4
    """Tries of each request."""
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    """Longest silence within an answer."""
    request_timeout_s: float = 120.0
    """Longest duration of one request, answer included."""
    backoff_s: float = 0.5
    """Wait before the second try; doubled for each further one, with jitter."""
    max_wait_s: float = 60.0
    """Longest wait between two tries, also when the other side asks for more."""
    max_bytes: int = 2**31
    """Size of all files of one source together."""
    max_files: int = 10_000


def patiently(action: Callable[[], Result], patience: Patience, *, what: str) -> Result:
    """Return what ``action`` returns, trying again after each ``TransientError``.

    Raises:
        SourceUnreachableError: If the last try failed too, or the other side asks to wait too long.
    """
    for attempt in range(1, patience.attempts + 1):
        try:
            return action()
        except TransientError as error:
            wait_s = patience.backoff_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            wait_s = min(wait_s, patience.max_wait_s) if error.wait_s is None else error.wait_s
            if attempt == patience.attempts or wait_s > patience.max_wait_s:
                asked = f"; it asks to wait {wait_s:.0f} s" if wait_s > patience.max_wait_s else ""
                raise SourceUnreachableError(
                    f"{what}: {error} (try {attempt} of {patience.attempts}){asked}. Nothing was kept; run again later"
                ) from None
            log.warning("%s: %s (try %d of %d)", what, error, attempt, patience.attempts)
        time.sleep(wait_s)
    raise ValueError(f"attempts must be >= 1, was {patience.attempts}")
