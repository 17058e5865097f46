"""The check of ``manifests/``: every overlay is built and every object in it held to a schema and to our rules."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "manifests"
OVERLAYS: Final = ("kind", "production", "gke", "eks", "aks", "bare-metal")
"""What is applied as it is; the parts that it is made of are checked inside it."""
JOBS: Final = ("mlflow-upgrade", "workspace-check", "shell")
"""What runs once, by hand, beside an overlay."""

SECRETS: Final = {
    "qf-mlflow-server": {"backend-uri", "flask-secret-key", "admin-password", "basic_auth.ini"},
    "qf-mlflow-client": {"username", "password"},
    "qf-feast": {"registry", "redis"},
    "qf-object-store": {"access-key-id", "secret-access-key", "endpoint"},
    "qf-postgres": {"password"},
    "qf-signing-key": {"verdict.pem"},
    "qf-verify-key": {"verdict.pub"},
    "qf-vendor": {"token"},
    "qf-tune": {"storage"},
}
"""The Secrets that an installation is given, with their keys; ``qf-postgres`` only where Postgres runs inside."""
