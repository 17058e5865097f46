"""Settings of the judge: what a trained model must show on the test zone before it may be promoted."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from components.core.config import Config

Metric = Literal[
    # of a direction
    "precision_lift", "auc", "log_loss_skill", "net_sharpe", "timing_gain", "deflated_sharpe",
    # of classes
    "class_log_loss_skill", "class_accuracy_lift", "macro_f1_lift", "class_ece", "side_log_loss_skill",
    # of a score
    "score_error_skill", "score_correlation", "reconstruction_mse",
    # of quantiles
    "quantile_skill", "median_correlation", "hit_rate_lift", "quantile_calibration",
    # of an allocation
    "timing", "champion_sharpe",
    # of a portfolio
    "relative_sharpe",
    # of several
    "deflated_skill", "worst_regime", "planted_control", "export_parity", "placebo", "feature_causality",
    "answer_causality", "champion_log_loss", "champion_score_error", "champion_quantile_loss",
    # of one among many
    "fleet_discovery",
]  # fmt: skip
"""What a gate can ask about; ``components/validate/kinds.py`` names the module that says how each is computed."""

CAUSAL_METRICS = frozenset({"feature_causality", "answer_causality"})
"""Asked by who has the examples, not a table of predictions alone."""

CHAMPION_METRICS = frozenset({"champion_log_loss", "champion_score_error", "champion_quantile_loss", "champion_sharpe"})
"""Asked only if there is a champion."""

SERVED_METRICS = frozenset({"export_parity"})
"""Asked only of families that serve something."""

CONTROL_METRICS = frozenset({"planted_control"})
"""These ask about the zone, not the model: where the numbers are sound they can leave a verdict open, not refuse."""

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
    """Distinct decision times that this gate needs, of ``worst_regime`` in each regime; null is the judge's own
    number. Below it the answer is insufficient evidence."""


_OF_ALL = (
    GateConfig(metric="planted_control", bound=0.8),
    GateConfig(metric="export_parity", bound=1e-4, side="below"),
    GateConfig(metric="placebo", bound=0.05, side="below"),
    GateConfig(metric="feature_causality", bound=0.0, side="below"),
    GateConfig(metric="answer_causality", bound=1e-5, side="below"),
)
"""More than four of five planted models are found; what is served is what is judged; skill is gone in shuffled time.

And no feature is made of what came later, no answer moves with it; 1e-5 is what batches round away.
"""

DEFAULT_GATES = (
    GateConfig(metric="precision_lift", bound=0.0),
    GateConfig(metric="auc", bound=0.5),
    GateConfig(metric="log_loss_skill", bound=0.0),
    GateConfig(metric="net_sharpe", bound=0.0),
    GateConfig(metric="timing_gain", bound=0.0),
    GateConfig(metric="deflated_sharpe", bound=0.95),
    GateConfig(metric="worst_regime", bound=0.48, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_log_loss", bound=0.005, side="below"),
    GateConfig(metric="auc", bound=0.5, zone="holdout", min_timestamps=30),
)
"""Better than the base rate, than chance, than cash after costs, than holding as much, than the luck of many tries,
than shuffled time, not worse than the champion; and on days that were sealed until all that was shown, better than
chance once more.

0.48 in the worst third of past volatility lets the noise of a third pass, but not a third without skill. On
constructed zones of 250 times and 8 symbols with an AUC of 0.57, 93% pass; with skill in one third only, 3%; with one
third upside down, none.
"""

CLASS_GATES = (
    GateConfig(metric="class_log_loss_skill", bound=0.01),
    GateConfig(metric="class_accuracy_lift", bound=-0.05),
    GateConfig(metric="macro_f1_lift", bound=0.0),
    GateConfig(metric="class_ece", bound=0.15, side="below"),
    GateConfig(metric="deflated_skill", bound=0.95),
    GateConfig(metric="worst_regime", bound=-0.2, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_log_loss", bound=0.005, side="below"),
    GateConfig(metric="class_log_loss_skill", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say which class comes: 1% less log loss than what was known without them.

Classes last, so an honest model mostly names the class now: its accuracy may tie with "nothing changes", 0.05 given
for the noise of some hundred decision times. Its probabilities may not tie. The rows of one class now are few: its
probabilities may cost a fifth more than the transitions there before it is called worse.
"""

