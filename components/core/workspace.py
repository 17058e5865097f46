"""Where things lie below the one artifact root, and, outside it, the key pair of the gate.

The environment may name the places of the keys: ``QF_SIGNING_KEY`` the private one, such as a mounted secret, and
``QF_VERIFY_KEY`` the public one. Unnamed, they are the user's own. ``QF_TRACKING_URI`` may name a server for what
is recorded; unnamed, the record is a file below the root.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import EnvironmentMissingError, UsageError
from components.core.ledger import Ledger

SIGNING_KEY, VERIFY_KEY = "QF_SIGNING_KEY", "QF_VERIFY_KEY"
JOB_NAMESPACE = "QF_JOB_NAMESPACE"
"""Environment variable, set in pods only, with the namespace that a step may start training jobs in."""
TRACKING_URI = "QF_TRACKING_URI"
"""Not MLflow's own variable: MLflow sets that for its children whenever a client is made, of whatever root."""
TUNE_STORAGE = "QF_TUNE_STORAGE"
"""Environment variable with the URL of the database in which workers of several hosts share a search."""
_SLUG = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,79}", re.ASCII)


def slug(text: str, *, what: str) -> str:
    """Return ``text`` if it is safe as a folder and project name.

    Raises:
        UsageError: If it holds anything but a-z, 0-9, '_', '.' and '-'.
    """
    if not _SLUG.fullmatch(text):
        raise UsageError(f"{what} {text!r:.60}: use a-z, 0-9, '_', '.' and '-', at most 80, first a letter or digit")
    return text


def of_stock(dataset: str, ticker: str) -> str:
    """Return the name under which the twins of one stock of a dataset compete."""
    return slug(f"{dataset}.{ticker.lower()}", what="dataset")


def public_path(key_path: Path) -> Path:
    """Return where the public key of a private key lies: beside it, ``.pub``."""
    return key_path.with_suffix(".pub")


def _own_key() -> Path:
    settings = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    try:
        home = settings if settings.is_absolute() else Path.home() / ".config"
    except RuntimeError:
        raise EnvironmentMissingError(f"this user has no home to keep a key in. Name one with {SIGNING_KEY}") from None
    return home / "quantfoundry" / "verdict.pem"


@dataclass(frozen=True)
class Workspace:
    """The folders of one installation."""

    root: Path

    @classmethod
    def at(cls, root: str) -> "Workspace":
        """Return the workspace at a path, made absolute."""
        return cls(Path(root).expanduser().resolve())

    def run(self, run_key: str) -> Path:
        """The folder of one run: logs, progress, checkpoints, results."""
        return self.root / "runs" / slug(run_key, what="run key")

    def forecaster(self, name: str) -> Path:
        """The folder with the weights of one forecaster, which somebody puts or mounts there."""
        return self.root / "forecasters" / name

    def forecasts(self, identity: str) -> Path:
        """The folder with what one forecaster said, whoever asked."""
        return self.root / "forecasts" / identity

    def snapshots(self, dataset: str) -> Path:
        """The folder of one dataset: its snapshots by digest, and the ledger of them."""
        return self.root / "snapshots" / slug(dataset, what="dataset")

    def model(self, family: str, dataset: str) -> Path:
        """The folder of one registered model: immutable versions and ``latest.json``."""
        return self.root / "models" / family / slug(dataset, what="dataset")

    def promotions(self, family: str, dataset: str) -> Ledger:
        """The promotions of one registered model: the truth that aliases are derived from."""
        return Ledger(self.root / "ledger" / "promotions" / family / slug(dataset, what="dataset"))

    def trials(self, family: str, dataset: str) -> Ledger:
        """Every model that was looked at, on which days, and how good it looked."""
        return Ledger(self.root / "ledger" / "trials" / family / slug(dataset, what="dataset"))

    def monitoring(self, family: str, dataset: str) -> Path:
        """The newest request of the monitor about one registered model."""
        return self.root / "monitoring" / family / slug(dataset, what="dataset") / "request.json"

    def listed(self, kind: str, family: str) -> list[str]:
        """The datasets on which the family has a ledger of a kind: promotions, trials or holdouts."""
        folder = self.root / "ledger" / kind / family
        return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []

    def holdouts(self, family: str, dataset: str) -> Ledger:
        """Every opening of a sealed holdout: for which bundle, and which days."""
        return Ledger(self.root / "ledger" / "holdouts" / family / slug(dataset, what="dataset"))

    @property
    def feast(self) -> Path:
        """The registry and the online store of the features."""
        return self.root / "feast"

    @property
    def mlflow_uri(self) -> str:
        """The tracking store and registry: the server that the environment names, else a file."""
        return os.environ.get(TRACKING_URI) or f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps the files of its runs."""
        return self.root / "mlflow" / "artifacts"

    @property
    def signing_key(self) -> Path:
        """The private key of the gate.

        Raises:
            UsageError: If it lies below the root: who can write models there could also let them in.
            EnvironmentMissingError: If none is named and this user has no home.
        """
        named = os.environ.get(SIGNING_KEY)
        return self._outside(Path(named) if named else _own_key(), SIGNING_KEY)

    @property
    def verify_key(self) -> Path:
        """The public key of the gate: the one named, or the one beside the private key.

        Raises:
            UsageError: As in ``signing_key``.
            EnvironmentMissingError: As in ``signing_key``.
        """
        named = os.environ.get(VERIFY_KEY)
        return self._outside(Path(named), VERIFY_KEY) if named else public_path(self.signing_key)

    def _outside(self, key: Path, variable: str) -> Path:
        if key.resolve().is_relative_to(self.root):
            raise UsageError(
                f"{key}: the gate's key lies below the artifact root {self.root}, and who can write models there could "
                f"let them in too. Name a place outside with {variable}"
            )
        return key
