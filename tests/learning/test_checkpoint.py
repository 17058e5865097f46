"""A checkpoint comes back bit for bit, or the one before it does and it is said aloud."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from components.learning.checkpoint import (
    Checkpoint,
    CheckpointStore,
    epoch_label,
    named,
    optimizer_tensors,
    restore_optimizer,
)

LOG = logging.getLogger("test")


def checkpoint(number: int) -> Checkpoint:
    tensors = {"model.weight": torch.full((3,), 0.1) * number, "rng.cpu": torch.get_rng_state()}
    return Checkpoint(tensors, {"epoch": number, "loss": 0.1 + number / 3, "best": None})


def filled(folder: Path, count: int) -> CheckpointStore:
    store = CheckpointStore(folder, log=LOG)
    for number in range(count):
        store.save(checkpoint(number))
    return store


def test_the_newest_comes_back_bit_for_bit(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    found = CheckpointStore(tmp_path, log=LOG).newest()
    assert found is not None
    assert found.values == checkpoint(1).values
    assert torch.equal(found.group("model")["weight"], checkpoint(1).tensors["model.weight"])
    assert torch.equal(found.group("rng")["cpu"], torch.get_rng_state())


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path / "new", log=LOG).newest() is None


def test_three_are_kept(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"checkpoint-{number:08d}.{kind}" for number in (2, 3, 4) for kind in ("json", "safetensors")
    ]


@pytest.mark.parametrize("kind", ["json", "safetensors"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "missing"])
def test_a_damaged_newest_is_said_aloud_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, damage: str
) -> None:
    store = filled(tmp_path, 3)
    victim = tmp_path / f"checkpoint-00000002.{kind}"
    content = bytearray(victim.read_bytes())
    if damage == "missing":
        victim.unlink()
    else:
        content[len(content) // 2] ^= 1
        victim.write_bytes({"flip": content, "truncate": content[: len(content) // 2], "empty": b""}[damage])
    found = store.newest()
    assert found is not None
    assert found.values["epoch"] == 1
    if (damage, kind) != ("missing", "json"):  # without its manifest a checkpoint never happened
        assert "checkpoint-00000002.json is damaged" in caplog.text


def test_a_changed_counter_is_noticed(tmp_path: Path) -> None:
    store = filled(tmp_path, 2)
    manifest = tmp_path / "checkpoint-00000001.json"
    manifest.write_text(manifest.read_text().replace('"epoch": 1', '"epoch": 7'))
    found = store.newest()
    assert found is not None
    assert found.values["epoch"] == 0


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (tmp_path / ".checkpoint-00000001.json.12.ab.tmp").write_bytes(b"half")
    (tmp_path / "checkpoint-00000001.safetensors").write_bytes(b"tensors without a manifest")
    filled(tmp_path, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-00000000.json",
        "checkpoint-00000000.safetensors",
    ]


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.ones(1, 3)).square().sum().backward()
    optimizer.step()


def test_an_optimizer_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    step(model, optimizer)
    store = CheckpointStore(tmp_path, log=LOG)
    tensors = named("model", model.state_dict()) | named("optimizer", optimizer_tensors(optimizer))
    store.save(Checkpoint(tensors, {}))
    step(model, optimizer)

    found = store.newest()
    assert found is not None
    other = nn.Linear(3, 2)
    resumed = torch.optim.AdamW(other.parameters(), lr=0.1)
    other.load_state_dict(found.group("model"))
    restore_optimizer(resumed, found.group("optimizer"))
    step(other, resumed)
    assert torch.equal(other.weight, model.weight)


@pytest.mark.promise("S4-85")
def test_the_name_of_a_checkpoint_says_epoch_and_validation_loss(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, log=logging.getLogger("test"))
    checkpoint = Checkpoint({"model.weight": torch.ones(2)}, {"epoch": 3})
    store.save(checkpoint, label=epoch_label(0, None))
    store.save(checkpoint, label=epoch_label(3, 0.65124))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"checkpoint-0000000{name}.{kind}"
        for name in ("0-epoch-000", "1-epoch-003-val_loss-0.6512")
        for kind in ("json", "safetensors")
    ]
    found = CheckpointStore(tmp_path, log=logging.getLogger("test")).newest()
    assert found is not None
    assert found.values == {"epoch": 3}