ACTION_GATES = (
    GateConfig(metric="side_log_loss_skill", bound=0.0),
    GateConfig(metric="class_log_loss_skill", bound=0.0),
    GateConfig(metric="class_accuracy_lift", bound=0.0),
    GateConfig(metric="macro_f1_lift", bound=0.0),
    GateConfig(metric="class_ece", bound=0.15, side="below"),
    GateConfig(metric="deflated_skill", bound=0.95),
    GateConfig(metric="worst_regime", bound=-0.2, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_log_loss", bound=0.005, side="below"),
    GateConfig(metric="side_log_loss_skill", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say buy, hold or sell. Who knows how far a price will move knows when to hold, and nothing to
trade on, even of noise whose volatility changes: so the side of the moves that came is asked about by itself, and
that skill is the one that is deflated and asked of the holdout.
"""

SCORE_GATES = (
    GateConfig(metric="score_error_skill", bound=0.01),
    GateConfig(metric="score_correlation", bound=0.0),
    GateConfig(metric="reconstruction_mse", bound=1.0, side="below"),
    GateConfig(metric="deflated_skill", bound=0.95),
    GateConfig(metric="worst_regime", bound=-0.1, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_score_error", bound=0.02, side="below"),
    GateConfig(metric="score_error_skill", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say how high a score comes: 1% less squared error than what was known without them.

In the worst third of the scores now, a tenth more error than the best peer's is given for noise.
"""

QUANTILE_GATES = (
    GateConfig(metric="quantile_skill", bound=0.0),
    GateConfig(metric="median_correlation", bound=0.0),
    GateConfig(metric="hit_rate_lift", bound=0.0),
    GateConfig(metric="quantile_calibration", bound=0.05, side="below"),
    GateConfig(metric="deflated_skill", bound=0.95),
    GateConfig(metric="worst_regime", bound=-0.05, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_quantile_loss", bound=0.02, side="below"),
    GateConfig(metric="median_correlation", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say quantiles of moves: less loss than past volatility tells, and a direction beside it.

Volatility can be known to a part in a market where nobody knows a direction, so the loss alone would let in a model
that says nothing of where a price goes: rank and hit rate of the median ask for that, and the sealed holdout again.
"""

ALLOCATION_GATES = (
    GateConfig(metric="net_sharpe", bound=0.0),
    GateConfig(metric="timing_gain", bound=0.0),
    GateConfig(metric="timing", bound=0.0),
    GateConfig(metric="deflated_sharpe", bound=0.95),
    GateConfig(metric="worst_regime", bound=-0.05, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_sharpe", bound=1.0, side="below"),
    GateConfig(metric="timing", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that say how much to hold: more than cash after costs, and more than the same exposure held all along.

A market that only drifts pays whoever holds it: ``net_sharpe`` alone would let that in, the timing does not. In the
worst third of past volatility a correlation of -0.05 is given for noise. Over a year and a half the Sharpe ratios of
two like models are about 0.5 apart by luck; 1 is given.
"""


PORTFOLIO_GATES = (
    GateConfig(metric="relative_sharpe", bound=0.0),
    GateConfig(metric="timing", bound=0.0),
    GateConfig(metric="deflated_sharpe", bound=0.95),
    GateConfig(metric="worst_regime", bound=-0.05, min_timestamps=20),
    *_OF_ALL,
    GateConfig(metric="champion_sharpe", bound=1.0, side="below"),
    GateConfig(metric="timing", bound=0.0, zone="holdout", min_timestamps=30),
)
"""For families that split the whole capital: more, after costs, than all symbols bought in equal parts and held.

Who is always invested earns what the market does, up or down, so money is asked for beside that book, split by split
(paired); its ratio is the one that is deflated. A tilt that never moves has no timing, whichever symbol rose.
"""


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
