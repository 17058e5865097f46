"""A fleet on a market where nobody can know a direction: what it may promote by luck alone is bounded."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from twin_market import HORIZON, Market, recipe, write_examples, write_foundation

from components.core.judge import JudgeConfig
from components.families.twin.fleet import single
from components.families.twin.predict import predict
from components.families.twin.train import train
from components.features.tables import bar_panel, feature_tables
from components.market.columns import FOUNDATION
from components.market.synthetic import MarketSpec, market
from components.validate.fleet import LEVEL, Twin, discoveries

SEEDS, SYMBOLS = (1, 2), 8


def noise_frame(seed: int) -> pd.DataFrame:
    """Return the rows of a noise market after its warm-up."""
    bars = market(MarketSpec(market="noise", symbols=SYMBOLS, days=1500, seed=seed))
    frame = bars.select(["symbol", "timestamp"]).to_pandas()
    for _, table in feature_tables(bar_panel(bars), "daily"):
        for name in set(FOUNDATION) & set(table.column_names):
            frame[name] = table[name].to_numpy()
    frame = frame[np.isfinite(frame[list(FOUNDATION)]).all(axis=1)]
    return frame.assign(label=frame.groupby("symbol")["return_1d"].shift(-HORIZON), now=0.01)


@pytest.mark.slow
def test_a_fleet_on_noise_has_no_more_discoveries_than_it_may(tmp_path: Path) -> None:
    found = 0
    for seed in SEEDS:
        root = tmp_path / str(seed)
        examples = write_examples(root / "examples", noise_frame(seed))
        made = Market(root, examples, write_foundation(root / "foundation", examples))
        config = recipe(foundation=str(made.foundation.folder))
        fleet = train(config, examples, root / "fleet", made.run("k"))
        twins: list[Twin] = []
        for ticker in fleet.manifest["schema"]["tickers"]:
            bundle = single(fleet, ticker, root / ticker)
            said = (predict(bundle, examples, zone=zone, threads=1) for zone in ("test", "train"))
            twins.append(Twin(ticker, *said))
        told = discoveries(twins, JudgeConfig())
        assert sum(np.isfinite(each.p_value) for each in told) > SYMBOLS / 2
        found += sum(each.discovered for each in told)
    assert found <= LEVEL * SYMBOLS * len(SEEDS)
