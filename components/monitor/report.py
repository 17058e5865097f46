"""The page of the monitor: what it asks for, how the skill held, and which features moved most."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from components.core.page import page, table, text, tiles
from components.monitor.decision import Request

MOST_MOVED: Final = 20
_TITLES: Final = {
    "retrain": "Train it again",
    "keep": "It holds",
    "insufficient evidence": "Too early to say",
}


def report_page(request: Request, seen: Mapping[str, Any]) -> str:
    """Return the whole page."""
    title = f"{request.family} on {request.dataset}: {_TITLES[request.outcome]}"
    rows = [[finding.what, finding.outcome, finding.reason] for finding in request.findings]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Run {escape(request.run_key)}, {escape(request.created)}</p>',
    ]
    if seen["champion"] is not None:
        body.append(_facts(seen))
    body += ["<h2>Findings</h2>", table(["What", "Speaks for", "Because"], rows, numbers=0)]
    if seen["champion"] is not None:
        body += [_skill(seen["skill"]), _drift(seen["drift"])]
    return page(title, "".join(body))


def _facts(seen: Mapping[str, Any]) -> str:
    champion = seen["champion"]
    return tiles([
        ("Champion", f"version {champion['version']}", champion["bundle"][:12]),
        ("Promoted", champion["promoted"][:10], "UTC"),
        ("Judged on days up to", seen["judged_until"][:10], ""),
        ("Times since", f"{seen['num_live_times']:,}", f"up to {seen['newest'][:10]}"),
    ])  # fmt: skip


def _skill(skills: list[dict[str, Any]]) -> str:
    rows = [
        [now["title"], text(then["value"], ".4f"), text(then["lower"], ".4f"), text(now["value"], ".4f"),
         text(now["upper"], ".4f")]
        for then, now in ((skill["then"], skill["now"]) for skill in skills)
    ]  # fmt: skip
    heads = ["Question", "Sealed holdout", "at least", "Since", "at most"]
    return f"<h2>Realised skill</h2>{table(heads, rows, numbers=4)}"


def _drift(drift: Mapping[str, Any]) -> str:
    rows = [
        [item["name"], *(text(item[name], form) for name, form in _COLUMNS)] for item in drift["features"][:MOST_MOVED]
    ]
    heads = ["Feature", "PSI", "KS", "Mean in training", "Mean since"]
    return (
        f"<h2>Drift of the features</h2>{table(heads, rows, numbers=4)}"
        f'<p class="soft">The {len(rows)} that moved most. PSI: population stability index over tenths of the '
        "training; KS: largest distance of the two distribution functions. All features together lie "
        f"{text(drift['mmd'], '.4f')} apart (squared maximum mean discrepancy). What decides is by what factor an "
        "index is above its usual, beside the largest such factors of earlier stretches as long.</p>"
    )


_COLUMNS: Final = (("psi", ".3f"), ("ks", ".3f"), ("reference_mean", ".4g"), ("current_mean", ".4g"))
