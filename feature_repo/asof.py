"""An offline store for Feast that joins as of event time and knowledge time.

Feast's default file store drops spine rows, returns superseded values and joins rows x
history; this one sorts once and joins backward (polars ``join_asof``), in the time of a merge.
A value counts from the later of its event and its creation; within the view's TTL (inclusive)
the newest event wins and, for one event, the newest creation. Materialization asks for what
became known in a span of time, so that a late or restated value is not lost.
"""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig

from components.core.errors import DataError


class AsofOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Settings of the store; Feast looks this class up by its name."""

    type: Literal["feature_repo.asof.AsofOfflineStore"] = "feature_repo.asof.AsofOfflineStore"  # pyright: ignore[reportIncompatibleVariableOverride]


class AsofJob(RetrievalJob):
    """A retrieval that runs when its result is asked for."""

    def __init__(
        self, run: Callable[[], pl.DataFrame], odfvs: list[OnDemandFeatureView], full: bool, meta: RetrievalMetadata
    ) -> None:
        self._run, self._odfvs, self._full, self._meta = run, odfvs, full, meta

    @property
    def full_feature_names(self) -> bool:
        """Whether columns are prefixed with their view's name."""
        return self._full

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views that Feast computes on top of the result."""
        return self._odfvs

    @property
    def metadata(self) -> RetrievalMetadata:
        """What was asked for."""
        return self._meta

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._run().to_arrow(compat_level=pl.CompatLevel.oldest())

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()


@dataclass(frozen=True)
class _View:
    """One feature view as this join needs it."""

    path: str
    keys: dict[str, str]
    """Spine column by source column."""
    features: dict[str, str]
    """Output name by source column."""
    event: str
    created: str | None
    mapping: dict[str, str]
    ttl: timedelta


def _utc(column: str, zone: str | None) -> pl.Expr:
    aware = pl.col(column) if zone else pl.col(column).dt.replace_time_zone("UTC")
    return aware.dt.cast_time_unit("us").dt.convert_time_zone("UTC")


def _file(source: DataSource | None, repo: Path | str | None) -> tuple[FileSource, str]:
    """Return the source of a view and the path of its parquet file.

    Raises:
        DataError: If it is not a file.
    """
    if not isinstance(source, FileSource):
        name = source.name if source else "source"
        remedy = "Give the view a FileSource over parquet"
        raise DataError(f"{type(source).__name__} is not a file", file=name, remedy=remedy)
    path = FileSource.get_uri_for_file_path(str(repo or "."), source.file_options.uri)
    return source, str(path).removeprefix("file://")


def _describe(view: FeatureView, refs: Sequence[str], repo: Path, *, full: bool) -> _View:
    source, path = _file(view.batch_source, repo)
    reference = view.projection.name_to_use() + ":"
    prefix = (view.projection.name_alias or view.name) + "__" if full else ""
    names = [ref.removeprefix(reference) for ref in refs if ref.startswith(reference)]
    keys = view.projection.join_key_map or {column.name: column.name for column in view.entity_columns}
    return _View(
        path=path,
        keys=keys,
        features={name: prefix + name for name in names},
        event=source.timestamp_field,
        created=source.created_timestamp_column or None,
        mapping=source.field_mapping or {},
        ttl=view.ttl or timedelta(0),
    )


def _history(view: _View, low: Any, high: Any, *, known: bool) -> pl.DataFrame:
    """Return the view's rows sorted by the time from which each counts, without those a newer event hides."""
    scan = pl.scan_parquet(view.path)
    found = scan.collect_schema()
    scan = scan.rename({old: new for old, new in view.mapping.items() if old in found})
    zones = {name: kind.time_zone for name, kind in scan.collect_schema().items() if isinstance(kind, pl.Datetime)}
    created = view.created if view.created in zones else None
    rows = scan.select(
        *(pl.col(key).alias(f"__key{number}") for number, key in enumerate(view.keys)),
        _utc(view.event, zones[view.event]).alias("__event"),
        *([_utc(created, zones[created]).alias("__created")] if created else []),
        *(pl.col(name).alias(output) for name, output in view.features.items()),
    ).filter(pl.col("__event") <= high, pl.col("__event") >= low - view.ttl if view.ttl else pl.lit(True))
    counts = pl.max_horizontal("__event", "__created") if created and known else pl.col("__event")
    order = ["__from", "__event", *(["__created"] if created else [])]
    sorted_rows = rows.with_columns(counts.alias("__from")).collect().sort(order, maintain_order=True)
    newest = pl.col("__event").cum_max()
    keys = [f"__key{number}" for number in range(len(view.keys))]
    return sorted_rows.filter(pl.col("__event") >= (newest.over(keys) if keys else newest))


