"""What a GPU brings to the published profit network."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import profit_market
import pytest
import torch

from components.families.profit.config import ProfitConfig
from components.families.profit.data import load
from components.families.profit.train import draws, loss_of, make_model
from components.learning.examples import read_examples
from components.learning.parallel import ALONE
from components.learning.precision import Precision
from components.learning.reproducible import reproducible


def stepper(recipe: ProfitConfig, examples: Path, device: torch.device) -> Callable[[int], float]:
    """Return what takes so many steps of the training on ``device`` and gives the seconds of one."""
    data = read_examples(examples)
    samples = load(data, recipe, device)
    model = make_model(recipe, data, samples).to(device)
    loss, precision = loss_of(recipe, model, samples, ALONE), Precision(recipe.train.precision, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.train.lr, fused=True)
    batches = draws(recipe, samples).to(device).split(samples.paths_per_step)

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        for number in range(steps):
            optimizer.zero_grad()
            with precision.autocast():
                value = loss(batches[number])
            precision.backward(value)
            precision.step(optimizer)
            assert value.isfinite()
        return (time.perf_counter() - began) / steps

    return seconds


@pytest.mark.gpu
@pytest.mark.promise("S2-53")
def test_the_published_network_trains_ten_times_as_fast_as_on_all_cores(tmp_path: Path) -> None:
    published = {"model": {"hidden": 512, "layers": 8, "heads": 16}, "data": {"window": 64}}
    recipe = profit_market.config(**published, train={"precision": {"format": "gpu"}})
    examples = profit_market.write(tmp_path / "examples", num_times=600)
    with reproducible(seed=0, threads=os.cpu_count() or 1):
        on_gpu, on_cpu = (stepper(recipe, examples, torch.device(name)) for name in ("cuda", "cpu"))
        on_gpu(5)
        ratio = statistics.median(on_cpu(2) / on_gpu(20) for _ in range(3))
    assert ratio > 10
