"""The network as it is served: raw windows in, calibrated probability and decision out."""

# pyright: reportUnknownMemberType=false
import torch
from torch import Tensor, nn

from components.families.price_action.data import Scaler
from components.families.price_action.model import PriceActionTransformer
from components.families.price_action.threshold import Calibration
from components.learning.examples import Examples
from components.learning.export import Standardized, exported
from components.serving.loader import Signature


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


def graph_of(
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
    return exported(served, signature_of(scaler.columns, window), data, horizon=1)
