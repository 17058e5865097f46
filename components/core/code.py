"""Which code this is: the digest of the product's own source."""

from functools import cache
from pathlib import Path

from components.core.files import digest_of, sha256_of

CODE_LABEL = "quantfoundry.code"
"""The label by which a container image says which code it holds."""
FOLDERS = ("components", "feature_repo", "pipelines")


@cache
def code_digest() -> str:
    """Return the digest of every Python file of the product that is installed here."""
    top = Path(__file__).parents[2]
    files = sorted(path for name in FOLDERS for path in (top / name).rglob("*.py"))
    return digest_of({path.relative_to(top).as_posix(): sha256_of(path) for path in files})
