"""A champion is watched on days after those that it was judged on: as before, moved, without its truth."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.core import family as families
from components.core.errors import UsageError
from components.core.files import read_json
from components.market.synthetic import MarketSpec, market
from components.monitor.watch import monitor
from components.validate.observing import observe
from pipelines.calibration import RECIPE
from pipelines.proving import Ground, judge, prepare, promote, steps_in, train
from pipelines.request import RunRequest, Settings, request
from pipelines.retraining import asked_of_server, retraining

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")]
DAYS, KNOWN = 2000, 1600
FAMILY = families.find("price_action")
PRICES = ["open", "high", "low", "close", "adj_close"]


def bars(kind: str) -> pd.DataFrame:
    """Return the bars of a market that is always calm, [symbol, day] as rows, with the number of the day."""
    table = (
        market(MarketSpec(market=kind, symbols=8, days=DAYS, seed=5, steady=1)).drop_columns(["known_at"]).to_pandas()
    )
    return table.assign(day=np.tile(np.arange(DAYS), 8))


def later(frame: pd.DataFrame, price: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> pd.DataFrame:
    """Return bars whose prices after ``KNOWN`` days are made of the last close [row] and the prices [row, price]."""
    frame = frame.copy()
    after = frame["day"] >= KNOWN
    last = frame[frame["day"] == KNOWN - 1].set_index("symbol")["close"]
    start = frame.loc[after, "symbol"].map(last).to_numpy(dtype=float)[:, None]
    frame.loc[after, PRICES] = price(start, frame.loc[after, PRICES].to_numpy(dtype=float)).round(4)
    return frame


def markets() -> dict[str, pd.DataFrame]:
    """Return the planted market as it goes on, with moves three times as large, and with the truth gone."""
    planted, noise = bars("planted"), bars("noise")
    gone, first = planted.copy(), planted["day"] == KNOWN - 1
    factor = (planted.loc[first, "close"].to_numpy() / noise.loc[first, "close"].to_numpy()).repeat(DAYS - KNOWN)
    after = planted["day"] >= KNOWN
    gone.loc[after, PRICES] = (noise.loc[after, PRICES].to_numpy() * factor[:, None]).round(4)
    return {"as before": planted, "moved": later(planted, lambda start, now: start * (now / start) ** 3), "gone": gone}


@dataclass(frozen=True)
class Watched:
    """What followed on one market, in an installation of its own with the same champion."""

    ground: Ground
    asked: RunRequest
    seen: dict[str, Any]
    request: dict[str, Any]
    training: RunRequest | None

    @property
    def findings(self) -> dict[str, str]:
        return {finding["what"]: finding["outcome"] for finding in self.request["findings"]}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Watched]:
    root = tmp_path_factory.mktemp("monitoring")
    ground, recipe = Ground(root / "champion", root / "root"), FAMILY.recipe(RECIPE)
    files = {name: root / f"{name.replace(' ', '-')}.parquet" for name in ("known", *markets())}
    for name, frame in {"known": bars("planted").query("day < @KNOWN"), **markets()}.items():
        frame.drop(columns="day").to_parquet(files[name], index=False)
    prepare(ground, FAMILY, recipe, str(files["known"]))
    train(ground, FAMILY, recipe)
    verdict = judge(ground, FAMILY, recipe, ground.bundle, root / "verdict")
    outcome = promote(ground, FAMILY, ground.bundle, root / "verdict")
    assert outcome[0] == "promoted", [(gate.metric, gate.reason) for gate in verdict.gates if gate.outcome != "pass"]
    return {name: watch(ground, root / f"{name}-root", files[name]) for name in markets()}


def watch(champion: Ground, root: Path, source: Path) -> Watched:
    """Return what the monitor asks for on the market in ``source``, after all steps of its pipeline."""
    ground = Ground(root.with_name(root.name.removesuffix("-root")), root, champion.dataset)
    shutil.copytree(champion.root, ground.root)
    shutil.copytree(champion.settings, ground.settings)
    asked = request(
        "price-action-monitoring", ground.workspace, source=str(source), settings=Settings(), dataset=ground.dataset
    )  # fmt: skip
    prepare(ground, FAMILY, FAMILY.config.parse_json(asked.arguments["recipe"], name="recipe"), str(source))
    run = {"family": FAMILY.name, "dataset": ground.dataset, "root": str(root), "run_key": asked.run_key}
    observed, out, report = (str(ground.folder / name) for name in ("observed", "request", "monitor.html"))
    with steps_in(ground):
        seen = observe(str(ground.examples), out=observed, **run)
        found = monitor(observed, out=out, report=report, **run)
    return Watched(ground, asked, seen, found, retraining(asked))


@pytest.mark.promise("S4-105")
def test_a_market_as_before_asks_for_nothing(watched: dict[str, Watched]) -> None:
    case = watched["as before"]
    assert case.request["outcome"] == "keep", case.request["findings"]
    assert case.training is None
    assert asked_of_server(case.ground.workspace, FAMILY, case.ground.dataset) is None
    assert case.seen["num_live_times"] == DAYS - KNOWN
    [skill] = case.seen["skill"]
    assert skill["now"]["lower"] > 0.5  # it goes on knowing


@pytest.mark.promise("S4-105")
@pytest.mark.parametrize(("name", "what"), [("moved", "drift"), ("gone", "decay")])
def test_a_market_that_moved_or_lost_its_truth_is_trained_again(
    watched: dict[str, Watched], name: str, what: str
) -> None:
    case = watched[name]
    assert case.request["outcome"] == "retrain"
    assert case.findings[what] == "retrain", case.request["findings"]
    assert case.training is not None
    assert case.training.pipeline == "price-action"
    assert case.training.arguments["source"] == case.asked.arguments["source"]
    assert case.training.arguments["recipe"] == FAMILY.recipe(RECIPE).canonical()  # that of the champion
    assert retraining(case.asked) == case.training  # asked again, it is the same run
    page = (case.ground.folder / "monitor.html").read_text(encoding="utf-8")
    assert "Train it again" in page
    assert not {"<script", "<link", "src=", "http"} & set(re.findall(r"<script|<link|src=|http", page))


@pytest.mark.promise("S4-105")
def test_a_server_is_asked_for_what_the_newest_request_of_this_champion_wants(watched: dict[str, Watched]) -> None:
    case = watched["gone"]
    workspace, dataset = case.ground.workspace, case.ground.dataset
    asked = asked_of_server(workspace, FAMILY, dataset)
    assert asked is not None
    assert asked["run_key"] == f"{case.asked.run_key}-retrain"[-80:]
    assert asked == asked_of_server(workspace, FAMILY, dataset)
    with pytest.raises(UsageError, match="nobody watched"):
        asked_of_server(workspace, FAMILY, "elsewhere")
    path = workspace.monitoring(FAMILY.name, dataset)
    path.write_text(path.read_text().replace(read_json(path)["champion"], "0" * 64))
    with pytest.raises(UsageError, match="another champion"):
        asked_of_server(workspace, FAMILY, dataset)
