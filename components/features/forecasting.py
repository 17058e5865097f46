"""Step: who forecasts? Toto where the recipe wants it and it is at hand; else the statistical approximation.

The step never fails for want of a forecaster: it records which one was taken, and why.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
import importlib.util
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.core import family as families
from components.core.clock import Clock
from components.core.errors import DataError, EnvironmentMissingError, ForecasterTooSlowError, InterruptedRunError
from components.core.files import read_json
from components.core.recipe import ForecastedDataConfig
from components.core.registry import history
from components.core.run_context import RunContext, open_run
from components.features import FORECAST_TIMEOUT_S
from components.features.forecast_memory import ForecastMemory, digest_of_window
from components.features.forecasts import Forecasts, write_forecasts
from components.features.foresight import foresight
from components.features.tables import BarPanel, bar_panel, bar_table
from components.features.versions import feature_versions
from components.market.bars import Interval
from components.market.columns import FORECAST_SOURCE, FORECASTS_BY
from components.market.remote import fetch_named
from components.market.retry import Patience
from components.market.snapshot import MANIFEST, read_later, read_snapshot
from components.market.views import FORECASTS_VIEW

if TYPE_CHECKING:
    from components.features.toto import Toto

Floats = npt.NDArray[np.float64]
Moments = Callable[[npt.NDArray[np.float32]], Floats]
"""Mean, then standard deviation, of the return over the next bars, of a window of closes whose last one is 1."""

CONTEXT_BARS: Final = 256
"""Bars that a forecast looks back at, at most: four patches of the published model."""
LEAST_BARS: Final = 64
"""Bars that it looks back at, at least: before there are as many, a row has no forecast."""
NUM_TIMED: Final = 50
"""Windows after which it is known how long all of them take."""


def panel_forecasts(close: Floats, moments: Moments, *, horizon: int) -> Floats:
    """Return forecasts [symbol, bar, 2 x horizon] of adjusted closes [symbol, bar], means first.

    That of a bar is made of the closes up to it, as a share of its own; NaN where one is unknown or there are too few.
    """
    found = np.full((*close.shape, 2 * horizon), np.nan)
    for symbol, bar in np.argwhere(np.isfinite(close)):
        window = close[symbol, max(0, bar + 1 - CONTEXT_BARS) : bar + 1]
        if len(window) >= LEAST_BARS and np.isfinite(window).all():
            found[symbol, bar] = moments((window / window[-1]).astype(np.float32))
    return found


def forecast_table(panel: BarPanel, moments: Moments, *, horizon: int) -> pa.Table:
    """Return the rows of the bars with forecast_mean_1d ... and forecast_std_1d ..., each known with its bar."""
    names = [f"forecast_{kind}_{step}d" for kind in ("mean", "std") for step in range(1, horizon + 1)]
    values = panel_forecasts(panel.candles.close, moments, horizon=horizon)
    return bar_table(panel, dict(zip(names, np.moveaxis(values, -1, 0), strict=True)))


@dataclass
class Remembered:
    """Moments that are asked of the model once per window, and no longer than there is time.

    A correction of one bar, the probe for look-ahead and the run of the next week ask about most windows again.
    """

    moments: Moments
    memory: ForecastMemory
    num_windows: int
    """How many there are about."""
    num_samples: int
    clock: Clock
    limit_s: float
    started: datetime
    num_asked: int = 0
    answered: set[bytes] = field(default_factory=set[bytes])

    def __call__(self, window: npt.NDArray[np.float32]) -> Floats:
        """Return the moments of a window.

        Raises:
            ForecasterTooSlowError: If all windows would take longer than the limit.
        """
        name = digest_of_window(window)
        self.answered.add(name)
        if name not in self.memory.known:
            self.memory.keep(name, self.moments(window))
            self.num_asked += 1
            if self.num_asked >= NUM_TIMED:
                self._require_time()
        return self.memory.known[name]

    def _require_time(self) -> None:
        spent = (self.clock() - self.started).total_seconds()
        needed = spent * max(1.0, self.num_windows / len(self.answered))
        if needed > self.limit_s:
            raise ForecasterTooSlowError(
                f"{self.num_windows:,} windows of {self.num_samples} paths would take {needed / 3600:.1f} hours, the "
                f"step has {self.limit_s / 3600:.1f}. Lower data.toto_num_samples, or give fewer bars"
            )


@contextmanager
def weights(name: str, run: RunContext) -> Generator[Path]:
    """Yield the folder of a model's weights; what was fetched from an object store is gone when the block ends.

    Raises:
        EnvironmentMissingError: If the object store does not hold them, or not for us.
    """
    if "://" not in name:
        yield run.workspace.forecaster(name)
        return
    from components.features.toto import WEIGHTS  # noqa: PLC0415 - imports torch

    with tempfile.TemporaryDirectory() as private:
        try:
            fetch_named(name, WEIGHTS, Path(private), Patience())
        except DataError as error:
            raise EnvironmentMissingError(str(error)) from None
        yield Path(private)


def forecaster(data: ForecastedDataConfig, run: RunContext) -> "Toto":
    """Return Toto, loaded.

    Raises:
        EnvironmentMissingError: If its package, a GPU or its weights are not there.
    """
    if absent := [name for name in ("toto", "torch") if importlib.util.find_spec(name) is None]:
        raise EnvironmentMissingError(f"the package {absent[0]} is not installed here; the image python-toto has it")
    from components.features.toto import load  # noqa: PLC0415 - imports torch

    with weights(data.toto_model_id, run) as folder:
        return load(
            folder,
            name=data.toto_model_id,
            device=data.toto_device,
            horizon=data.toto_horizon,
            num_samples=data.toto_num_samples,
        )


def wanted(run: RunContext, *, family: str, dataset: str, recipe: str) -> tuple[ForecastedDataConfig | None, str]:
    """Return the settings of the forecaster that a recipe names, or the champion's if it is empty; None with a reason.

    Raises:
        ArtifactError: If a file of the champion was altered.
    """
    member = families.find(family)
    if recipe:
        data: Any = member.config.parse_json(recipe, name="recipe").data
    else:
        champion = history(run.workspace, member.name, dataset).champion
        if champion is None:
            return None, "there is no champion that reads others"
        manifest = champion.load().manifest
        if manifest["data"].get(FORECASTS_BY) == FORECAST_SOURCE:
            return None, "the champion was trained on it"
        data = member.config.parse(manifest["config"], name="champion").data
    if not data.use_toto_forecasts:
        return None, "data.use_toto_forecasts is false"
    return data, ""


def made_of(snapshot: Path, model: "Toto", run: RunContext) -> Forecasts:
    """Return the forecasts that a model makes of the bars of a snapshot, and whether they know what comes later.

    Raises:
        ForecasterTooSlowError: If they would take longer than the step may.
        OutOfMemoryError: If its paths do not fit into memory.
    """
    bars, facts = read_snapshot(snapshot)
    memory = ForecastMemory(run.workspace.forecasts(model.identity), run.log)
    ask = Remembered(
        model.moments,
        memory,
        num_windows=bars.num_rows,
        num_samples=model.num_samples,
        clock=run.clock,
        limit_s=FORECAST_TIMEOUT_S,
        started=run.clock(),
    )

    def moments(window: npt.NDArray[np.float32]) -> Floats:
        if run.stop:
            raise InterruptedRunError("interrupted while it forecast. The same command goes on")
        return ask(window)

    def tables(panel: BarPanel, _interval: Interval) -> list[tuple[str, pa.Table]]:
        return [(FORECASTS_VIEW, forecast_table(panel, moments, horizon=model.horizon))]

    form = {"interval": facts["interval"], "bar_seconds": facts["bar_seconds"]}
    try:
        [(_, table)] = feature_versions(bar_panel(bars), bars, read_later(snapshot), **form, tables=tables)
        lookahead = foresight(bars, {}, facts["interval"], tables=tables)
    finally:
        memory.save()
    memory.merge()
    run.log.info("asked about %d windows, knew %d", ask.num_asked, len(ask.answered) - ask.num_asked)
    return Forecasts(model.source, "", table, lookahead)


def build_forecasts(
    snapshot: str, *, out: str, family: str, dataset: str, recipe: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the forecasts of a snapshot's bars to ``out``, or why there are none; return their facts."""
    with open_run("forecast", root=root, run_key=run_key) as run:
        facts = read_json(Path(snapshot) / MANIFEST)
        data, reason = wanted(run, family=family, dataset=dataset, recipe=recipe)
        if data is not None and facts["interval"] != "daily":
            data, reason = None, "the bars are not daily"
        made = Forecasts(reason=reason)
        if data is not None:
            try:
                model = forecaster(data, run)
            except EnvironmentMissingError as error:
                made = Forecasts(reason=str(error))
                run.log.warning("no Toto: %s. The statistical approximation forecasts in its place", error)
            else:
                made = made_of(Path(snapshot), model, run)
        manifest = write_forecasts(Path(out), made, snapshot_digest=facts["digest"])
        said = {
            "source": made.source,
            "reason": made.reason,
            "rows": made.table.num_rows if made.table else 0,
            "digest": manifest["digest"],
        }
        run.record(**said)
        return said
