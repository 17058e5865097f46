"""How the product opens, fills and reads its feature store."""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

import pandas as pd
import pyarrow as pa
import yaml
from feast import FeatureStore
from feast.repo_config import RepoConfig

from components.core.errors import ArtifactError
from components.core.files import file_lock
from feature_repo.asof import known_rows
from feature_repo.definitions import Definitions, definitions
from feature_repo.place import Place
from feature_repo.watermark import Watermark, prints

MATERIALIZE_WAIT_S = 120.0


def open_store(place: Place, project: str) -> FeatureStore:
    """Return the store at ``place``; its registry's tables are made on first use.

    Raises:
        BusyError: If another process changes the registry for longer than two minutes.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    text = resources.files("feature_repo").joinpath("feature_store.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(string.Template(text).substitute(place.settings(project)))
    with place.changing("open"):
        store = FeatureStore(config=RepoConfig(**values, repo_path=place.folder))
        store.list_projects()
    return store


def apply(store: FeatureStore, place: Place, features: Path) -> Definitions:
    """Register all definitions over the files in ``features`` and check that they are there.

    Raises:
        BusyError: If another process changes the registry for longer than two minutes.
        ArtifactError: If a view or service is missing from the registry afterwards.
    """
    wanted = definitions(features)
    with place.changing("apply"):
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


def materialize(store: FeatureStore, place: Place, *, views: Sequence[str], first: datetime, last: datetime) -> bool:
    """Load what is newest of ``views`` at ``last`` into the online store; return False if it is newer already.

    Of a view whose rows up to the last load are as they were then, only those are loaded that became known
    since, late and restated ones too; of any other, and the first time, all from ``first`` on. A load that
    was killed is completed by the next.
    """
    with file_lock(place.folder / "materialize.lock", "materialize", wait_s=MATERIALIZE_WAIT_S):
        mark = Watermark.of(place.folder / f"loaded-{store.project}.json")
        if mark.reached is not None and last < mark.reached:
            return False
        sources = {view: store.get_feature_view(view).batch_source for view in views}
        rows = {view: prints(known_rows(source, store.config.repo_path)) for view, source in sources.items()}
        starts = {view: mark.start(view, table) for view, table in rows.items()}
        mark = mark.reaching(last, without=[view for view, start in starts.items() if start is None])
        for view, table in rows.items():
            start = starts[view] or first - timedelta(seconds=1)
            if start < last:
                store.materialize(start_date=start, end_date=last, feature_views=[view])
            mark = mark.loaded(view, table, last)
    return True


def point_in_time(store: FeatureStore, wanted: str | list[str], spine: pd.DataFrame) -> pa.Table:
    """Return ``spine`` with the columns of a service, or ``view:column``, as known at its ``event_timestamp``.

    Raises:
        ArtifactError: If a row was lost or added on the way.
    """
    features = store.get_feature_service(wanted) if isinstance(wanted, str) else wanted
    table = store.get_historical_features(
        entity_df=spine.copy(), features=features, filter_by_created_timestamp=True
    ).to_arrow()
    if table.num_rows != len(spine):
        raise ArtifactError(f"{wanted}: {len(spine)} rows in, {table.num_rows} out. The feature store lost rows")
    return table
