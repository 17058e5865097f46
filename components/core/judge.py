"""Settings of the judge: what a trained model must show on the test zone before it may be promoted."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from components.core.config import Config

Metric = Literal[
    # of a direction
    "precision_lift", "auc", "log_loss_skill", "net_sharpe",
    # of classes
    "class_log_loss_skill", "class_accuracy_lift", "macro_f1_lift", "class_ece",
    # of a score
    "score_error_skill", "score_correlation", "reconstruction_mse",
    # of several
    "placebo", "feature_causality", "answer_causality", "champion_log_loss", "champion_score_error",
]  # fmt: skip
"""What a gate can ask about; ``components/validate/kinds.py`` names the module that says how each is computed."""

CAUSAL_METRICS = frozenset({"feature_causality", "answer_causality"})
"""Asked by who has the examples, not a table of predictions alone."""

CHAMPION_METRICS = frozenset({"champion_log_loss", "champion_score_error"})
"""Asked only if there is a champion."""

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class CostConfig(Config):
    """What one unit of turnover costs, as fractions of the traded value, per side."""

    commission: Fraction = 0.001
    """Fee of the venue; 0.001 is 10 basis points at entry and again at exit."""
    slippage: Fraction = 0.0005
    """How much worse than the open an order is filled; raise it for thin markets."""

    @property
    def per_side(self) -> float:
        """Commission and slippage of one side together."""
        return self.commission + self.slippage


ZoneName = Literal["test", "holdout"]


class GateConfig(Config):
    """One question with a bound: the confidence bound of the metric, not its value, must clear it."""

    metric: Metric
    """Which number is asked about."""
    bound: float
    """The line to clear; moving it away from zero asks for a larger effect."""
    side: Literal["above", "below"] = "above"
    """``above``: the lower confidence bound must exceed ``bound``; ``below``: the upper one must not."""
    zone: ZoneName = "test"
    """Whose rows are asked. The holdout is opened, and the opening written down, after all other gates have passed."""
    min_timestamps: PositiveInt | None = None
    """Decision times that this question needs; null takes the judge's own ``min_timestamps``."""


CAUSAL_GATES = (
    GateConfig(metric="feature_causality", bound=0.0, side="below"),
    GateConfig(metric="answer_causality", bound=1e-5, side="below"),
)
"""For all: no feature is made of what came later, and no answer moves with it; 1e-5 is what batches round away."""

DEFAULT_GATES = (
    GateConfig(metric="precision_lift", bound=0.0),
    GateConfig(metric="auc", bound=0.5),
    GateConfig(metric="log_loss_skill", bound=0.0),
    GateConfig(metric="net_sharpe", bound=0.0),
    GateConfig(metric="placebo", bound=0.05, side="below"),
    *CAUSAL_GATES,
    GateConfig(metric="champion_log_loss", bound=0.005, side="below"),
    GateConfig(metric="auc", bound=0.5, zone="holdout", min_timestamps=30),
)
"""Better than the base rate, than chance, than cash after costs, than shuffled time, not worse than the champion.

And on days that were sealed until all that was shown, better than chance once more.
"""

CLASS_GATES = (
    GateConfig(metric="class_log_loss_skill", bound=0.01),
    GateConfig(metric="class_accuracy_lift", bound=-0.05),
    GateConfig(metric="macro_f1_lift", bound=0.0),
    GateConfig(metric="class_ece", bound=0.15, side="below"),
    GateConfig(metric="placebo", bound=0.05, side="below"),
    *CAUSAL_GATES,
    GateConfig(metric="champion_log_loss", bound=0.005, side="below"),
    GateConfig(metric="class_log_loss_skill", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say which class comes: 1% less log loss than what was known without them.

Classes last, so an honest model mostly names the class now: its accuracy may tie with "nothing changes", 0.05 given
for the noise of some hundred decision times. Its probabilities may not tie.
"""

SCORE_GATES = (
    GateConfig(metric="score_error_skill", bound=0.01),
    GateConfig(metric="score_correlation", bound=0.0),
    GateConfig(metric="reconstruction_mse", bound=1.0, side="below"),
    GateConfig(metric="placebo", bound=0.05, side="below"),
    *CAUSAL_GATES,
    GateConfig(metric="champion_score_error", bound=0.02, side="below"),
    GateConfig(metric="score_error_skill", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say how high a score comes: 1% less squared error than what was known without them."""


class JudgeConfig(Config):
    """How a model is judged. The defaults are meant to be kept; the verdict records every change."""

    costs: CostConfig = CostConfig()
    """Trading costs of the backtest and of the paper account."""
    gates: Annotated[tuple[GateConfig, ...], Field(min_length=1)] = DEFAULT_GATES
    """The questions; all must be answered with pass. Those about a champion are asked only if there is one."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Of each one-sided bound; higher asks for more evidence."""
    bootstrap_samples: Annotated[int, Field(ge=20)] = 2000
    """Resampled histories behind the bounds; fewer is faster and noisier."""
    seed: int = 0
    """Start of the bootstrap's and the placebo's random streams; the same seed gives the same verdict."""
    min_timestamps: PositiveInt = 60
    """Distinct decision times that the test zone must have; below it the verdict is insufficient evidence."""
    min_signals: PositiveInt = 100
    """Decisions to go long that the test zone must have; below it the verdict is insufficient evidence."""
    min_rows_per_class: NonNegativeInt = 20
    """Rows of each class that the test zone must have; below it the verdict is insufficient evidence."""
    compare_with_champion: bool = True
    """Ask about the champion when one exists; off for a market whose champion cannot read these examples."""

    @model_validator(mode="after")
    def _ask_once(self) -> Self:
        asked = Counter((gate.metric, gate.zone) for gate in self.gates)
        repeated = [f"{metric} more than once for the {zone}" for (metric, zone), count in asked.items() if count > 1]
        if repeated:
            raise ValueError(f"gates names {', '.join(repeated)}; keep one gate for each metric and zone")
        sealed = {gate.metric for gate in self.gates if gate.zone == "holdout"}
        if unfit := sorted(sealed & CHAMPION_METRICS):
            raise ValueError(
                f"gates asks {unfit[0]} of the holdout, which is opened for one bundle; ask it of the test"
            )
        return self
