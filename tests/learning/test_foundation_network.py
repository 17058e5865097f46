"""The foundation network: what it makes of bars, what it says untrained, and how it is loaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from components.core.bundle import Bundle, seal
from components.core.errors import ArtifactError
from components.core.files import write_json
from components.learning.bundles import FACTS, WEIGHTS
from components.learning.foundation import (
    MAX_SCALED,
    OBSERVED,
    FoundationNetwork,
    load_foundation_model,
    scale_free,
    volatility,
)
from components.learning.tft.config import TftConfig
from components.market.columns import FOUNDATION, QUANTILE_LEVELS
from components.market.moves import MIN_VOLATILITY

CONFIG = TftConfig(hidden=8, continuous=3, heads=2)
SETTINGS = {"model": CONFIG.model_dump(), "data": {"window": 5, "horizon": 5}}
PRICES = ("open", "high", "low", "close", "ema_50", "ema_200")
BASE = np.linspace(-1.5, 1.5, 5 * 7).reshape(7, 5).T


def network(*, seed: int = 0, shaken: bool = True) -> FoundationNetwork:
    torch.manual_seed(seed)
    model = FoundationNetwork(CONFIG, window=5, horizon=5)
    model.prepare(np.zeros(OBSERVED + 3), np.ones(OBSERVED + 3), BASE)
    if shaken:
        torch.nn.init.normal_(model.transformer.head.weight)
    return model.eval()


def windows_like(num: int = 6, bars: int = 5) -> Tensor:
    rng = np.random.default_rng(1)
    rows = np.abs(rng.normal(0.2, 0.05, (num, bars, len(FOUNDATION))))
    for name in PRICES:
        rows[..., FOUNDATION.index(name)] = rng.uniform(90, 95, (num, bars))
    rows[..., FOUNDATION.index("high")] += 10
    rows[..., FOUNDATION.index("volume")] = rng.uniform(1e5, 1e6, (num, bars))
    return torch.from_numpy(rows.astype(np.float32))


def sealed(folder: Path, *, family: str = "foundation", settings: dict = SETTINGS) -> Bundle:
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(save(network().state_dict()))
    write_json(folder / FACTS, {"model_state_dict": WEIGHTS})
    return seal(folder, family=family, config=settings, schema={}, data={}, notes={})


def test_inputs_by_hand() -> None:
    row = dict.fromkeys(FOUNDATION, 0.0) | {
        "return_5d": 0.1, "vol_21d": 0.3, "vol_63d": 0.4, "drawdown_21d": -0.2, "open": 90.0, "high": 110.0,
        "low": 100.0, "close": 100.0, "volume": 0.0, "rsi_14": 55.0, "ema_50": 80.0, "ema_200": 100.0, "beta_252": 1.2,
    }  # fmt: skip
    rows = torch.tensor([[row[name] for name in FOUNDATION]], dtype=torch.float64)
    unit = (0.125 / 252 + MIN_VOLATILITY**2) ** 0.5
    assert volatility(rows).item() == pytest.approx(unit)
    found = scale_free(rows)[0].numpy()
    expected = {1: np.log(1.1) / unit / 5**0.5, 4: -0.2 / unit / 21**0.5, 8: np.log(10 / 9) / unit,
                9: np.log(1.25) / unit / 50**0.5, 10: 0.0, 11: np.log(1.1) / unit, 12: np.log(unit),
                13: (0.09 / 252 + MIN_VOLATILITY**2) ** 0.5 / unit, 14: 0.55, 15: 0.0, 16: 1.2}  # fmt: skip
    for place, value in expected.items():
        assert found[place] == pytest.approx(value), place


def test_a_stock_of_another_price_is_the_same_stock() -> None:
    model, windows = network(), windows_like()
    other = windows.clone()
    for name in PRICES:
        other[..., FOUNDATION.index(name)] *= 40
    torch.testing.assert_close(model(other), model(windows), rtol=1e-4, atol=1e-6)


def test_untrained_it_says_what_past_volatility_says() -> None:
    model, windows = network(shaken=False), windows_like()
    unit = volatility(windows[:, -1])[:, None] * torch.arange(1, 6).sqrt()[:, None]
    expected = torch.from_numpy(np.sort(BASE, axis=1)).float() * unit
    torch.testing.assert_close(model(windows), expected)


def test_quantiles_ascend_and_slabs_say_what_windows_say() -> None:
    model, slab = network(), windows_like(2, bars=9)
    said = model.standard(slab, stride=2).unflatten(0, (2, 3))
    scale = model.scale(slab, stride=2).unflatten(0, (2, 3))
    for number in range(3):
        window = slab[:, 2 * number : 2 * number + 5]
        torch.testing.assert_close(said[:, number], model.standard(window), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(scale[:, number], model.scale(window))
        assert (model(window).diff(dim=-1) >= 0).all()
    assert model.trunk(slab, stride=2).shape == (6, 5, CONFIG.hidden)
    assert said.shape[-1] == len(QUANTILE_LEVELS)


def test_an_outlier_counts_no_more_than_the_bound() -> None:
    model, windows = network(), windows_like()
    wild = windows.clone()
    wild[..., FOUNDATION.index("rsi_14")] = 100 * 2 * MAX_SCALED
    wilder = wild.clone()
    wilder[..., FOUNDATION.index("rsi_14")] *= 1000
    torch.testing.assert_close(model(wild), model(wilder))


@pytest.mark.promise("S0-14")
def test_a_sealed_foundation_is_loaded_as_it_was(tmp_path: Path) -> None:
    sealed(tmp_path / "bundle")
    model = load_foundation_model(tmp_path / "bundle", CONFIG)
    assert not model.training
    torch.testing.assert_close(model(windows_like()), network()(windows_like()), rtol=0, atol=0)


@pytest.mark.promise("S0-56")
def test_no_altered_foreign_or_misfitting_foundation_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing: no foundation lies here\. Train one: qf run foundation"):
        load_foundation_model(tmp_path / "nothing", CONFIG)
    sealed(tmp_path / "other", family="health")
    with pytest.raises(ArtifactError, match="a bundle of 'health', not of the foundation"):
        load_foundation_model(tmp_path / "other", CONFIG)
    sealed(tmp_path / "bundle")
    with pytest.raises(ArtifactError, match="the foundation has hidden 8, wanted 32"):
        load_foundation_model(tmp_path / "bundle", CONFIG.model_copy(update={"hidden": 32}))
    weights = bytearray((tmp_path / "bundle" / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (tmp_path / "bundle" / WEIGHTS).write_bytes(weights)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        load_foundation_model(tmp_path / "bundle", CONFIG)
    sealed(tmp_path / "narrow", settings=SETTINGS | {"model": CONFIG.model_dump() | {"hidden": 16}})
    with pytest.raises(ArtifactError, match="the weights do not fit the recipe"):
        load_foundation_model(tmp_path / "narrow", CONFIG.model_copy(update={"hidden": 16}))
