"""Writing predictions to the online store, where time only moves forward."""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from datetime import UTC, datetime

import pandas as pd
from feast import FeatureStore

from components.core.files import file_lock, read_json, write_json
from feature_repo.place import Place
from feature_repo.store import MATERIALIZE_WAIT_S


def push(store: FeatureStore, place: Place, view: str, rows: pd.DataFrame, *, created: datetime) -> bool:
    """Write ``rows`` as what became known at ``created``; return False if the store holds newer ones already.

    ``rows`` has the entity, ``event_timestamp`` and the columns of ``view``. A second push of the
    same event times replaces the first: a new champion speaks about the bars that the old one spoke about.

    Raises:
        BusyError: If another process writes for longer than two minutes.
    """
    last = rows["event_timestamp"].max().to_pydatetime()
    mark = place.folder / f"pushed-{store.project}-{view}.json"
    with file_lock(place.folder / "materialize.lock", f"push {view}", wait_s=MATERIALIZE_WAIT_S):
        if mark.exists() and last < datetime.fromisoformat(read_json(mark)["last"]):
            return False
        store.write_to_online_store(view, df=rows.assign(created=pd.Timestamp(created).as_unit("us")))
        write_json(mark, {"last": last.astimezone(UTC).isoformat()})
    return True
