"""How often the gates are wrong: markets of noise that pass, markets with a planted truth that do not.

Source: Clopper and Pearson (1934) for the exact bounds of a share.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t

from components.core import family as families
from components.core.code import code_digest
from components.core.errors import UsageError
from components.core.family import Family, Truth
from components.core.files import atomic_file, digest_of, write_json
from pipelines.study import Facts, Study, carry_out

RECIPE: Final = "calibration"
MAX_NOISE, MIN_PLANTED = 0.05, 0.80
"""Share of the noise markets that may pass, and of the planted ones that should."""
CONFIDENCE: Final = 0.95

Side = Literal["at most", "at least"]


@dataclass(frozen=True)
class Row:
    """A rate of right or wrong verdicts, and what it says of all markets that there could be."""

    what: str
    counted: str
    """What the rate was computed from, in words."""
    value: float
    bound: float
    """One-sided confidence bound: upper for ``at most``, lower for ``at least``."""
    side: Side
    limit: float

    @property
    def missed(self) -> bool:
        """Whether the rate itself lies on the wrong side."""
        return self.value > self.limit if self.side == "at most" else self.value < self.limit

    @property
    def outcome(self) -> str:
        """``shown`` if the bound, too, lies on the right side."""
        if self.missed:
            return "MISSED"
        shown = self.bound <= self.limit if self.side == "at most" else self.bound >= self.limit
        return "shown" if shown else "held, too few to show"

    def facts(self) -> Facts:
        """Return everything as JSON."""
        return asdict(self) | {"outcome": self.outcome}


def share_row(what: str, passed: int, total: int, *, side: Side, limit: float) -> Row:
    """Return the row of a share, with its exact bound."""
    test = binomtest(passed, total, alternative="less" if side == "at most" else "greater")
    interval = test.proportion_ci(CONFIDENCE, method="exact")
    bound = float(interval.high if side == "at most" else interval.low)
    return Row(what, f"{passed} of {total}", passed / total, bound, side, limit)


def mean_row(what: str, values: npt.NDArray[np.float64], *, side: Side, limit: float) -> Row:
    """Return the row of a mean of shares, with Student's bound; of one value alone it is 0 or 1."""
    away = 1.0
    if values.size > 1:
        away = float(t.ppf(CONFIDENCE, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))
    value = float(values.mean())
    bound = min(1.0, value + away) if side == "at most" else max(0.0, value - away)
    return Row(what, f"mean of {values.size}", value, bound, side, limit)


@dataclass(frozen=True)
class Calibration:
    """What a study found, as a table."""

    title: str
    rows: tuple[Row, ...]
    details: tuple[str, ...]
    """Lines of Markdown below the table."""

    @property
    def missed(self) -> bool:
        """Whether any rate lies on the wrong side of its limit."""
        return any(row.missed for row in self.rows)

    def markdown(self) -> str:
        """Return the table as a person reads it."""
        lines = [
            f"{self.title}\n",
            f"| what | counted | rate | {CONFIDENCE:.0%} bound | wanted | outcome |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.what} | {row.counted} | {row.value:.1%} | {row.bound:.1%} "
            f"| {row.side} {row.limit:.0%} | {row.outcome} |"
            for row in self.rows
        ]
        return "\n".join([*lines, "", *self.details]) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``table.md`` and ``table.json``."""
        with atomic_file(folder / "table.md") as file:
            file.write(self.markdown().encode())
        rows = [row.facts() for row in self.rows]
        write_json(folder / "table.json", {"title": self.title, "rows": rows, "details": list(self.details)})


def truth_of(family: Family) -> Truth:
    """Return the markets of known truth that a family declares.

    Raises:
        UsageError: If it declares none.
    """
    if family.truth is None:
        able = ", ".join(item.pipeline for item in families.every() if item.truth)
        raise UsageError(f"{family.pipeline}: declares no market of known truth. There is {able}")
    return family.truth


def study_of(family: Family, *, num_markets: int, seed: int, out: Path) -> Study:
    """Return the study of a family: each market as noise and with its truth, from ``seed`` on.

    Raises:
        UsageError: If the family declares no truth.
    """
    truth = truth_of(family)
    recipe = family.recipe(RECIPE)
    sources = {"noise": truth.noise, "planted": truth.planted}
    identity = digest_of([family.name, recipe.digest(), sources, seed, code_digest()])
    jobs = {
        f"{kind}-{number:05d}": {"family": family.name, "recipe": recipe.canonical(), "kind": kind,
                                 "source": f"{source}&seed={seed + number}"}
        for number in range(num_markets) for kind, source in sources.items()
    }  # fmt: skip
    return Study(out / f"{family.pipeline}-{identity[:12]}", judge_one, jobs)


def judge_one(*, family: str, recipe: str, kind: str, source: str) -> Facts:
    """Return what the judge says of a model of one market."""
    from pipelines.proving import prove  # noqa: PLC0415 - loads torch and Feast

    member = families.find(family)
    before = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        config = member.config.parse_json(recipe, name="recipe")
        verdict = prove(Path(scratch), member, config, source)
    gates = {f"{gate.metric}, {gate.zone}": gate.outcome for gate in verdict.gates}
    facts: Facts = {"kind": kind, "source": source, "verdict": verdict.verdict, "gates": gates}
    return facts | {"cpu_s": round(time.process_time() - before, 2)}


def calibrate(
    family: Family, *, num_markets: int, seed: int, num_processes: int, out: Path, on_done: Callable[[int, int], None]
) -> tuple[Calibration, Path]:
    """Return the table of one family and the folder that holds it.

    Raises:
        InterruptedRunError: As in ``carry_out``.
    """
    study = study_of(family, num_markets=num_markets, seed=seed, out=out)
    found = table_of(family, carry_out(study, num_processes=num_processes, on_done=on_done))
    found.write(study.folder)
    return found, study.folder


def table_of(family: Family, results: Sequence[Facts]) -> Calibration:
    """Return the table of the results of one family."""
    noise, planted = ([item for item in results if item["kind"] == kind] for kind in ("noise", "planted"))
    rows = (
        share_row("noise that passes", _passed(noise), len(noise), side="at most", limit=MAX_NOISE),
        share_row("truth that passes", _passed(planted), len(planted), side="at least", limit=MIN_PLANTED),
    )
    gates = [
        f"| {metric} | {_share(noise, metric)} | {_share(planted, metric)} |" for metric in sorted(noise[0]["gates"])
    ]
    lines = ("| gate | passed by noise | passed by planted |", "|---|---|---|", *gates)
    return Calibration(f"{family.pipeline}: {len(noise)} markets of each kind", rows, lines)


def _passed(results: Sequence[Facts]) -> int:
    return sum(item["verdict"] == "pass" for item in results)


def _share(results: Sequence[dict[str, Any]], metric: str) -> str:
    return f"{sum(item['gates'][metric] == 'pass' for item in results) / len(results):.1%}"
