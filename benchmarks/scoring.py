"""Scoring a whole panel, against the plain torch loop; a model's cold load, against torch's, in processes of their own.

The peer is what a notebook does: a Dataset that cuts and scales one window, a DataLoader of 32, the network in
inference mode. The network is the price-action transformer at its published size, with the weights of its start.
"""

import json
import subprocess
import sys
import tempfile

import measure

# isort: split
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch.utils.data import DataLoader, Dataset

from components.core import bundle as bundles
from components.core.bundle import seal
from components.core.files import write_json
from components.families.price_action.config import PriceActionConfig
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.predict import load_model
from components.families.price_action.served import Decided, signature_of
from components.families.price_action.threshold import Calibration
from components.learning.export import Standardized, export_onnx
from components.market.columns import TECHNICAL
from components.market.windows import window_ends
from components.score.batch import predict
from components.serving.loader import load
from components.serving.source import Answer

SYMBOLS, DAYS, WINDOW = 24, 200, 64
ROUNDS = 5
COLD_ROUNDS = 5
COLD = """
import json, sys, time
start, wall = time.process_time(), time.perf_counter()
from pathlib import Path
import numpy as np
windows = np.zeros((1, {window}, 14), dtype=np.float32)
if sys.argv[1] == "ours":
    from components.serving.loader import load
    load(Path(sys.argv[2])).predict(windows)
else:
    import torch
    from components.core import bundle as bundles
    from components.families.price_action.config import PriceActionConfig
    from components.families.price_action.predict import load_model
    torch.set_num_threads(1)
    bundle = bundles.load(Path(sys.argv[2]))
    model = load_model(bundle, PriceActionConfig.parse(bundle.manifest["config"], name="bundle"))
    with torch.inference_mode():
        model(torch.from_numpy(windows))
memory = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
facts = [time.process_time() - start, time.perf_counter() - wall, int(memory.split()[1]) / 1024]
print(json.dumps(facts))
"""


def bundle_in(folder: Path) -> None:
    """Write a bundle of the published network to ``folder``, as training does."""
    torch.manual_seed(0)
    config = PriceActionConfig()
    model = PriceActionTransformer(config.model, num_features=len(TECHNICAL), window=WINDOW)
    scaled = Standardized(
        Decided(model, Calibration(), 0.5), np.full(len(TECHNICAL), 100.0), np.full(len(TECHNICAL), 20.0)
    )
    signature = signature_of(TECHNICAL, WINDOW)
    example = torch.zeros(2, WINDOW, len(TECHNICAL))
    (folder / "model.onnx").write_bytes(
        export_onnx(scaled, example, input_name=signature.input, output_names=signature.outputs)
    )
    (folder / "weights.safetensors").write_bytes(save(model.state_dict()))
    facts = {"input_dim": len(TECHNICAL), "window_size": WINDOW, "model_state_dict": "weights.safetensors"}
    write_json(folder / "model.json", facts)
    seal(
        folder,
        family="price_action",
        config=config.model_dump(mode="json"),
        schema=signature.document(),
        data={},
        notes={},
    )


def panel_speed(folder: Path) -> None:
    """Measure and print how fast all windows of a panel are scored."""
    torch.set_num_threads(1)
    served = load(folder)
    answer = Answer(served.predict, "trained", 1, served)
    rng = np.random.default_rng(0)
    values = (100 + 20 * rng.standard_normal((SYMBOLS, DAYS, 14))).astype(np.float32)
    present, calendar = np.ones((SYMBOLS, DAYS), dtype=np.bool_), np.zeros(DAYS, dtype=np.int64)
    ends = window_ends(present, calendar, WINDOW, 0)
    config = PriceActionConfig.parse(bundles.load(folder).manifest["config"], name="bundle")
    model = load_model(bundles.load(folder), config)

    class Cut(Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(ends)

        def __getitem__(self, place: int) -> torch.Tensor:
            symbol, end = ends[place]
            return torch.from_numpy(((values[symbol, end - WINDOW + 1 : end + 1] - 100.0) / 20.0).astype(np.float32))

    def plain(batch: int) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return torch.cat([model(part)[:, 0] for part in DataLoader(Cut(), batch_size=batch)]).numpy()

    def ours() -> npt.NDArray[np.float32]:
        return predict(answer, values, ends, WINDOW)["probability"]

    np.testing.assert_allclose(ours(), plain(32), rtol=0, atol=1e-6)
    contenders = {
        "ours: strided panel, onnxruntime": measure.Contender(ours, len(ends)),
        "torch, one window at a time": measure.Contender(lambda: plain(1), len(ends), 1, 2),
        "torch, DataLoader of 32": measure.Contender(lambda: plain(32), len(ends)),
    }
    results = measure.measure(contenders, rounds=ROUNDS)
    print(f"\nAll {len(ends)} windows of {SYMBOLS} symbols x {DAYS} days, {WINDOW} bars x 14 features")
    for name, result in results.items():
        print(f"{name:34}{result.cells_per_cpu_s:8,.0f} windows/cpu-s {result.peak_mib:6.0f} MiB")
    mine, *peers = results
    for peer in peers:
        print(f"  {mine} / {peer}: {measure.ratio(results[mine], results[peer]):.1f}x")


def cold_load(folder: Path) -> None:
    """Measure and print what a fresh process pays until its first answer."""
    program = COLD.format(window=WINDOW)
    found: dict[str, list[list[float]]] = {"ours": [], "torch": []}
    for _ in range(COLD_ROUNDS):
        for name, rows in found.items():
            done = subprocess.run(
                [sys.executable, "-c", program, name, str(folder)], check=True, capture_output=True, text=True
            )
            rows.append(json.loads(done.stdout))
    print(f"\nA fresh process until its first answer, medians of {COLD_ROUNDS}")
    medians = {name: np.median(rows, axis=0) for name, rows in found.items()}
    for name, (cpu_s, wall_s, peak_mib) in medians.items():
        print(f"{name:8}{cpu_s:8.2f} cpu-s {wall_s:8.2f} s {peak_mib:8.0f} MiB")
    ratios = medians["torch"] / medians["ours"]
    print(f"  torch / ours: {ratios[0]:.1f}x cpu, {ratios[1]:.1f}x wall, {ratios[2]:.1f}x memory")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as private:
        folder = Path(private)
        bundle_in(folder)
        cold_load(folder)
        panel_speed(folder)


if __name__ == "__main__":
    main()
