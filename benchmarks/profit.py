"""Training the published profit network, 512 wide with 8 layers, as a share of what matrix products reach on one core.

Twice the weights of its matrices are multiplied and added per bar of a window going forward, twice that going back;
attention adds two products of all pairs of bars.
"""

import sys
import tempfile
from pathlib import Path

import measure

# isort: split
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "families"))
import profit_market

from components.families.profit.config import ProfitConfig
from components.families.profit.data import Dataset, load
from components.families.profit.train import draws, loss_of, make_model
from components.learning.examples import read_examples
from components.learning.parallel import ALONE

WINDOW, MATRIX, ROUNDS = 64, 1024, 3
PUBLISHED = {"hidden": 512, "layers": 8, "heads": 16}


def recipe() -> ProfitConfig:
    """Return the published sizes, in float32."""
    return profit_market.config(model=PUBLISHED, data={"window": WINDOW})


def flop(weights: int) -> int:
    """Return the FLOP of training on one window."""
    pairs = 2 * 2 * WINDOW * PUBLISHED["hidden"] * PUBLISHED["layers"]
    return 3 * WINDOW * (2 * weights + pairs)


def training(samples: Dataset, config: ProfitConfig, model: torch.nn.Module) -> measure.Contender:
    """Return one step of AdamW on the first batch."""
    loss, optimizer = loss_of(config, model, samples, ALONE), torch.optim.AdamW(model.parameters(), fused=True)
    numbers = draws(config, samples)[: samples.paths_per_step]
    windows = samples.paths.cells(numbers)[0].numel()

    def step() -> float:
        optimizer.zero_grad()
        value = loss(numbers)
        value.backward()
        optimizer.step()
        return value.item()

    return measure.Contender(step, rows=windows)


def main() -> None:
    """Measure and print."""
    torch.manual_seed(0)
    config = recipe()
    with tempfile.TemporaryDirectory() as folder:
        data = read_examples(profit_market.write(Path(folder) / "examples", num_times=600))
    samples = load(data, config, torch.device("cpu"))
    model = make_model(config, data, samples).train()
    weights = sum(item.numel() for item in model.parameters() if item.dim() > 1)
    left, right = torch.randn(2, MATRIX, MATRIX)
    products = measure.Contender(lambda: left @ right, rows=2 * MATRIX**3)
    found = measure.measure({"training": training(samples, config, model), "products": products}, rounds=ROUNDS)
    rate, most = found["training"].cells_per_cpu_s, found["products"].cells_per_cpu_s
    print(f"{rate:.1f} windows/cpu-s of {WINDOW} bars, peak {found['training'].peak_mib:.0f} MiB: "
          f"{rate * flop(weights) / 1e9:.0f} of {most / 1e9:.0f} GFLOP/cpu-s, "
          f"{rate * flop(weights) / most:.0%} of the matmul limit")  # fmt: skip


if __name__ == "__main__":
    main()
