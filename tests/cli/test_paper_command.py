"""``qf paper``: from a promoted version alone, bar by bar as the backtest, and nothing leaves the machine."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from judged import lay_down, make_verdict
from onnx import TensorProto, helper, numpy_helper

from cli.main import qf
from cli.paper import feed_of
from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.clock import system_clock
from components.core.errors import ArtifactError
from components.core.judge import CostConfig
from components.core.workspace import Workspace
from components.families.profit import COLUMNS
from components.market.predictions import AllocationPredictions
from components.promote.promotion import enter, roll_back
from components.serving.loader import GRAPH, Signature
from components.trading.allocation import trade_allocations
from components.trading.paper_ledger import LEDGER, PaperLedger

SOURCE = "synthetic://planted?symbols=3&days=420&seed=5"
START = datetime(2024, 3, 1, tzinfo=UTC)
WINDOW = 4
OUTPUTS = ("allocation", "expected_return")


def graph() -> bytes:
    """Return allocation = tanh((rsi - 50) / 25) of the last bar, expected return = 0 times that."""
    nodes = [
        helper.make_node("Gather", ["windows", "last"], ["bar"], axis=1),
        helper.make_node("Gather", ["bar", "column"], ["rsi"], axis=1),
        helper.make_node("Sub", ["rsi", "half"], ["away"]),
        helper.make_node("Div", ["away", "scale"], ["ratio"]),
        helper.make_node("Tanh", ["ratio"], ["allocation"]),
        helper.make_node("Mul", ["allocation", "nothing"], ["expected_return"]),
    ]
    constants: dict[str, Any] = {
        "last": np.int64(WINDOW - 1), "column": np.int64(COLUMNS.index("rsi_14")), "half": np.float32(50),
        "scale": np.float32(25), "nothing": np.float32(0),
    }  # fmt: skip
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]) for name in ("allocation", "expected_return")
    ]
    windows = helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", WINDOW, len(COLUMNS)])
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    made: onnx.ModelProto = helper.make_model(
        helper.make_graph(nodes, "made", [windows], ends, held),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    return made.SerializeToString()


def sealed(folder: Path, **data: Any) -> Bundle:
    folder.mkdir(parents=True)
    (folder / GRAPH).write_bytes(graph())
    outputs = ("allocation", "expected_return")
    schema = Signature(input="windows", window=WINDOW, columns=COLUMNS, outputs=outputs).document()
    config = {"model": {"head": "signed"}}
    return bundles.seal(
        folder,
        family="profit",
        config=config,
        schema=schema,
        data={"dataset": "m", "examples": "e" * 64, **data},
        notes={},
    )


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    """A root whose profit model on ``m`` is promoted, and the folder of that version."""
    root = tmp_path_factory.mktemp("root")
    workspace, bundle = Workspace.at(str(root)), sealed(root / "made")
    judged = lay_down(root / "judged", make_verdict(bundle, "m"), workspace)
    after = enter(workspace, bundle, judged, dataset="m", run_key="k", clock=system_clock)
    assert after.champion is not None
    return workspace, after.champion.folder


def trade(model: Path, workspace: Workspace, account: Path) -> Result:
    return CliRunner().invoke(
        qf, ["paper", str(model), "--source", SOURCE, "--account", str(account), "--start", f"{START:%Y-%m-%d}",
             "--root", str(workspace.root)]
    )  # fmt: skip


@pytest.fixture(scope="module")
def traded(promoted: tuple[Workspace, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of an account that was never interrupted; whoever opens a connection meanwhile fails."""
    workspace, model = promoted

    def refuse(*_: object) -> None:
        raise AssertionError("a paper account has nobody to talk to")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        result = trade(model, workspace, tmp_path_factory.mktemp("account"))
    assert result.exit_code == 0, result.exception
    path = Path(result.output.splitlines()[-1].strip())
    assert path.name == LEDGER
    return path


@pytest.mark.promise("S2-60")
def test_its_equity_is_that_of_the_backtest_on_the_same_bars(promoted: tuple[Workspace, Path], traded: Path) -> None:
    _, model = promoted
    feed = feed_of(bundles.load(model), START, system_clock(), source=SOURCE, symbols=())
    symbols, opens = feed.candles.symbols, feed.candles.open
    weight = np.array([[said.get(symbol, 0.0) for symbol in symbols] for said in feed.weights])[:-2]
    assert weight.std() > 0.05
    forward = (opens[:, 2:] / opens[:, 1:-1] - 1).T
    time, symbol = (axis.ravel() for axis in np.indices(weight.shape))
    rows = (weight.ravel(), weight.ravel(), weight.ravel(), forward.ravel(), forward.ravel())
    book = trade_allocations(AllocationPredictions(symbols, symbol, feed.candles.timestamp[time], *rows), CostConfig())
    ledger = PaperLedger.open(traded)
    equity = np.array([entry["equity"] for entry in ledger.entries[1:]])
    ledger.close()
    np.testing.assert_allclose(equity[2:-1] / 10_000, book.equity[1:-1], atol=1e-9)
    assert len(equity) == feed.candles.timestamp.size > 150


@pytest.mark.promise("S2-60")
def test_an_account_that_was_cut_off_goes_on_to_the_same_bytes(
    promoted: tuple[Workspace, Path], traded: Path, tmp_path: Path
) -> None:
    workspace, model = promoted
    content = traded.read_bytes()
    (tmp_path / LEDGER).write_bytes(content[: len(content) // 2])  # in the middle of a line
    result = trade(model, workspace, tmp_path)
    assert result.exit_code == 0, result.exception
    assert (tmp_path / LEDGER).read_bytes() == content
    again = trade(model, workspace, tmp_path)
    assert ": 0 new bars" in again.output
    assert (tmp_path / LEDGER).read_bytes() == content


@pytest.mark.promise("S2-60")
def test_who_was_not_promoted_does_not_trade(promoted: tuple[Workspace, Path], tmp_path: Path) -> None:
    workspace, model = promoted
    sealed(tmp_path / "other", seen_until="2020-01-01")
    result = trade(tmp_path / "other", workspace, tmp_path / "account")
    assert "is no promoted version of profit on m. Name the folder of one: qf champion profit" in str(result.exception)
    altered = tmp_path / "altered"
    altered.mkdir()
    for path in model.iterdir():
        (altered / path.name).write_bytes(path.read_bytes() + (b" " if path.name == GRAPH else b""))
    assert "sha256 differs" in str(trade(altered, workspace, tmp_path / "account").exception)
    assert not (tmp_path / "account").exists()


def test_a_version_that_was_rolled_back_does_not_trade(tmp_path: Path) -> None:
    workspace = Workspace.at(str(tmp_path))
    history = None
    for number in (1, 2):
        bundle = sealed(tmp_path / f"made{number}", number=number)
        verdict = make_verdict(bundle, "m", history) if history else make_verdict(bundle, "m")
        judged = lay_down(tmp_path / f"judged{number}", verdict, workspace)
        history = enter(workspace, bundle, judged, dataset="m", run_key="k", clock=system_clock)
    roll_back(workspace, "profit", "m", clock=system_clock)
    result = trade(tmp_path / "made2", workspace, tmp_path / "account")
    assert "is no promoted version" in str(result.exception)


def test_forecasts_of_another_source_are_not_those_of_a_feed(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="reads forecasts by toto, a feed has those by statistical"):
        feed_of(sealed(tmp_path / "b", forecast_source="toto"), START, system_clock(), source=SOURCE, symbols=())
