"""Twins trained on a small market: one alone and in a fleet, refused and flagged, resumed, and not trained twice."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from twin_market import (
    HORIZON,
    TICKERS,
    WINDOW,
    Market,
    market_frame,
    recipe,
    with_options,
    write_examples,
    write_foundation,
)

from components.core import bundle as bundles
from components.core.errors import ArtifactError, DataError, InterruptedRunError, RecipeError
from components.core.files import read_json
from components.core.run_context import Stop
from components.families.twin.appraise import appraise
from components.families.twin.fleet import Fleet, Twin, single
from components.families.twin.predict import predict
from components.families.twin.stocks import Stock, ends_of, seen_by
from components.families.twin.train import fine_tune_twin, foundation_of, train, train_each
from components.learning.bundles import origin
from components.learning.examples import read_examples
from components.learning.foundation import network_of
from components.market.columns import FOUNDATION, OPTIONS, QUANTILE_LEVELS
from components.market.moves import past_volatility

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    root = tmp_path_factory.mktemp("twins")
    examples = write_examples(root / "examples", market_frame(TICKERS))
    return Market(root, examples, write_foundation(root / "foundation", examples))


@pytest.fixture(scope="module")
def optional(market: Market) -> Path:
    """The same market with options."""
    return write_examples(market.root / "optional", with_options(market_frame(TICKERS)))


def settings(market: Market, **groups: Any) -> Any:
    return recipe(foundation=str(market.foundation.folder), **groups)


@pytest.fixture(scope="module")
def fleet(market: Market) -> bundles.Bundle:
    return train(settings(market), market.examples, market.root / "fleet", market.run("whole"))


def numbers(twin: Twin) -> torch.Tensor:
    return torch.cat([twin.weights, twin.usual.thirds])


@pytest.mark.promise("S0-15")
def test_one_twin_alone_is_the_twin_of_the_fleet(market: Market, fleet: bundles.Bundle) -> None:
    for ticker in (TICKERS[0], TICKERS[2]):
        run = market.run(f"alone-{ticker.lower()}")
        alone = fine_tune_twin(ticker, market.foundation, settings(market), examples=market.examples, run=run)
        among = Fleet.load(fleet).twin(ticker)
        torch.testing.assert_close(numbers(alone), numbers(among), rtol=0, atol=TOLERANCE)
        for name, curve in alone.facts["history"].items():
            np.testing.assert_allclose(curve, among.facts["history"][name], atol=TOLERANCE)
        assert alone.facts["history"]["train_loss"][-1] < alone.facts["history"]["train_loss"][0]


@pytest.mark.promise("S0-16")
@pytest.mark.promise("S0-01")
def test_the_foundation_is_read_and_never_changed(market: Market, fleet: bundles.Bundle) -> None:
    inside = bundles.load(fleet.folder / "foundation", expect=market.foundation.digest)
    before, after = (network_of(bundle).state_dict() for bundle in (market.foundation, inside))
    for name, values in before.items():
        assert torch.equal(values, after[name])
    trained = {name.removeprefix("stacked.") for name in Fleet.load(fleet).weights.state_dict()}
    assert not trained & set(before)


def test_what_the_foundation_sees_of_consecutive_days_is_what_it_sees_of_each(market: Market) -> None:
    data, network = read_examples(market.examples), network_of(market.foundation)
    ends = ends_of(data, TICKERS[1], "train", settings(market))[-80:]
    ends = np.concatenate([ends[:30], ends[37:]])  # a gap, and runs longer and shorter than a slab
    seen = seen_by(network, data, ends)
    windows = torch.from_numpy(data.raw_windows(ends, WINDOW)[..., : len(FOUNDATION)])
    with torch.no_grad():
        torch.testing.assert_close(seen.state, network.trunk(windows), rtol=0, atol=1e-5)
        torch.testing.assert_close(seen.quantile, network.standard(windows), rtol=0, atol=1e-5)
        torch.testing.assert_close(seen.scale, network.scale(windows), rtol=1e-5, atol=0)


def test_the_table_holds_what_each_twin_says_of_its_own_stock(market: Market, fleet: bundles.Bundle) -> None:
    table = predict(fleet, market.examples, zone="test", threads=1)
    data = read_examples(market.examples)
    assert len(table.symbol) == len(data.windows("test", WINDOW, HORIZON))
    assert table.quantile.shape == (len(table.symbol), HORIZON, len(QUANTILE_LEVELS))
    assert (np.diff(table.quantile, axis=-1) >= 0).all()
    order = np.lexsort((table.symbol, table.timestamp))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    row = 17
    symbol, end = table.symbol[row], int(np.searchsorted(data.panel.timestamps, table.timestamp[row]))
    returns = data.panel.values[symbol, end + 1 : end + 1 + HORIZON, FOUNDATION.index("return_1d")]
    np.testing.assert_allclose(table.label[row], np.log1p(returns.astype(np.float64)).cumsum(), atol=1e-6)
    one = single(fleet, TICKERS[1], market.root / "single")
    alone = predict(one, market.examples, zone="test", threads=1)
    mine = table.symbol == data.symbols.index(TICKERS[1])
    np.testing.assert_array_equal(alone.quantile, table.quantile[mine])
    assert one.manifest["data"] == origin(data)
    assert predict(fleet, market.examples, zone="calibration", threads=1).label.shape == (0, HORIZON)


@pytest.mark.promise("S0-34")
def test_a_twin_learns_from_the_newest_days_alone(market: Market) -> None:
    data, config = read_examples(market.examples), settings(market)
    stock = Stock.of(data, TICKERS[0], config)
    everything = ends_of(data, TICKERS[0], "train", config)
    assert len(stock.train) == config.data.lookback_days < len(everything)
    np.testing.assert_array_equal(stock.train, everything[-len(stock.train) :])


@pytest.mark.promise("S0-52")
def test_short_histories_are_refused_and_shortish_ones_flagged(market: Market, tmp_path: Path) -> None:
    """BBB has 59 days of the training zone, CCC 60."""
    frame = market_frame(TICKERS[:3])
    days = np.unique(frame["timestamp"])
    cut = int(0.6 * len(days))
    needed = WINDOW + HORIZON - 1
    for ticker, decisions in (("BBB", 59), ("CCC", 60)):
        frame = frame[(frame["symbol"] != ticker) | (frame["timestamp"] >= days[cut - needed - decisions])]
    examples = write_examples(tmp_path / "examples", frame)
    run = Market(tmp_path, examples, market.foundation).run("k")
    bundle = train(settings(market), examples, tmp_path / "out", run)
    told = read_json(bundle.path("twins.json"))
    assert [(it["ticker"], it["num_days"], it["short_history"]) for it in told["twins"]] == [
        ("AAA", 100, False),
        ("CCC", 60, True),
    ]
    assert list(told["refused"]) == ["BBB"]
    assert "BBB has 59 days to learn from" in told["refused"]["BBB"]
    with pytest.raises(DataError, match="at least 60 are needed"):
        fine_tune_twin("BBB", market.foundation, settings(market), examples=examples, run=run)


class StopAfter(Stop):
    left = 9

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_and_run_again_a_fleet_ends_in_the_same_bits(market: Market, fleet: bundles.Bundle) -> None:
    digest, num_stops = "", 0
    while not digest:
        try:
            run = market.run("stopped", StopAfter())
            digest = train(settings(market), market.examples, market.root / "stopped", run).digest
        except InterruptedRunError:
            num_stops += 1
    assert num_stops >= 1
    assert digest == fleet.digest
    assert train(settings(market, seed=1), market.examples, market.root / "other", market.run("o")).digest != digest


def test_an_unchanged_stock_is_not_trained_again(market: Market, tmp_path: Path) -> None:
    def week(key: str, tickers: tuple[str, ...], **groups: Any) -> tuple[bundles.Bundle, Path]:
        run, config = market.run(key), settings(market, **groups)
        stocks = [Stock.of(read_examples(market.examples), ticker, config) for ticker in tickers]
        foundation, out, kept = market.foundation, tmp_path / key, tmp_path / "kept"
        return train_each(config, stocks, foundation, out, run, told={}, refused={}, kept=kept), run.checkpoints

    first, trained = week("first", TICKERS[:2])
    assert trained.is_dir()
    again, trained = week("again", TICKERS[:2])
    assert again.digest == first.digest
    assert not trained.exists()  # nothing was trained
    grown, _ = week("grown", TICKERS[:3])
    for ticker in TICKERS[:2]:
        assert Fleet.load(grown).twin(ticker).digest == Fleet.load(first).twin(ticker).digest
    changed, trained = week("changed", TICKERS[:2], train={"lr": 0.001})
    assert trained.is_dir()
    assert Fleet.load(changed).twin("AAA").digest != Fleet.load(first).twin("AAA").digest


def test_damaged_activations_are_computed_anew(market: Market, fleet: bundles.Bundle) -> None:
    for path in (market.root / "workspace" / "cache").rglob("*.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    again = train(settings(market), market.examples, market.root / "again", market.run("damaged"))
    assert again.digest == fleet.digest


@pytest.mark.promise("S0-35")
def test_options_are_in_the_batches_when_enabled(market: Market, optional: Path) -> None:
    on = settings(market, model={"options_enabled": True})
    bundle = train(on, optional, market.root / "on", market.run("on"))
    assert bundle.manifest["schema"]["columns"] == [*FOUNDATION, *OPTIONS]
    fleet = Fleet.load(bundle)
    start = fleet.shape.start(0)
    width = fleet.shape.layout.views(start[None])["encoder"].shape
    assert width == (1, 40, 32)
    said = predict(bundle, optional, zone="test", threads=1).quantile
    assert np.isfinite(said).all()
    other = write_examples(market.root / "moved", with_options(market_frame(TICKERS), seed=8))
    assert not np.allclose(predict(bundle, other, zone="test", threads=1).quantile, said)


@pytest.mark.promise("S0-39")
def test_signals_of_the_options_are_counted_on_their_own_days(market: Market, optional: Path) -> None:
    on = settings(market, model={"options_enabled": True})
    fleet = train(on, optional, market.root / "signals", market.run("signals"))
    found = appraise(single(fleet, "BBB", market.root / "signal"), optional, zone="test", threads=1)
    data = read_examples(optional)
    stock, ends = Stock.of(data, "BBB", on), ends_of(data, "BBB", "test", on)

    def feature(name: str, days: np.ndarray) -> np.ndarray:
        return data.panel.values[days[:, 0], days[:, 1], len(FOUNDATION) + OPTIONS.index(name)].astype(float)

    past, now = feature("put_call_volume", stock.train), feature("put_call_volume", ends)
    deviation = (now - np.nanmean(past)) / np.nanstd(past)
    extreme = np.abs(deviation) >= 1
    returns = data.panel.values[..., FOUNDATION.index("return_1d")].astype(float)
    ahead = [np.log1p(returns[symbol, end + 1 : end + 1 + HORIZON]).sum() for symbol, end in ends]
    bars = data.panel.values[ends[:, 0], ends[:, 1]].astype(float)
    scale = past_volatility(*(bars[:, FOUNDATION.index(name)] for name in ("vol_21d", "vol_63d")))
    move = np.array(ahead) / (scale * HORIZON**0.5)
    assert 5 < extreme.sum() < len(ends)
    contrary = np.sign(deviation[extreme]) == np.sign(move[extreme])
    assert found["pcr_extreme_accuracy"] == pytest.approx(contrary.mean())
    balance = feature("gamma_exposure_balance", ends)
    known = np.isfinite(balance)
    damped = (balance[known] > 0) == (np.abs(move[known]) < 0.6745)
    assert found["gamma_zone_accuracy"] == pytest.approx(damped.mean())


@pytest.mark.promise("S0-23")
def test_options_that_are_not_there_are_named(market: Market, tmp_path: Path) -> None:
    on = settings(market, model={"options_enabled": True})
    with pytest.raises(DataError, match=r"put_call_volume, .* in that order"):
        train(on, market.examples, tmp_path / "out", market.run("none"))
    frame = with_options(market_frame(TICKERS[:2]))
    frame.loc[frame["symbol"] == "BBB", list(OPTIONS)] = np.nan
    examples = write_examples(tmp_path / "examples", frame)
    bundle = train(on, examples, tmp_path / "out", market.run("some"))
    refused = read_json(bundle.path("twins.json"))["refused"]
    assert list(refused) == ["BBB"]
    assert "BBB has no option feature on any of the 100 days" in refused["BBB"]
    assert "model.options_enabled=false" in refused["BBB"]


@pytest.mark.promise("S0-56")
def test_without_a_foundation_the_command_that_makes_one_is_named(market: Market, tmp_path: Path) -> None:
    run = Market(tmp_path, market.examples, market.foundation).run("k")
    with pytest.raises(ArtifactError, match="qf run foundation --dataset made-up"):
        foundation_of(recipe(), "made-up", run)
    with pytest.raises(ArtifactError, match=r"no foundation lies here\. Train one: qf run foundation"):
        foundation_of(recipe(foundation=str(tmp_path / "nowhere")), "made-up", run)
    with pytest.raises(RecipeError, match=r"data\.window must be 12, the foundation's, was 20"):
        foundation_of(settings(market, data={"window": 20}), "made-up", run)


def test_days_that_the_foundation_saw_judge_no_twin(market: Market, tmp_path: Path) -> None:
    """The test zone begins on the day after the last that this foundation saw: the day itself is one too late."""
    data = read_examples(market.examples)
    begins = str(data.panel.timestamps[data.zone == data.zones.index("test")][0])[:10]
    assert market.foundation.manifest["data"]["seen_until"][:10] < begins
    seen = {"late": {"seen_until": f"{begins}T00:00:00+00:00"}, "silent": {}}
    late, silent = (write_foundation(tmp_path / key, market.examples, data=facts) for key, facts in seen.items())
    run = market.run("unseen")
    with pytest.raises(RecipeError, match=f"test begins on {begins}, and the foundation saw days up to {begins}"):
        train(recipe(foundation=str(late.folder)), market.examples, tmp_path / "out", run)
    with pytest.raises(ArtifactError, match=r"silent: the foundation does not say up to when it looked, .+ Train it"):
        train(recipe(foundation=str(silent.folder)), market.examples, tmp_path / "out", run)


def test_a_tampered_fleet_is_refused(fleet: bundles.Bundle, tmp_path: Path) -> None:
    shutil.copytree(fleet.folder, tmp_path / "copy")
    weights = tmp_path / "copy" / "foundation" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        bundles.load(tmp_path / "copy")
