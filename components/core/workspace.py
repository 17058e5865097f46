"""Where things lie below the one artifact root."""

import re
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import UsageError
from components.core.ledger import Ledger

_SLUG = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,79}", re.ASCII)


def slug(text: str, *, what: str) -> str:
    """Return ``text`` if it is safe as a folder and project name.

    Raises:
        UsageError: If it holds anything but a-z, 0-9, '_', '.' and '-'.
    """
    if not _SLUG.fullmatch(text):
        raise UsageError(f"{what} {text!r:.60}: use a-z, 0-9, '_', '.' and '-', at most 80, first a letter or digit")
    return text


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

    def holdouts(self, family: str, dataset: str) -> Ledger:
        """Every opening of a sealed holdout: for which bundle, and which days."""
        return Ledger(self.root / "ledger" / "holdouts" / family / slug(dataset, what="dataset"))

    @property
    def feast(self) -> Path:
        """The registry and the online store of the features."""
        return self.root / "feast"

    @property
    def mlflow_uri(self) -> str:
        """The tracking store."""
        return f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps the files of its runs."""
        return self.root / "mlflow" / "artifacts"

    @property
    def signing_key(self) -> Path:
        """The private key of the gate, outside the folders that hold artifacts."""
        return self.root / "keys" / "verdict.pem"
