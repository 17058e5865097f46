"""How much history of how many stocks a foundation was trained on, against what it should have."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from components.core.run_context import RunContext
from components.learning.examples import Examples

WANTED_YEARS: Final = 3.0
WANTED_STOCKS: Final = 500
_DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True)
class Coverage:
    """What there is."""

    years: float
    """From the first to the last example of any stock that is not sealed."""
    num_stocks: int

    @classmethod
    def of(cls, data: Examples) -> "Coverage":
        """Return what the examples cover."""
        times = data.panel.timestamps
        days = float((times[-1] - times[0]) / np.timedelta64(1, "D"))
        return cls(round(days / _DAYS_PER_YEAR, 2), len(data.symbols))

    @property
    def enough(self) -> bool:
        """Whether a foundation can be expected to know more than its own stocks and years."""
        return self.years >= WANTED_YEARS and self.num_stocks >= WANTED_STOCKS

    def facts(self) -> dict[str, float | int | bool]:
        """Return what a bundle says of it."""
        return {"years": self.years, "num_stocks": self.num_stocks, "enough_history": self.enough}

    def report(self, run: RunContext) -> None:
        """Say so, where it is too little: in the log, and where people see how far the run is."""
        if not self.enough:
            line = (
                f"{self.years:.1f} years of {self.num_stocks} stocks: a foundation wants {WANTED_YEARS:g} years of "
                f"{WANTED_STOCKS}; what it learns may hold for these alone"
            )
            run.log.warning("%s", line)
            run.progress(line=line)
