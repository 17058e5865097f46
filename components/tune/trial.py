"""One trial: train, let successive halving end it, enter it into the ledger that the gates count.

A search looks at the validation zone alone. What it finds is judged by a run of its own, whose gates count every
trial of the search: the best of fifty looks skilful by luck.
"""

import math
from pathlib import Path
from typing import Protocol

from components.core import bundle as bundles
from components.core.bundle import Bundle
from components.core.errors import RecipeError
from components.core.files import digest_of, read_json
from components.core.recipe import RecipeConfig
from components.core.run_context import RunContext, Stop
from components.core.span import Span
from components.core.trials import Trial, record
from components.core.workspace import Workspace
from components.learning.spool import SPOOL, read_lines
from components.tune.search import Search
from components.validate.kinds import kind_of


class Halving(Protocol):
    """Who ends poor trials: a trial of Optuna, or what stands for one of another library."""

    def report(self, value: float, step: int) -> None:
        """Take the metric of an epoch."""

    def should_prune(self) -> bool:
        """Return whether the trial is to end after the epoch that was reported."""
        ...


class Watch:
    """Reports the epochs that are over, and remembers whether successive halving ended the trial after them."""

    def __init__(self, trial: Halving, spool: Path, tag: str) -> None:
        self._trial, self._spool, self._tag = trial, spool, tag
        self._last = 0
        self.ended = False

    def __call__(self) -> bool:
        """Return whether the trial is to end now."""
        for line in read_lines(self._spool) if self._spool.is_file() else []:
            if self._tag in line.values and line.step > self._last:
                self._last = line.step
                self._trial.report(line.values[self._tag], line.step)
                self.ended = self.ended or bool(self._trial.should_prune())
        return self.ended


def carry_out(search: Search, config: RecipeConfig, trial: Halving, *, stop: Stop) -> tuple[float, bool]:
    """Train one trial, write it down, and return its metric and whether it was ended early.

    Raises:
        RecipeError: If the metric does not exist.
        QuantfoundryError: As the family's ``train``.
    """
    key = f"trial-{config.digest()[:12]}"
    workspace = Workspace.at(str(search.folder / "root"))
    watch = Watch(trial, workspace.run(key) / SPOOL, search.metric.replace("val_", "eval/"))
    run = RunContext("train", key, workspace, enough=watch, serves=False, stop=stop)
    out = search.folder / "bundles" / key
    if not out.exists():
        search.family.module("train").train(config, search.examples, out, run)
    bundle = bundles.load(out)
    history: dict[str, list[float]] = read_json(bundle.path("history.json"))
    if search.metric not in history:
        raise RecipeError(f"no metric is called {search.metric!r}. There are {', '.join(history)}")
    _write_down(search, bundle, key)
    epoch = int(read_json(bundle.path("model.json"))["best_epoch"])
    return history[search.metric][epoch - 1], watch.ended


def _write_down(search: Search, bundle: Bundle, key: str) -> None:
    """Enter a trial into the ledger that the gates of this family and dataset count.

    Its days are those of validation, which it was looked at on, up to the end of the test, which it is a candidate for.
    """
    manifest = read_json(search.examples / "manifest.json")
    say = search.family.module("predict").predict
    said, known = (say(bundle, search.examples, zone=zone, threads=1) for zone in ("validation", "train"))
    kind = kind_of(said)
    zone = kind.zone(said)
    score = kind.trial_score(zone, kind.zone(known) if kind.learns else None, search.recipe.judge)
    last = "test" if "test" in manifest["zones"] else "validation"
    trial = Trial(
        kind="tune",
        run_key=key,
        bundle=bundle.digest,
        recipe=digest_of(bundle.manifest["config"]),
        examples=manifest["digest"],
        span=Span(Span.of_zone(manifest, "validation").first, Span.of_zone(manifest, last).last),
        num_times=zone.num_times,
        score=score if math.isfinite(score) else None,
    )
    record(search.workspace.trials(search.family.name, search.dataset), trial)
