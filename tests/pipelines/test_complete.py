"""The complete pipeline of the profit models as it is asked for: its pairs, its stocks, its recipes, its order."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.core import bundle as bundles
from components.core import family as families
from components.core.errors import ArtifactError, DataError, UsageError
from components.core.files import write_json
from components.core.groups import groups_of, text_of
from components.core.workspace import Workspace
from components.families.profit.config import ProfitConfig
from pipelines import COMPLETE
from pipelines.complete import run_complete_pipeline
from pipelines.local import RESULT
from pipelines.plan import plan, prices_of
from pipelines.request import RunRequest, Settings, request
from pipelines.schedules import compiled_file, mismatches


def asked(folder: Path, pipeline: str = COMPLETE, symbols: str = "", **settings: Any) -> RunRequest:
    return request(
        pipeline, Workspace.at(str(folder)), source="synthetic://planted", settings=Settings(**settings), dataset="m",
        symbols=symbols,
    )  # fmt: skip


def recipe_of(found: RunRequest) -> ProfitConfig:
    return ProfitConfig.parse_json(found.arguments["recipe"], name="recipe")


@pytest.mark.promise("S2-06")
def test_one_command_asks_for_base_stocks_and_pairs(tmp_path: Path) -> None:
    found = asked(tmp_path, pairs="AAPL-MSFT,BRK-B/KO/PEP", recipe="smoke", overrides=("seed=3", "pairs.train.lr=0.01"))
    assert found.pipeline == compiled_file(found.pipeline).stem == "profit-complete"
    assert mismatches(COMPLETE, found.arguments) == []
    assert found.arguments["pairs"] == "AAPL/MSFT,BRK-B/KO/PEP"
    assert found.arguments["stocks"] == "AAPL,MSFT,BRK-B,KO,PEP"
    assert recipe_of(found).seed == 3
    theirs = families.find("pairs").config.parse_json(found.arguments["pairs_recipe"], name="recipe")
    assert theirs.model_dump()["train"]["lr"] == 0.01
    assert theirs.seed == 0
    few = asked(tmp_path, "profit_complete", pairs="AAPL-MSFT", tickers="AAPL")
    assert few.arguments["stocks"] == "AAPL"
    assert few.run_key != found.run_key
    with pytest.raises(UsageError, match="no pair is named"):
        asked(tmp_path)
    with pytest.raises(UsageError, match="profit: makes no portfolios"):
        asked(tmp_path, "profit", pairs="AAPL-MSFT")


@pytest.mark.promise("S2-06")
def test_base_then_stocks_then_pairs_then_verdicts_then_promotions() -> None:
    spec = next(yaml.safe_load_all(compiled_file(COMPLETE).read_text(encoding="utf-8")))
    tasks = {name: set(task.get("dependentTasks", ())) for name, task in spec["root"]["dag"]["tasks"].items()}
    assert tasks["train"] == {"assemble"}
    assert {"train"} < tasks["fine-tune-stocks"]
    assert {"fine-tune-stocks"} < tasks["train-pairs"]
    for number, made in (("", "fine-tune-stocks"), ("-2", "train-pairs")):
        assert made in tasks[f"validate-each{number}"]
        assert tasks[f"promote-each{number}"] == {f"validate-each{number}"}
    assert "train" in tasks["validate"]
    assert {"train", "validate"} == tasks["promote"]


@pytest.mark.promise("S2-06")
def test_the_function_asks_for_the_same_run_and_tells_what_came_of_each_model(tmp_path: Path) -> None:
    words = {"pairs": "SYN000-SYN001", "recipe": "smoke"}
    same = request(COMPLETE, Workspace.at(str(tmp_path)), source="synthetic://planted", settings=Settings(**words))
    ended = {
        "promote": {"outcome": "refused"},
        "promote-stocks": {"models": {"SYN000": ["promoted", "version 1"]}},
        "promote-pairs": {"models": {"SYN000-SYN001": ["refused", "no version: the verdict is fail"]}},
        RESULT.removesuffix(".json"): {},
    }
    for step, facts in ended.items():
        write_json(same.folder / f"{step}.json", facts)
    found = run_complete_pipeline(
        pair_symbols=[("SYN000", "SYN001")], source="synthetic://planted", root=tmp_path, recipe="smoke"
    )
    assert (found.run_key, found.folder, found.base) == (same.run_key, same.folder, "refused")
    assert found.stocks == {"SYN000": ("promoted", "version 1")}
    assert found.pairs == {"SYN000-SYN001": ("refused", "no version: the verdict is fail")}


@pytest.mark.parametrize("text", ["AAPL", "AAPL-AAPL", "AAPL/", "aapl-msft", "../x-y", "A-B,A-B"])
def test_what_is_no_pair_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, DataError)):
        asked(tmp_path, pairs=text)


@given(
    st.lists(
        st.lists(st.from_regex(r"[A-Z]{1,4}", fullmatch=True), min_size=1, max_size=4, unique=True).map(tuple),
        min_size=1, max_size=5, unique_by="-".join,
    )
)  # fmt: skip
def test_groups_survive_their_own_text(groups: list[tuple[str, ...]]) -> None:
    assert list(groups_of(text_of(groups)).values()) == groups


@pytest.mark.promise("S2-03")
@pytest.mark.promise("S2-05")
def test_a_stock_or_many_are_trained_for_as_many_steps_as_are_asked_for(tmp_path: Path) -> None:
    one = asked(tmp_path, "profit", symbols="AAPL", steps=5000)
    assert (one.arguments["symbols"], recipe_of(one).train.max_steps) == ("AAPL", 5000)
    many = asked(tmp_path, "profit", symbols="AAPL,MSFT", steps=10_000)
    assert recipe_of(many).train.max_steps == recipe_of(asked(tmp_path, "profit")).train.max_steps == 10_000
    assert recipe_of(many).start is None


@pytest.mark.promise("S2-04")
def test_stocks_are_trained_on_from_exactly_the_base_model_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"weights")
    base = bundles.seal(folder, family="profit", config={}, schema={}, data={}, notes={})
    found = recipe_of(asked(tmp_path, "profit", symbols="AAPL,MSFT", base_model=str(folder)))
    assert found.start is not None
    assert (found.start.bundle, found.start.expect) == (str(folder), base.digest)
    assert found.train.epochs == 10
    steps = recipe_of(asked(tmp_path, "profit", symbols="AAPL", base_model=str(folder), steps=200))
    assert (steps.train.epochs, steps.train.max_steps) == (None, 200)
    (folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="sha256 differs"):
        asked(tmp_path, "profit", symbols="AAPL", base_model=str(folder))


TEN = "AAPL,AMZN,BA,BAC,CAT,CSCO,CVX,DIS,FB,GOOG"


@pytest.mark.promise("S2-52")
def test_the_production_run_is_a_recipe_and_one_command(tmp_path: Path) -> None:
    found = asked(tmp_path, recipe="production", symbols=TEN, pairs="AAPL-AMZN,BA-CAT", tickers=TEN)
    config = recipe_of(found)
    assert (config.train.max_steps, config.train.batch, config.finetune_epochs) == (50_000, 64, 20)
    assert (config.model.hidden, config.model.layers, config.model.heads) == (512, 8, 16)
    assert len(found.arguments["symbols"].split(",")) == 10
    assert len(groups_of(found.arguments["stocks"])) == 10
    assert mismatches(COMPLETE, found.arguments) == []
    asks = {step.name: step.gpus for step in plan(compiled_file(COMPLETE), prices_of()).steps}
    assert {name for name, gpus in asks.items() if gpus} == {"forecast", "train", "fine-tune-stocks"}
