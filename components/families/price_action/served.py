"""The network as it is served: raw windows in, calibrated probability and decision out."""

# pyright: reportUnknownMemberType=false
import numpy as np
import torch
from torch import Tensor, nn

from components.families.price_action.data import Scaler
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.threshold import Calibration
from components.learning.examples import Examples
from components.learning.export import Standardized, check_parity, export_onnx
from components.serving.loader import Signature

PARITY_WINDOWS = 256
"""Windows on which the graph is compared with the network."""


class Decided(nn.Module):
    """Calibrated probability (batch,) of z-scored windows, and whether it reaches the threshold (batch,)."""

    def __init__(self, model: PriceActionTransformer, calibration: Calibration, threshold: float) -> None:
        super().__init__()
        self.model, self.calibration, self.threshold = model, calibration, threshold

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Return (probability, signal) of windows (batch, time, feature)."""
        log_odds = self.model.logits(windows)[:, 0].double()
        probability = torch.sigmoid(self.calibration.slope * log_odds + self.calibration.intercept)
        return probability.float(), probability >= self.threshold


def signature_of(columns: tuple[str, ...], window: int) -> Signature:
    """Return the names and shapes of the served graph."""
    return Signature(input="windows", window=window, columns=columns, outputs=("probability", "signal"))


def exported(
    model: PriceActionTransformer,
    calibration: Calibration,
    threshold: float,
    *,
    scaler: Scaler,
    data: Examples,
    window: int,
) -> bytes:
    """Return the ONNX graph of a trained model, compared with it on windows that no weight was fitted on.

    Raises:
        ParityError: If graph and network differ.
    """
    served = Standardized(Decided(model, calibration, threshold), scaler.mean, scaler.std)
    ends = next(found for zone in ("calibration", "validation") if len(found := data.windows(zone, window, 1)))
    chosen = ends[np.linspace(0, len(ends) - 1, min(PARITY_WINDOWS, len(ends))).astype(int)]
    bars = chosen[:, 1, None] - np.arange(window)[::-1]
    windows = data.panel.values[chosen[:, 0, None], bars]
    signature = signature_of(scaler.columns, window)
    example = torch.from_numpy(windows[[0, 0]])
    content = export_onnx(served, example, input_name=signature.input, output_names=signature.outputs)
    check_parity(content, served, windows, signature)
    return content
