"""Where the registry and the online store are: SQLite beside the artifacts, Postgres and Redis on a cluster."""

import contextlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy

from components.core.errors import EnvironmentMissingError
from components.core.files import file_lock

REGISTRY, REDIS = "QF_FEAST_REGISTRY", "QF_FEAST_REDIS"
"""Environment variables with a Postgres URL and with Redis' ``host:port``; a pod gets both from a Secret."""
LOCK_WAIT_S = 120.0
_ADVISORY_LOCK = 7_164_511
"""Key of the Postgres lock under which definitions change; every host that applies takes the same one."""


def project_of(dataset: str) -> str:
    """Return the name of a dataset's project: Feast allows letters, digits and '_' only."""
    return dataset.replace("-", "_").replace(".", "_")


@dataclass(frozen=True)
class Place:
    """Where one installation keeps its feature store."""

    folder: Path
    """Local files: the embedded stores, locks and watermarks."""
    registry: str
    """SQLAlchemy URL."""
    online: dict[str, Any]
    """Feast's settings of the online store."""

    @classmethod
    def embedded(cls, folder: Path) -> "Place":
        """Return the place that needs no server."""
        online = {"type": "sqlite", "path": str(folder / "online.db")}
        return cls(folder, f"sqlite:///{folder / 'registry.sqlite'}", online)

    @classmethod
    def of(cls, folder: Path, environment: Mapping[str, str]) -> "Place":
        """Return the place that the environment names, the embedded one for what it does not name.

        Raises:
            EnvironmentMissingError: If the registry is no Postgres URL: a file registry loses concurrent updates.
        """
        here = cls.embedded(folder)
        registry, redis = environment.get(REGISTRY), environment.get(REDIS)
        if registry is not None and not registry.startswith("postgresql+psycopg://"):
            raise EnvironmentMissingError(f"{REGISTRY}: want postgresql+psycopg://user:password@host/database")
        # Feast's check of event times would refuse a restated value; what goes back, materialize does not load.
        servers = {"type": "redis", "connection_string": redis, "skip_dedup": True}
        online = here.online if redis is None else servers
        return cls(folder, registry or here.registry, online)

    def settings(self, project: str) -> dict[str, str]:
        """Return what fills the placeholders of ``feature_store.yaml``."""
        registry: dict[str, Any] = {"registry_type": "sql", "path": self.registry, "cache_ttl_seconds": 60}
        if self.registry.startswith("postgresql"):
            registry["sqlalchemy_config_kwargs"] = {"pool_pre_ping": True}
        return {"project": project, "registry": json.dumps(registry), "online": json.dumps(self.online)}

    @contextlib.contextmanager
    def changing(self, note: str) -> Generator[None]:
        """Hold the one lock under which the registry may change, on this host or on all of them.

        Raises:
            BusyError: If another process of this host holds it for longer than two minutes.
        """
        with file_lock(self.folder / "registry.lock", note, wait_s=LOCK_WAIT_S):
            if not self.registry.startswith("postgresql"):
                yield
                return
            engine = sqlalchemy.create_engine(self.registry)
            try:
                with engine.connect() as connection:
                    connection.execute(sqlalchemy.text("select pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
                    yield
            finally:
                engine.dispose()  # closing the connection gives the lock back
