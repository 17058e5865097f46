"""Answers that know what comes later are told apart from those that do not, whatever their skill."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core import family as families
from components.core.files import read_json, write_json
from components.market.examples_manifest import examples_digest
from components.market.predictions import Predictions
from components.validate.case import Unanswered
from components.validate.causality import answer_causality, changed_after, feature_causality
from components.validate.measures import Measured
from components.validate.zone import Zone

NUM_TIMES = 120
MANIFEST = {"columns": ["x"], "horizon": 1, "files": {}}
Answer = Callable[[pd.DataFrame], "pd.Series[float]"]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    frames = []
    for symbol in ("A", "B"):
        x = rng.standard_normal(NUM_TIMES)
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "timestamp": pd.date_range("2024-01-01", periods=NUM_TIMES, tz="UTC"),
                    "x": x,
                    "label": (x + rng.standard_normal(NUM_TIMES) > 0).astype(float),
                    "forward_return": 0.01 * rng.standard_normal(NUM_TIMES),
                    "zone": "test",
                }
            )
        )
    folder = tmp_path / "examples"
    folder.mkdir()
    pq.write_table(pa.Table.from_pandas(pd.concat(frames), preserve_index=False), folder / "examples.parquet")
    write_json(folder / "manifest.json", MANIFEST | {"digest": examples_digest(MANIFEST)})
    return folder


def said(folder: Path, answer: Answer) -> Predictions:
    """Return the table of a family that answers each row of the test zone with ``answer``."""
    manifest = read_json(folder / "manifest.json")
    assert manifest["digest"] == examples_digest(manifest)
    frame = pq.read_table(folder / "examples.parquet").to_pandas()
    frame = frame.assign(answer=frame.groupby("symbol", group_keys=False)[["x", "label"]].apply(answer))
    frame = frame[frame["zone"] == "test"].sort_values(["timestamp", "symbol"])
    return Predictions(
        symbols=("A", "B"),
        symbol=(frame["symbol"] == "B").to_numpy().astype(np.int64),
        timestamp=frame["timestamp"].dt.tz_localize(None).to_numpy("datetime64[us]"),
        probability=1 / (1 + np.exp(-frame["answer"].to_numpy())),
        label=frame["label"].to_numpy(),
        forward_return=frame["forward_return"].to_numpy(),
        threshold=0.5,
    )


def asked(folder: Path, answer: Answer):
    zone = Zone(said(folder, answer))
    return answer_causality(zone, lambda other: said(other, answer), folder, MANIFEST, seed=0)


ANSWERS: dict[str, tuple[Answer, bool]] = {
    "honest": (lambda rows: rows["x"], True),
    "with a long memory": (lambda rows: rows["x"].cumsum(), True),
    "one row ahead": (lambda rows: rows["x"].shift(-1, fill_value=0.0), False),
    "ten rows ahead": (lambda rows: rows["x"].shift(-10, fill_value=0.0), False),
    "the label itself": (lambda rows: 0.9 * rows["label"], False),
    "scaled by the whole zone": (lambda rows: rows["x"] / rows["x"].abs().max(), False),
    "the label of the row before": (lambda rows: rows["label"].shift(1, fill_value=0.0), True),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_only_an_answer_that_knows_the_future_moves_with_it(examples: Path, name: str) -> None:
    answer, honest = ANSWERS[name]
    result = asked(examples, answer)
    assert isinstance(result, Measured)
    assert result.value == pytest.approx(0.0, abs=1e-9) if honest else result.value > 0.01


def test_what_was_known_at_the_cut_stays_and_all_else_changes(examples: Path) -> None:
    table = pq.read_table(examples / "examples.parquet")
    cut = np.datetime64("2024-02-10", "us")  # the 41st of 120 days
    before, after = table.to_pandas(), changed_after(table, MANIFEST, cut, np.random.default_rng(0)).to_pandas()
    known = (before["timestamp"].dt.tz_localize(None) <= cut).to_numpy()
    assert known.sum() == 2 * 41
    pd.testing.assert_series_equal(before["x"][known], after["x"][known])
    assert (before["x"][~known] == after["x"][~known]).mean() < 0.05
    # The label of day 41 is known on day 42 only.
    earlier = (before["timestamp"].dt.tz_localize(None) < cut).to_numpy()
    np.testing.assert_array_equal(before["label"][earlier], after["label"][earlier])
    np.testing.assert_array_equal(1 - before["label"][~earlier], after["label"][~earlier])
    assert (after["zone"] == "test").sum() == 2 * (41 + 1 + 20)  # the horizon and what an answer may reach for


def test_a_broken_zone_answers_nothing(examples: Path) -> None:
    result = asked(examples, lambda rows: rows["x"] * np.nan)
    assert isinstance(result, Unanswered)
    assert result.outcome == "fail"


def test_features_that_look_ahead_fail_the_family_that_reads_them_and_no_other() -> None:
    finding = {"view": "technical_v1", "column": "rsi_14", "problem": "look-ahead: column 'rsi_14' moves"}
    manifest = {"lookahead": {"views": ["technical_v1", "returns_v1"], "checked": "all", "findings": [finding]}}
    found = feature_causality(manifest, families.find("price_action"))
    assert isinstance(found, Measured)
    assert found.value == 1
    assert "rsi_14" in found.note
    other = feature_causality(manifest, families.find("health"))
    assert isinstance(other, Measured)
    assert other.value == 0


def test_a_view_that_nobody_probed_fails_the_family_that_reads_it() -> None:
    manifest = {"lookahead": {"views": ["technical_v1"], "checked": "all", "findings": []}}
    found = feature_causality(manifest, families.find("regime"))
    assert isinstance(found, Unanswered)
    assert found.outcome == "fail"
    assert "context_v1" in found.reason


def test_features_that_nobody_probed_fail_closed() -> None:
    found = feature_causality({}, families.find("price_action"))
    assert isinstance(found, Unanswered)
    assert found.outcome == "fail"
