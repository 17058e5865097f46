"""The key pair of the gate: the private half signs a verdict, the public half is enough to promote and to publish."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from components.core.errors import ArtifactError
from components.core.files import atomic_file
from components.core.workspace import SIGNING_KEY, VERIFY_KEY, public_path


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key in ``path``; a user's own is made on first use, one that is mounted must be there.

    Raises:
        ArtifactError: If the file is missing or holds no Ed25519 key.
    """
    if not path.exists():
        if str(path) == str(Path(os.environ.get(SIGNING_KEY, ""))):
            raise ArtifactError(
                f"{path}: no such key, though {SIGNING_KEY} names it. Mount it, or make one: "
                f"openssl genpkey -algorithm ed25519 -out {path}"
            )
        _make(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ArtifactError(f"{path}: no Ed25519 private key. Restore it, or remove it and judge again")
    public = public_path(path)
    if not public.exists() and os.access(public.parent, os.W_OK):  # a mounted secret cannot be written beside
        with atomic_file(public) as file:
            file.write(_public_pem(key))
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key in ``path``.

    Raises:
        ArtifactError: If the file is missing or holds no Ed25519 key.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(
            f"{path}: no such public key. Judge a model here, which makes one, or copy the .pub file from the "
            f"machine that judges and name it with {VERIFY_KEY}"
        ) from None
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ArtifactError(f"{path}: no Ed25519 public key. Copy it again from the signing machine")
    return key


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip


def _make(path: Path) -> None:
    """Create the private key, readable by its owner only; of several first users exactly one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    temporary = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
