"""What an epoch's validation is worth: the numbers that the history records."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
import numpy as np
import numpy.typing as npt

from components.families.regime.temperature import log_loss


def metrics(scores: npt.NDArray[np.float64], label: npt.NDArray[np.int64]) -> dict[str, float]:
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
