"""Regime and health through the whole line: what is known is promoted, what nobody could know is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from line import Line

from components.market.synthetic import MarketSpec, market

MARKET = "symbols=8&days=2500&seed=3"
QUICK = ("--recipe", "smoke", "--run-key", "k")


@pytest.mark.slow
def test_health_of_a_month_later_is_promoted(tmp_path: Path) -> None:
    line = Line(tmp_path)
    source = "synthetic://planted?symbols=8&days=6000&half_life=60&strength=2&steady=1&seed=4"
    result = line.qf("run", "health", *QUICK, "--source", source, "--set", "data.horizon=21")
    assert result.returncode == 0, result.stderr
    assert line.facts("k", "validate")["outcome"] == "pass", result.stdout
    assert line.facts("k", "promote")["outcome"] == "promoted"


@pytest.mark.slow
def test_health_of_a_quarter_later_shares_no_day_with_now_and_in_noise_nobody_knows_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    result = line.qf("run", "health", *QUICK, "--source", f"synthetic://noise?{MARKET}")
    assert result.returncode == 0, result.stderr
    assert line.facts("k", "validate")["outcome"] != "pass", result.stdout
    assert line.facts("k", "promote")["outcome"] == "refused"
    assert line.ledger("promotions") == []


@pytest.mark.slow
def test_regimes_are_judged_as_classes(tmp_path: Path) -> None:
    line = Line(tmp_path)
    source = "synthetic://planted?symbols=1&days=3000&seed=3"
    result = line.qf("run", "regime", *QUICK, "--source", source)
    assert result.returncode == 0, result.stderr
    assert "Does it know all classes" in result.stdout
    assert line.facts("k", "validate")["outcome"] in {"pass", "fail"}


@pytest.mark.slow
@pytest.mark.promise("S1-52")
def test_bars_without_context_end_with_the_view_and_the_remedy(tmp_path: Path) -> None:
    bars = market(MarketSpec(symbols=1, days=300)).drop_columns(["known_at"])
    table = bars.set_column(1, "date", bars["timestamp"].cast(pa.date32()))
    pq.write_table(table, tmp_path / "bars.parquet")
    result = Line(tmp_path / "root").qf(
        "run", "regime", "--source", str(tmp_path / "bars.parquet"), "--recipe", "smoke"
    )
    assert result.returncode == 65, result.stdout + result.stderr
    assert "no rows of context_v1, which regime reads" in result.stderr
    assert "--context" in result.stderr
