"""``qf trials``."""

import math
from typing import Any

import click

from cli.options import one_of, root_option
from components.core import family as families
from components.core.errors import UsageError
from components.core.files import readable_json
from components.core.page import DASH, text
from components.core.trials import read
from components.core.verdict import Verdict
from components.core.workspace import Workspace
from components.validate.search import NUM_BLOCKS, Search, Tried, search_of


@click.command()
@click.argument("pipeline")
@click.option("--dataset", default="", help="On this dataset.  [default: the only one there is]")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@root_option
def trials(pipeline: str, dataset: str, output: str, root: Workspace) -> None:
    """Show every model of PIPELINE that was tried on the newest days, and what the best of them owes to luck.

    Of directions it tells how good the best of so many looks by luck alone, and how choosing it would have gone;
    of classes and scores the table only.
    """
    family = families.find(pipeline).name
    known = root.listed("trials", family)
    if not known:
        raise UsageError(f"{family}: no trial yet. 'qf run {pipeline}' trains and judges a model")
    name = one_of(known, dataset, family=family, done="tried")
    found = search_of(root, read(root.trials(family, name)))
    if output == "json":
        click.echo(readable_json({"family": family, "dataset": name, **facts(found)}), nl=False)
        return
    for line in [f"{family} on {name}, days of {found.span.days}", "", *_table(found), "", *_told(found)]:
        click.echo(line)


def facts(found: Search) -> dict[str, Any]:
    """Return the search as JSON can hold it: a number that is undefined or infinite is null."""
    return {
        "span": vars(found.span),
        "trials": [_row(item) for item in found.tried],
        "num_compared": len(found.compared),
        "luck": _numbers(found.luck),
        "comparison": _numbers(found.comparison),
    }


def _row(item: Tried) -> dict[str, Any]:
    trial, verdict = item.trial, item.verdict
    judged = isinstance(verdict, Verdict)
    return {
        "run": trial.run_key,
        "created": verdict.created if judged else None,
        "bundle": trial.bundle,
        "recipe": trial.recipe,
        "num_times": trial.num_times,
        "score": trial.score,
        "verdict": verdict.verdict if judged else None,
        "unverified": verdict if isinstance(verdict, str) else None,
        "left_out": item.returns if isinstance(item.returns, str) else None,
    }


def _numbers(item: object | None) -> dict[str, float | None] | None:
    if item is None:
        return None
    numbers: dict[str, float | None] = vars(item)
    return {key: value if value is not None and math.isfinite(value) else None for key, value in numbers.items()}


def _table(found: Search) -> list[str]:
    rows = [_row(item) for item in found.tried]
    wide = max(len("run"), *(len(row["run"]) for row in rows))
    lines = [f"{'run':<{wide}}  {'judged':<16}  {'bundle':<12}  {'recipe':<12}  {'times':>7}  {'score':>9}  verdict"]
    for row in rows:
        when = (row["created"] or DASH)[:16]
        word = "not to be believed" if row["unverified"] else row["verdict"] or DASH
        lines.append(
            f"{row['run']:<{wide}}  {when:<16}  {row['bundle'][:12]}  {row['recipe'][:12]}  {row['num_times']:>7,}  "
            f"{text(row['score'], '.4f'):>9}  {word}"
        )
    return lines


def _told(found: Search) -> list[str]:
    """Return what the trials say together."""
    num = len(found.tried)
    unverified = [
        f"not to be believed: run {item.trial.run_key}, {item.verdict}"
        for item in found.tried
        if isinstance(item.verdict, str)
    ]
    count = f"{num} trial{'s' if num > 1 else ''}"
    if not found.traded:
        return [
            *unverified,
            f"{count}; of what cannot be traded, or was judged before returns were kept, no more is known",
        ]
    return [*unverified, *_luck(found, count), *_comparison(found)]


def _luck(found: Search, count: str) -> list[str]:
    luck = found.luck
    if luck is None:
        return [f"{count}, fewer than 2 with a score: nothing was chosen, so luck has nothing to explain"]
    track = luck.minimum_track_record
    endless = track is not None and math.isinf(track)
    return [
        f"{count}, {luck.num_trials} with a score; ratios are per year",
        _line("best Sharpe", luck.best_sharpe, ".2f", "what the best of them shows"),
        _line("expected by luck", luck.expected_best_sharpe, ".2f", "what the best of as many without skill shows"),
        _line("deflated Sharpe", luck.deflated_sharpe, ".3f", "chance that the best is truly above that; want 0.95"),
        "  minimum track record       never  the best is not above luck, however long it goes on"
        if endless
        else _line("minimum track record", track, ",.0f", "decision times until that chance is 0.95, if it goes on so"),
        _line(
            "minimum backtest", luck.minimum_backtest_years, ".2f",
            "years; in fewer, the best of so many without skill shows a Sharpe ratio of 1",
        ),
    ]  # fmt: skip


def _comparison(found: Search) -> list[str]:
    beside = found.comparison
    left_out = [
        f"left out: run {item.trial.run_key}, bundle {item.trial.bundle[:12]}: {item.returns}"
        for item in found.tried
        if isinstance(item.returns, str)
    ]
    told = f"the returns of {len(found.compared)} of {len(found.tried)} trials are there and checked"
    if beside is None:
        return ["", f"{told}; it takes 2, with {2 * NUM_BLOCKS} decision times in common", *left_out]
    return [
        "",
        f"{told}, with {beside.num_times:,} decision times in common",
        _line(
            "PBO", beside.overfitting, ".3f", "how often the best of one half is at or below the median of the other"
        ),
        _line("SPA", beside.superiority, ".3f", "the chance of so good a best if none earns more than cash (Hansen)"),
        *left_out,
    ]


def _line(name: str, value: float | None, form: str, meaning: str) -> str:
    return f"  {name:<20}  {text(value, form):>10}  {meaning}"
