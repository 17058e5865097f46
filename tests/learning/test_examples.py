"""Examples are read as they were written, or refused with the place at fault."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import ArtifactError, DataError
from components.core.files import read_json, sha256_of, write_json
from components.learning.examples import from_table, read_examples
from components.market.examples_manifest import examples_digest

DAYS = np.datetime64("2024-01-01", "us") + np.arange(6) * np.timedelta64(1, "D")


def columns() -> dict[str, Any]:
    """A has all six days, B lacks the third; four days of training and two of validation."""
    return {
        "symbol": ["A"] * 6 + ["B"] * 5,
        "timestamp": pa.array(np.concatenate([DAYS, np.delete(DAYS, 2)]), type=pa.timestamp("us", "UTC")),
        "x": [1.0, 2.0, 3.0, 4.0, 100.0, 200.0, 5.0, 6.0, 8.0, 300.0, 400.0],
        "y": [7.0] * 4 + [9.0] * 2 + [7.0] * 3 + [9.0] * 2,
        "label": [1.0, 0.0, 1.0, 1.0, 0.0, np.nan, 0.0, np.nan, 1.0, 1.0, np.nan],
        "forward_return": [0.01 * number for number in range(11)],
        "zone": ["train"] * 4 + ["validation"] * 2 + ["train"] * 3 + ["validation"] * 2,
    }


MANIFEST = {"digest": "d", "columns": ["x", "y"]}


@pytest.mark.promise("S3-11")
def test_mean_and_deviation_come_from_training_rows_alone() -> None:
    examples = from_table(pa.table(columns()), MANIFEST, name="t")
    train = np.array([1.0, 2, 3, 4, 5, 6, 8])
    assert examples.mean.tolist() == pytest.approx([train.mean(), 7.0])
    assert examples.std.tolist() == pytest.approx([train.std(), 1.0])  # y does not vary in training


def test_rows_land_on_the_grid_of_symbols_and_times() -> None:
    examples = from_table(pa.table(columns()), MANIFEST, name="t")
    assert examples.symbols == ("A", "B")
    assert examples.panel.timestamps.tolist() == DAYS.tolist()
    assert examples.panel.values[0, :, 0].tolist() == [1, 2, 3, 4, 100, 200]
    assert np.isnan(examples.panel.values[1, 2]).all()
    assert examples.label[1, [0, 3]].tolist() == [0.0, 1.0]
    assert examples.forward_return[1, 5] == pytest.approx(0.10)
    assert [examples.zones[code] for code in examples.zone] == ["train"] * 4 + ["validation"] * 2


def test_raw_windows_hold_the_bars_up_to_their_ends_oldest_first() -> None:
    examples = from_table(pa.table(columns()), MANIFEST, name="t")
    found = examples.raw_windows(np.array([[0, 3], [0, 2]]), 3)
    assert found[:, :, 0].tolist() == [[2, 3, 4], [1, 2, 3]]
    assert found.dtype == np.float32


def test_windows_stay_inside_a_zone_and_off_the_gap() -> None:
    examples = from_table(pa.table(columns()), MANIFEST, name="t")
    assert examples.windows("train", 2, 1).tolist() == [[0, 1], [0, 2]]
    assert examples.windows("validation", 1, 1).tolist() == [[0, 4], [1, 4]]
    assert examples.windows("test", 1, 1).shape == (0, 2)


def test_a_window_without_a_label_is_left_out() -> None:
    values = columns()
    values["label"][1] = np.nan
    assert from_table(pa.table(values), MANIFEST, name="t").windows("train", 2, 1).tolist() == [[0, 2]]


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("x", 3, np.nan, ["row 4", "'x'", "not a finite number"]),
        ("y", 0, np.inf, ["row 1", "'y'"]),
        ("label", 0, 0.5, ["'label'", "neither 0 nor 1"]),
        ("zone", 0, "validation", ["'zone'", "one time has two zones"]),
    ],
)
def test_a_bad_cell_is_named(column: str, row: int, value: object, words: list[str]) -> None:
    values = columns()
    values[column][row] = value
    with pytest.raises(DataError) as caught:
        from_table(pa.table(values), MANIFEST, name="t")
    for word in ["t, ", *words]:
        assert word in str(caught.value)


KINDS: dict[str, dict[str, Any]] = {
    "class": {"labeller": "mood_v1", "classes": ["calm", "wild", "dead"]},
    "score": {"labeller": "health_v1"},
}


def labelled(label: list[float], now: list[float]) -> dict[str, Any]:
    values = columns()
    del values["forward_return"]
    return values | {"label": label, "now": now}


def test_classes_and_scores_are_read_with_what_was_at_the_decision() -> None:
    codes = [2.0, 0.0, 1.0, 2.0, np.nan, np.nan] + [0.0] * 5
    examples = from_table(pa.table(labelled(codes, codes[::-1])), MANIFEST | KINDS["class"], name="t")
    assert examples.classes == ("calm", "wild", "dead")
    assert examples.now[1, 5] == 2.0
    assert np.isnan(examples.label[1]).tolist() == [True, False, True, False, False, False]  # no now, and no row
    assert np.isnan(examples.forward_return).all()
    scores = [0.0, 0.25, 1.0, *codes[:1], *[np.nan] * 7]
    with pytest.raises(DataError, match=r"'label': a label is not between 0 and 1"):
        from_table(pa.table(labelled(scores, codes)), MANIFEST | KINDS["score"], name="t")


@pytest.mark.parametrize(("kind", "value"), [("class", 3.0), ("class", 0.5), ("class", -1.0), ("score", 1.01)])
@pytest.mark.parametrize("column", ["label", "now"])
def test_a_label_that_is_none_of_its_kind_is_named(kind: str, value: float, column: str) -> None:
    good = [0.0] * 11
    values = labelled(good, good) | {column: [value, *good[1:]]}
    with pytest.raises(DataError, match=rf"'{column}': a label is (no code from 0 to 2|not between 0 and 1)"):
        from_table(pa.table(values), MANIFEST | KINDS[kind], name="t")


def test_a_missing_column_is_named() -> None:
    values = columns()
    del values["zone"]
    with pytest.raises(DataError, match="'zone'"):
        from_table(pa.table(values), MANIFEST, name="t")


def folder_of(path: Path) -> Path:
    pq.write_table(pa.table(columns()), path / "examples.parquet")
    manifest = {"columns": ["x", "y"], "files": {"examples.parquet": sha256_of(path / "examples.parquet")}}
    write_json(path / "manifest.json", manifest | {"digest": examples_digest(manifest)})
    return path


def test_a_sealed_folder_reads_back(tmp_path: Path) -> None:
    examples = read_examples(folder_of(tmp_path))
    assert examples.digest == read_json(tmp_path / "manifest.json")["digest"]


def test_an_altered_table_is_refused(tmp_path: Path) -> None:
    file = folder_of(tmp_path) / "examples.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"examples\.parquet: sha256 differs"):
        read_examples(tmp_path)


def test_an_altered_manifest_is_refused(tmp_path: Path) -> None:
    manifest = read_json(folder_of(tmp_path) / "manifest.json")
    write_json(tmp_path / "manifest.json", manifest | {"columns": ["y", "x"]})
    with pytest.raises(ArtifactError, match="digest does not fit"):
        read_examples(tmp_path)
