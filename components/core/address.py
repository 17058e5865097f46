"""Addresses of data: they are logged and kept in manifests, so they hold no secrets."""

import re
from urllib.parse import parse_qsl

from components.core.errors import UsageError

_SECRET = re.compile(r"(?i)(token|api_?key|password|passwd|secret|signature|credential|authorization|sig)\Z")


def refuse_credentials(source: str) -> None:
    """Refuse an address with a user, a password or a token in it.

    Raises:
        UsageError: If there is any; its value is not repeated.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return
    place, _, query = rest.partition("?")
    host = place.partition("/")[0]
    if "@" in host:
        host = host.rpartition("@")[2]
        raise UsageError(f"{scheme}://{host:.80} carries credentials. Give them by the environment instead")
    for key, _ in parse_qsl(query, keep_blank_values=True):
        if _SECRET.search(key):
            raise UsageError(f"{scheme}://{host:.80} carries {key!r:.40}. Give it by the environment instead")
