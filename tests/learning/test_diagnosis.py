"""What a run's metrics say of its training, each complaint from metrics that show it."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import qf
from components.core.errors import ArtifactError
from components.core.workspace import Workspace
from components.learning.diagnosis import diagnose
from components.learning.spool import Spool


def spooled(
    folder: Path, losses: np.ndarray, evaluated: list[float], returns: list[float] | None = None, *, every: int = 100
) -> Path:
    """Write the metrics of a training: a loss for each step, and an evaluation every so many."""
    folder.mkdir(parents=True, exist_ok=True)
    with Spool(folder / "metrics.jsonl", training="t", position=0) as spool:
        for step, loss in enumerate(losses.tolist(), start=1):
            spool.append(step, {"step/loss": loss, "step/gradient_norm": 1.0}, time_ms=0)
            place = step // every - 1
            if step % every == 0 and place < len(evaluated):
                values = {"train/loss": loss, "eval/loss": evaluated[place]}
                spool.append(step, values | ({"profit/total_return": returns[place]} if returns else {}), time_ms=0)
    return folder


def noisy(level: np.ndarray) -> np.ndarray:
    return level + 0.05 * np.random.default_rng(0).standard_normal(level.size)


FALLING = noisy(np.linspace(1.0, 0.2, 600))


def test_a_training_that_goes_well_has_no_complaint(tmp_path: Path) -> None:
    assert diagnose(spooled(tmp_path, FALLING, [0.9, 0.8, 0.6, 0.5, 0.6, 0.4], [-0.1, 0.0, 0.1, 0.1, 0.2, 0.3])) == []


@pytest.mark.promise("S2-63")
def test_a_loss_that_does_not_fall_names_rate_warmup_and_scaling(tmp_path: Path) -> None:
    [found] = diagnose(spooled(tmp_path, noisy(np.full(400, 0.7)), [0.7, 0.69, 0.7, 0.68]))
    assert found.startswith("the loss does not fall: 0.70")
    for word in ("train.lr", "warmup", "scaler.json"):
        assert word in found
    assert diagnose(spooled(tmp_path / "short", noisy(np.full(30, 0.7)), [0.7], every=30)) == []


@pytest.mark.promise("S2-64")
def test_a_loss_is_put_down_to_early_days_to_an_overfit_or_to_the_market(tmp_path: Path) -> None:
    early = diagnose(spooled(tmp_path / "early", FALLING[:200], [0.9, 0.8], [-0.1, -0.05]))
    assert early == [
        "the profit is negative, -5.00% on the validation zone: only 2 evaluations are over, so it is early: wait"
    ]
    overfit, negative = diagnose(
        spooled(tmp_path / "late", FALLING, [0.9, 0.7, 0.8, 0.9, 1.0, 1.1], [0.1, 0.1, 0.0, -0.1, -0.2, -0.3])
    )
    assert overfit.startswith("overfit: the evaluation's loss was lowest 4 evaluations ago, 0.7, and is 1.1.")
    assert negative.endswith("-30.00% on the validation zone: the training overfits, see above")
    [market] = diagnose(spooled(tmp_path / "market", FALLING, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [-0.1] * 6))
    assert "nothing that pays after costs" in market


@pytest.mark.promise("S2-65")
def test_no_metrics_are_a_matter_of_the_folder_or_of_the_first_hundred_steps(tmp_path: Path) -> None:
    [nowhere] = diagnose(tmp_path)
    assert "metrics.jsonl is not there" in nowhere
    assert "another --root" in nowhere
    [early] = diagnose(spooled(tmp_path, FALLING[:60], []))
    assert early.startswith("no metrics yet at step 60: the first are logged with the first evaluation, at step 100")
    with pytest.raises(ArtifactError, match="no such run"):
        diagnose(tmp_path / "none")


@pytest.mark.promise("S2-65")
def test_the_doctor_reads_a_run(tmp_path: Path) -> None:
    folder = Workspace.at(str(tmp_path)).run("ill")
    spooled(folder, FALLING[:60], [])
    result = CliRunner().invoke(qf, ["doctor", "--root", str(tmp_path), "--run", "ill"])
    assert "BAD  training of ill" in result.output
    assert "no metrics yet at step 60" in result.output
    assert "packages" not in result.output
    spooled(Workspace.at(str(tmp_path)).run("well"), FALLING, [0.9, 0.8, 0.6, 0.5, 0.6, 0.4])
    well = CliRunner().invoke(qf, ["doctor", "--root", str(tmp_path), "--run", "well"])
    assert (well.exit_code, well.output) == (0, "ok   training of well\n")
