"""The rows of the holdout lie apart, under the same digest, and nothing of them is left beside the others."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.assemble.examples import assemble, blinded
from components.core import family as families
from components.core.errors import ArtifactError
from components.core.files import read_json, write_json
from components.features.materialize import build_features
from components.ingest.snapshot import ingest
from components.learning.examples import read_examples
from components.market.examples_manifest import examples_digest

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MEMBER = families.find("price_action")
ZONES = "data.zones={train: 0.5, validation: 0.2, test: 0.2, holdout: 0.1}"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("features")
    ingest(
        "synthetic://planted?symbols=2&days=400&seed=4", symbols="", asof="", dataset="sealed", faults="refuse",
        layout="", max_restated=0.0, context="", options="", out=str(root / "snapshot"),
        quality=str(root / "quality.html"), root=str(root), run_key="k",
    )  # fmt: skip
    build_features(str(root / "snapshot"), out=str(root / "features"), root=str(root), run_key="k")
    return root / "features"


def assembled(features: Path, root: Path, *overrides: str) -> Path:
    recipe = MEMBER.recipe("smoke", ("data.window=5", ZONES, *overrides)).canonical()
    assemble(str(features), MEMBER.name, recipe, out=str(root / "examples"), root=str(root), run_key="k")
    return root / "examples"


def rows_of(folder: Path, name: str) -> pd.DataFrame:
    return pq.read_table(folder / name).to_pandas()


@pytest.fixture(scope="module")
def examples(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assembled(features, tmp_path_factory.mktemp("examples"))


def test_what_a_trainer_reads_holds_no_row_of_the_holdout(examples: Path) -> None:
    opened, sealed = (rows_of(examples, name) for name in ("examples.parquet", "holdout.parquet"))
    assert set(opened["zone"]) == {"train", "validation", "test"}
    assert set(sealed["zone"]) == {"holdout"}
    assert len(sealed) == 2 * 21  # of 400 - 199 = 201 days, those from floor(0.9 x 201) = 180 on
    assert opened["timestamp"].max() < sealed["timestamp"].min()
    assert "holdout" not in read_examples(examples).zones
    assert read_examples(examples, holdout=True).zones == ("holdout", "test", "train", "validation")


def test_no_outcome_before_the_holdout_is_made_of_its_prices(examples: Path) -> None:
    opened = rows_of(examples, "examples.parquet")
    for _, part in opened.groupby("symbol"):
        blank = part[["label", "forward_return"]].isna().all(axis=1).to_numpy()
        assert blank.tolist() == [False] * 178 + [True] * 2  # an open after the label's bar ends the last trade


def test_outcomes_are_left_out_by_bars_and_not_by_rows() -> None:
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-06"])
    frame = pd.DataFrame(
        {"timestamp": days[[0, 1, 2, 3, 4, 5, 2, 4]], "label": 1.0, "now": 2.0,
         "zone": ["test"] * 4 + ["holdout"] * 2 + ["test", "holdout"]}
    )  # fmt: skip
    found = blinded(frame, 2)
    assert found["label"].notna().tolist() == [True, False, False, False, True, True, False, True]
    assert found["now"].notna().all()
    assert blinded(frame.assign(zone="test"), 2)["label"].notna().all()


def test_the_digest_of_the_examples_binds_the_sealed_rows(examples: Path, tmp_path: Path) -> None:
    manifest = read_json(examples / "manifest.json")
    assert sorted(manifest["files"]) == ["examples.parquet", "holdout.parquet"]
    assert manifest["rows"] == 2 * 201
    other = manifest | {"files": manifest["files"] | {"holdout.parquet": "0" * 64}}
    assert examples_digest(other) != manifest["digest"]
    for name in manifest["files"]:
        (tmp_path / name).write_bytes((examples / name).read_bytes())
    write_json(tmp_path / "manifest.json", manifest)
    (tmp_path / "holdout.parquet").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"holdout\.parquet: sha256 differs"):
        read_examples(tmp_path, holdout=True)
    assert read_examples(tmp_path).digest == manifest["digest"]


def test_embargo_and_recipes_without_a_holdout(features: Path, tmp_path: Path) -> None:
    late = rows_of(assembled(features, tmp_path / "late", "data.embargo_bars=3"), "holdout.parquet")
    assert len(late) == 2 * 18
    plain = assembled(features, tmp_path / "plain", "data.zones={train: 0.5, validation: 0.2, test: 0.3}")
    assert [path.name for path in sorted(plain.glob("*.parquet"))] == ["examples.parquet"]
    found, asked = read_examples(plain), read_examples(plain, holdout=True)
    for item in dataclasses.fields(found):
        one, two = (getattr(each, item.name) for each in (found, asked))
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, two)
