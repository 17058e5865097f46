"""A champion is watched on days after those that it was judged on: as before, with larger moves, with its truth gone."""

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
    """Return the bars of a market, [symbol, day] as rows, with the number of the day."""
    table = market(MarketSpec(market=kind, symbols=8, days=DAYS, seed=5)).drop_columns(["known_at"]).to_pandas()
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
    """One installation with a champion, and what the monitor said on each market."""

    ground: Ground
    said: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
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
    said = {name: watch(root, ground, name, files[name]) for name in markets()}
    return Watched(ground, said)


def asked_to_watch(ground: Ground, source: Path) -> RunRequest:
    return request(
        "price-action-monitoring", ground.workspace, source=str(source), settings=Settings(), dataset=ground.dataset
    )  # fmt: skip


def watch(root: Path, champion: Ground, name: str, source: Path) -> dict[str, Any]:
    """Return what the monitor asks for on the market in ``source``, after all steps of its pipeline."""
    asked = asked_to_watch(champion, source)
    ground = Ground(root / name, champion.root, champion.dataset)
    prepare(ground, FAMILY, FAMILY.config.parse_json(asked.arguments["recipe"], name="recipe"), str(source))
    run = {
        "family": FAMILY.name, "dataset": champion.dataset, "root": str(champion.root), "run_key": asked.run_key
    }  # fmt: skip
    with steps_in(ground):
        seen = observe(str(ground.examples), out=str(ground.folder / "observed"), **run)
        found = monitor(
            str(ground.folder / "observed"), out=str(ground.folder / "request"),
            report=str(ground.folder / "monitor.html"), **run,
        )  # fmt: skip
    return {"asked": asked, "seen": seen, "request": found, "training": retraining(asked), "folder": ground.folder}


@pytest.mark.promise("S4-105")
def test_a_market_as_before_asks_for_nothing(watched: Watched) -> None:
    said = watched.said["as before"]
    findings = {finding["what"]: finding for finding in said["request"]["findings"]}
    assert said["request"]["outcome"] == "keep", findings
    assert said["training"] is None
    assert 380 <= said["seen"]["num_live_times"] == DAYS - KNOWN
    [skill] = said["seen"]["skill"]
    assert skill["now"]["lower"] > 0.5  # it goes on knowing


@pytest.mark.promise("S4-105")
@pytest.mark.parametrize(("name", "what"), [("moved", "drift"), ("gone", "decay")])
def test_a_market_that_moved_or_lost_its_truth_is_trained_again(watched: Watched, name: str, what: str) -> None:
    said = watched.said[name]
    findings = {finding["what"]: finding for finding in said["request"]["findings"]}
    assert said["request"]["outcome"] == "retrain"
    assert findings[what]["outcome"] == "retrain", findings
    training: RunRequest = said["training"]
    assert (training.pipeline, training.arguments["source"]) == ("price-action", said["asked"].arguments["source"])
    assert training.arguments["recipe"] == FAMILY.recipe(RECIPE).canonical()  # that of the champion
    assert retraining(said["asked"]) == training  # asked again, it is the same run
    page = (said["folder"] / "monitor.html").read_text()
    assert "Train it again" in page
    assert "src=" not in page.replace("data:", "")


@pytest.mark.promise("S4-105")
def test_a_server_is_asked_for_what_the_newest_request_of_this_champion_wants(watched: Watched) -> None:
    ground = watched.ground
    asked = asked_of_server(ground.workspace, FAMILY, ground.dataset)  # the newest is of the market whose truth is gone
    assert asked is not None
    assert asked["run_key"] == f"{watched.said['gone']['asked'].run_key}-retrain"[-80:]
    assert asked == asked_of_server(ground.workspace, FAMILY, ground.dataset)
    with pytest.raises(UsageError, match="nobody watched"):
        asked_of_server(ground.workspace, FAMILY, "elsewhere")
    path = ground.workspace.monitoring(FAMILY.name, ground.dataset)
    newest = read_json(path)
    path.write_text(path.read_text().replace(newest["champion"], "0" * 64))
    with pytest.raises(UsageError, match="another champion"):
        asked_of_server(ground.workspace, FAMILY, ground.dataset)
