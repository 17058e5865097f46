"""Each stock has a champion of its own: promoted by its own verdict, published by its name, rolled back by itself."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from judged import lay_down, make_verdict

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.errors import PromotionRefusedError
from components.core.files import read_json
from components.core.registry import history
from components.core.workspace import Workspace, of_stock
from components.families.twin.config import TwinConfig
from components.promote.promotion import derive, enter, roll_back


def moment() -> datetime:
    return datetime(2026, 1, 5, 12, tzinfo=UTC)


def one_twin(folder: Path, ticker: str, weight: int) -> Bundle:
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes([weight] * 64))
    config = TwinConfig().model_dump(mode="json")
    return bundles.seal(folder, family="twin", config=config, schema={"tickers": [ticker]}, data={}, notes={})


def promoted(tmp_path: Path, workspace: Workspace, ticker: str, weight: int) -> Bundle:
    bundle, dataset = one_twin(tmp_path / f"{ticker}{weight}", ticker, weight), of_stock("market", ticker)
    before = history(workspace, "twin", dataset)
    judged = lay_down(tmp_path / f"{ticker}{weight}-judged", make_verdict(bundle, dataset, before), workspace)
    enter(workspace, bundle, judged, dataset=dataset, run_key="k", clock=moment)
    derive(workspace, "twin", dataset)
    return bundle


def published(workspace: Workspace, ticker: str) -> tuple[str, int, bytes]:
    stem = workspace.root / "models" / "twins" / ticker
    facts, content = read_json(stem / "twin_latest.json"), (stem / "twin_latest.safetensors").read_bytes()
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()
    assert bundles.load(workspace.root / facts["folder"], expect=facts["bundle"]).digest == facts["bundle"]
    return facts["bundle"], facts["version"], content


@pytest.mark.promise("S0-24")
@pytest.mark.promise("S0-40")
def test_each_stock_has_its_own_champion_file_and_rollback(tmp_path: Path) -> None:
    workspace = Workspace.at(str(tmp_path / "root"))
    first, other = promoted(tmp_path, workspace, "BRK.B", 1), promoted(tmp_path, workspace, "AAPL", 2)
    second = promoted(tmp_path, workspace, "BRK.B", 3)
    assert published(workspace, "BRK.B") == (second.digest, 2, bytes([3] * 64))
    assert published(workspace, "AAPL") == (other.digest, 1, bytes([2] * 64))
    roll_back(workspace, "twin", "market.brk.b", clock=moment)
    assert published(workspace, "BRK.B") == (first.digest, 1, bytes([1] * 64))
    assert published(workspace, "AAPL")[0] == other.digest


def test_a_verdict_of_one_stock_lets_in_no_other(tmp_path: Path) -> None:
    workspace = Workspace.at(str(tmp_path / "root"))
    mine, theirs = one_twin(tmp_path / "a", "AAPL", 1), one_twin(tmp_path / "m", "MSFT", 2)
    judged = lay_down(tmp_path / "judged", make_verdict(mine, of_stock("market", "AAPL")), workspace)
    for bundle, ticker in ((theirs, "AAPL"), (mine, "MSFT")):
        with pytest.raises(PromotionRefusedError, match="the verdict is for"):
            enter(workspace, bundle, judged, dataset=of_stock("market", ticker), run_key="k", clock=moment)
    assert not (workspace.root / "models" / "twins").exists()
