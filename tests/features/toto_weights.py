"""A checkpoint of Datadog's model with every part of the published one, tiny and random."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

SIZES: Final[dict[str, Any]] = {
    "patch_size": 32, "stride": 32, "embed_dim": 16, "num_layers": 2, "num_heads": 2, "mlp_hidden_dim": 32,
    "dropout": 0.1, "spacewise_every_n_layers": 2, "spacewise_first": False,
    "scaler_cls": "<class 'model.scaler.CausalPatchStdMeanScaler'>",
    "output_distribution_classes": ["<class 'model.distribution.MixtureOfStudentTsOutput'>"],
    "output_distribution_kwargs": {"k_components": 2}, "use_memory_efficient_attention": False,
}  # fmt: skip


def write_weights(folder: Path, *, seed: int = 0, **sizes: Any) -> Path:
    """Write the weights of a network of these sizes, as the publisher's own loader reads them."""
    from toto.model.toto import Toto  # noqa: PLC0415 - only the environment of these tests has it

    torch.manual_seed(seed)
    network = Toto(**SIZES | sizes)
    folder.mkdir(parents=True)
    save_file({name: part.contiguous() for name, part in network.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SIZES | sizes))
    return folder