def _join(spine: pl.DataFrame, time: str, view: _View, *, known: bool) -> pl.DataFrame:
    """Return ``spine``, sorted by ``time``, with the view's values as of each row."""
    history = _history(view, spine[time].min(), spine[time].max(), known=known)
    keys = [f"__key{number}" for number in range(len(view.keys))]
    by: dict[str, Any] = {"by_left": list(view.keys.values()), "by_right": keys} if keys else {}
    joined = spine.join_asof(
        history.drop("__created", strict=False),
        left_on=time,
        right_on="__from",
        strategy="backward",
        check_sortedness=False,
        **by,
    )
    if view.ttl:
        fresh = pl.col("__event") >= pl.col(time) - view.ttl
        joined = joined.with_columns(
            pl.when(fresh).then(pl.col(output)).alias(output) for output in view.features.values()
        )
    return joined.drop(["__event", "__from"], strict=False)


def known_rows(source: DataSource | None, repo: Path | str | None) -> pl.LazyFrame:
    """Return the rows of a view and, as ``__known``, the time from which each counts.

    Raises:
        DataError: If its source is not a file.
    """
    source, path = _file(source, repo)
    scan = pl.scan_parquet(path)
    zones = {name: kind.time_zone for name, kind in scan.collect_schema().items() if isinstance(kind, pl.Datetime)}
    times = [name for name in (source.timestamp_field, source.created_timestamp_column) if name in zones]
    return scan.with_columns(pl.max_horizontal(_utc(name, zones[name]) for name in times).alias("__known"))


class AsofOfflineStore(DuckDBOfflineStore):
    """As-of retrieval over parquet files, and the newest values for the online store."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(  # noqa: PLR0917 - the signature is Feast's
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **_: Any,
    ) -> RetrievalJob:
        """Return a job that yields one row per row of ``entity_df``, in its order.

        Raises:
            DataError: If ``entity_df`` is not a frame, or a view's source is not a file.
        """
        if not isinstance(entity_df, pd.DataFrame):
            raise DataError("no entity frame", file=project, remedy="Pass a DataFrame of keys and timestamps")
        time = infer_event_timestamp_from_entity_df(dict(zip(entity_df.columns, entity_df.dtypes, strict=True)))
        spine = pl.from_pandas(entity_df)
        zone = getattr(spine.schema[time], "time_zone", None)
        repo = Path(config.repo_path or ".")
        views = [_describe(view, feature_refs, repo, full=full_feature_names) for view in feature_views]

        def run() -> pl.DataFrame:
            rows = spine.with_columns(_utc(time, zone)).with_row_index("__row").sort(time)
            for view in views:
                rows = _join(rows, time, view, known=filter_by_created_timestamp)
            return rows.sort("__row").drop("__row")

        meta = RetrievalMetadata(
            features=feature_refs,
            keys=[column for column in entity_df.columns if column != time],
            min_event_timestamp=entity_df[time].min().to_pydatetime(),
            max_event_timestamp=entity_df[time].max().to_pydatetime(),
        )
        odfvs = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        return AsofJob(run, odfvs, full_feature_names, meta)

    @staticmethod
    def pull_latest_from_table_or_query(  # noqa: PLR0917 - the signature is Feast's
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Return a job that yields each key's newest row known at ``end_date``, if it was not at ``start_date``.

        So a row of an older event never comes in place of a newer one, whenever it became known.
        """
        times = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]

        def run() -> pl.DataFrame:
            rows = known_rows(data_source, config.repo_path).with_row_index("__row")
            known = rows.filter(pl.col("__known") <= end_date).select("__row", "__known", *join_key_columns, *times)
            newest = known.collect().sort(times, maintain_order=True).unique(join_key_columns, keep="last")
            wanted = newest.filter(pl.col("__known") > start_date)["__row"].implode()
            columns = [*join_key_columns, *feature_name_columns, *times]
            return rows.filter(pl.col("__row").is_in(wanted)).select(columns).collect()

        meta = RetrievalMetadata(feature_name_columns, join_key_columns, start_date, end_date)
        return AsofJob(run, [], full=False, meta=meta)
