"""What an epoch's validation is worth: the numbers that the history records."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
import numpy as np
import numpy.typing as npt

from components.families.regime.temperature import log_loss
from components.market.columns import REGIMES

Codes = npt.NDArray[np.int64]

THREE_YEARS = 756
"""Sessions below which the published system's 365 days lie, and a warning is due."""
FEW_SAMPLES = 20
"""Training samples of a regime below which it is hardly learned."""


def metrics(scores: npt.NDArray[np.float64], label: Codes) -> dict[str, float]:
    """Return log loss, accuracy and macro F1 of log-odds [row, class].

    The F1 is the mean over the classes that came or were said; a class that neither came nor was said is no answer.
    """
    said = scores.argmax(axis=1)
    cases = [(said == code, label == code) for code in np.union1d(said, label)]
    f1 = [2 * np.sum(ours & came) / (np.sum(ours) + np.sum(came)) for ours, came in cases]
    return {
        "loss": log_loss(scores, label),
        "accuracy": float(np.mean(said == label)),
        "f1_macro": float(np.mean(f1)),
    }


def advice(num_sessions: int, label: Codes) -> list[str]:
    """Return what a person should know of the data: too short a history, and regimes that training hardly saw."""
    lines: list[str] = []
    if num_sessions < THREE_YEARS:
        lines.append(
            f"{num_sessions} sessions of context are less than three years ({THREE_YEARS}): five regimes hardly fit "
            "into them, and a test zone of them proves little; ingest a longer history"
        )
    for name, count in zip(REGIMES, np.bincount(label, minlength=len(REGIMES)), strict=True):
        if count < FEW_SAMPLES:
            lines.append(f"regime {name} has {count} training samples, fewer than {FEW_SAMPLES}: hardly learned")
    return lines
