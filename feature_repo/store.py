"""How the product opens, fills and reads its feature store."""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import yaml
from feast import FeatureStore
from feast.repo_config import RepoConfig

from components.core.errors import ArtifactError
from components.core.files import file_lock, read_json, write_json
from feature_repo.definitions import Definitions, definitions

APPLY_WAIT_S = 120.0


def open_store(folder: Path, project: str) -> FeatureStore:
    """Return the store whose registry and online table lie in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = resources.files("feature_repo").joinpath("feature_store.yaml").read_text(encoding="utf-8")
    filled = string.Template(text).substitute(
        project=project, registry=f"sqlite:///{folder / 'registry.sqlite'}", online=str(folder / "online.db")
    )
    return FeatureStore(config=RepoConfig(**yaml.safe_load(filled), repo_path=folder))


def apply(store: FeatureStore, features: Path, *, lock: Path) -> Definitions:
    """Register all definitions over the files in ``features`` and check that they are there.

    Raises:
        BusyError: If another process applies for longer than two minutes.
        ArtifactError: If a view or service is missing from the registry afterwards.
    """
    wanted = definitions(features)
    with file_lock(lock, "feast apply", wait_s=APPLY_WAIT_S):
        store.apply([*wanted.entities, *wanted.views, *wanted.services], skip_feature_view_validation=True)
        require(store, wanted)
    return wanted


def require(store: FeatureStore, wanted: Definitions) -> None:
    """Check that the registry lists every wanted view and service.

    Raises:
        ArtifactError: If one is missing: a truncated registry reads as an empty one, without an error.
    """
    found = {view.name for view in store.list_feature_views()} | {item.name for item in store.list_feature_services()}
    expected = {view.name for view in wanted.views} | {item.name for item in wanted.services}
    if missing := sorted(expected - found):
        raise ArtifactError(f"feature registry lists {len(found)} objects but not {', '.join(missing)}. Apply again")


def materialize(store: FeatureStore, folder: Path, *, views: Sequence[str], first: datetime, last: datetime) -> bool:
    """Load the newest values of ``views`` up to ``last`` into the online store; return False if it is newer already.

    The window always reaches back to ``first``: a late row is not lost, and the first run is a full load.
    """
    mark = folder / f"watermark-{store.project}.json"
    with file_lock(folder / "materialize.lock", "materialize", wait_s=APPLY_WAIT_S):
        before = datetime.fromisoformat(read_json(mark)["last"]) if mark.exists() else None
        if before is not None and last < before:
            return False
        store.materialize(
            start_date=first - timedelta(seconds=1), end_date=last + timedelta(seconds=1), feature_views=list(views)
        )
        write_json(mark, {"last": last.astimezone(UTC).isoformat()})
        _close_duckdb()
    return True


def _close_duckdb() -> None:
    """Close the connection that materialization opens for the whole process and leaves behind."""
    if (backend := ibis.options.default_backend) is not None:
        backend.disconnect()
        ibis.options.default_backend = None


def point_in_time(store: FeatureStore, service: str, spine: pd.DataFrame) -> pa.Table:
    """Return ``spine`` with the service's columns as they were known at its ``event_timestamp``.

    Raises:
        ArtifactError: If a row was lost or added on the way.
    """
    table = store.get_historical_features(
        entity_df=spine.copy(), features=store.get_feature_service(service), filter_by_created_timestamp=True
    ).to_arrow()
    if table.num_rows != len(spine):
        raise ArtifactError(f"{service}: {len(spine)} rows in, {table.num_rows} out. The feature store lost rows")
    return table
