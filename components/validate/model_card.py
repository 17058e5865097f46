"""The model card: what a bundle is, what it may be used for, how well it did and what nobody knows of it.

Source: Mitchell et al. (2019), "Model Cards for Model Reporting". It is made of what the run left behind alone, the
manifests of bundle and examples and the signed verdict, so anyone who has them gets the same bytes.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.core.bundle import identity
from components.core.errors import ArtifactError
from components.core.files import read_json
from components.core.lineage import EXAMPLES
from components.core.verdict import VERDICT, Verdict, read_verified
from components.market.examples_manifest import examples_digest
from components.market.predictions import ALLOCATION
from components.validate.attribution import PREFIX
from components.validate.markdown import Value, plain, table
from components.validate.summary import SIGNS, gate_rows

BUNDLE: Final = "bundle.json"
"""Name of the copy of the bundle's manifest that is kept beside the verdict."""
JUDGED: Final = frozenset({"test", "holdout"})
"""Zones that no training reads."""
CAVEATS: Final = "Caveats"
ADVICE: Final = "advice"
"""Among the notes of a bundle: what its training had to say."""
TEXT, DOCUMENT = "model_card.md", "model_card.json"

Section = dict[str, Value]

_USES = {
    ALLOCATION: "Says which share of the capital each symbol should hold until the next decision. For research, and "
    "for a paper account.",
    "direction": "Says how likely each symbol's next bar closes higher. For research, and for a paper account that "
    "is long or flat.",
    "classes": "Says how likely each class comes. For research, and as one input of a decision that people answer for.",
    "score": "Says how high a score comes. For research, and as one input of a decision that people answer for.",
}
_CAVEATS = [
    "One history was judged. The intervals say what chance alone would change in it, not what another market, or the "
    "same one in another decade, would.",
    "The worth of a feature is what this model loses without it; features that move together share it.",
    "A model ages: judge it again on newer bars before it is trusted longer than it was tested.",
]


def card(bundle: Mapping[str, Any], verdict: Verdict, examples: Mapping[str, Any]) -> dict[str, Section]:
    """Return the card by sections; ``bundle`` and ``examples`` are their manifests.

    Raises:
        ArtifactError: If the verdict is about another bundle or other examples.
    """
    for name, judged, given in (
        ("bundle", verdict.bundle_digest, bundle["digest"]),
        ("examples", verdict.examples_digest, examples["digest"]),
    ):
        if judged != given:
            raise ArtifactError(f"the verdict is on {name} {judged[:12]}, not {given!s:.12}. Judge this bundle")
    return {
        "Model details": _details(bundle, verdict),
        "Intended use": _use(examples, bundle),
        "Factors": _factors(examples, verdict),
        "Metrics": _metrics(verdict),
        "Evaluation data": _evaluation(examples, verdict),
        "Training data": _training(examples),
        "Quantitative analyses": _analyses(verdict),
        "Ethical considerations": {
            "Data": "bars, indicators and, where the source says so, news tone; nothing about persons",
            "Harm": "who trades on it can lose money; no order leaves this product",
        },
        "Caveats and recommendations": {CAVEATS: _caveats(bundle, examples, verdict)},
    }


def _kind(examples: Mapping[str, Any], bundle: Mapping[str, Any]) -> str:
    if ALLOCATION in bundle["schema"].get("outputs", ()):
        return ALLOCATION
    return "classes" if examples.get("classes") else "score" if "labeller" in examples else "direction"


def _details(bundle: Mapping[str, Any], verdict: Verdict) -> Section:
    notes = {str(key): value for key, value in bundle["notes"].items() if value and key != ADVICE}
    schema: Mapping[str, Any] = bundle["schema"]
    return {
        "Family": verdict.family,
        "Competes on": verdict.dataset,
        "Bundle": verdict.bundle_digest,
        "Recipe": verdict.recipe_digest,
        "Network": bundle["config"].get("model", {}),
        "Inputs": schema.get("columns"),
        "Outputs": schema.get("outputs"),
        "Seed": bundle["config"].get("seed"),
        "Run": verdict.run_key,
        "Judged": verdict.created,
        "Code that judged": verdict.code_digest,
        "Trained by": notes,
        "Judged by": {"python": verdict.python, "numpy": verdict.numpy},
    }


def _use(examples: Mapping[str, Any], bundle: Mapping[str, Any]) -> Section:
    return {
        "Intended": _USES[_kind(examples, bundle)],
        "Users": "people who can read the gates below, and the paper account",
        "Out of scope": "orders sent without a person, advice to others, symbols and bars other than those below",
    }


def _factors(examples: Mapping[str, Any], verdict: Verdict) -> Section:
    section: Section = {
        "Symbols": examples["symbols"],
        "Bars": examples.get("interval"),
        "Window, in bars": examples.get("window"),
        "Bars to the label": examples.get("horizon"),
    }
    if "classes" in examples:
        names = [str(name) for name in examples["classes"]]
        section["By class, test zone"] = [
            {"Class": name}
            | {metric: _value(verdict, f"{metric}.{name}") for metric in ("rows", "precision", "recall")}
            for name in names
        ]
    return section


def _value(verdict: Verdict, name: str) -> float | None:
    found = verdict.metrics.get(name)
    return found.value if found else None


def _metrics(verdict: Verdict) -> Section:
    judge = verdict.judge
    return {
        "Decided by": f"the bound of each gate's interval at {judge.confidence:.0%} confidence, not its value",
        "Resamples": judge.bootstrap_samples,
        "Costs per side": {"commission": judge.costs.commission, "slippage": judge.costs.slippage},
        "Gates": gate_rows(verdict.gates),
    }


def _zone_row(name: str, zone: Mapping[str, Any]) -> dict[str, Any]:
    first, last = (str(zone.get(key, ""))[:10] for key in ("first", "last"))
    return {"Zone": name, "First bar": first, "Last bar": last, "Times": zone.get("timestamps"), "Rows": zone["rows"]}


def _evaluation(examples: Mapping[str, Any], verdict: Verdict) -> Section:
    zones: Mapping[str, Any] = examples["zones"]
    return {
        "Source": examples["source"],
        "Examples": verdict.examples_digest,
        "Features": verdict.features_digest,
        "Snapshot": verdict.snapshot_digest,
        "Zones": [_zone_row(name, zones[name]) for name in sorted(zones.keys() & JUDGED)],
        "Why these": "the last part of the history, cut by time for all symbols at once; no part of training saw it",
    }


def _training(examples: Mapping[str, Any]) -> Section:
    zones: Mapping[str, Any] = examples["zones"]
    names = sorted(zones.keys() - JUDGED, key=lambda name: str(zones[name].get("first", "")))
    return {
        "Features": examples["columns"],
        "Labels": examples.get("labeller", "whether the next close is higher"),
        "Zones": [_zone_row(name, zones[name]) for name in names],
        "Between zones": f"{examples.get('embargo_bars', 0)} bars of embargo; {examples.get('purge', 'not recorded')}",
    }


def _analyses(verdict: Verdict) -> Section:
    plain_names = {name: item for name, item in verdict.metrics.items() if "." not in name}
    worth = [name for name in verdict.metrics if name.startswith(PREFIX) and not name.endswith((".lower", ".upper"))]
    section: Section = {
        "Verdict": f"{SIGNS[verdict.verdict]} {verdict.verdict}",
        "Reason": verdict.reason,
        "Measured": [
            {"Metric": name, "Zone": item.zone, "Value": item.value} for name, item in sorted(plain_names.items())
        ],
    }
    if worth:
        section["Worth of the features, the rise of the loss without them"] = [
            {
                "Feature": name.removeprefix(PREFIX),
                "Worth": _value(verdict, name),
                "At least": _value(verdict, f"{name}.lower"),
                "At most": _value(verdict, f"{name}.upper"),
            }
            for name in sorted(worth, key=lambda name: (-(_value(verdict, name) or 0.0), name))
        ]
    return section


def _caveats(bundle: Mapping[str, Any], examples: Mapping[str, Any], verdict: Verdict) -> list[str]:
    own = [f"Training says: {line}." for line in bundle["notes"].get(ADVICE, ())]
    if verdict.verdict != "pass":
        own.append(f"The verdict is {verdict.verdict}: it must not be promoted.")
    if str(examples["source"]).startswith("synthetic:"):
        own.append("The market was made by a generator: this says nothing of a real one.")
    return own + _CAVEATS


def as_markdown(sections: Mapping[str, Section]) -> str:
    """Return the card as Markdown."""
    details = sections["Model details"]
    parts = [f"# Model card: {plain(details['Family'])} on {plain(details['Competes on'])}\n"]
    for name, section in sections.items():
        parts.append(f"\n## {name}\n\n")
        parts.extend(_entry(key, value) for key, value in section.items())
    return re.sub(r"\n{2,}", "\n\n", "".join(parts))


def _entry(name: str, value: Value) -> str:
    """Return one entry: a table of rows, a list of caveats, else one line."""
    if isinstance(value, list):
        rows = [item for item in value if isinstance(item, Mapping)]
        if rows:
            return f"\n{name}:\n\n{table(rows)}\n"
        if name == CAVEATS:
            return "".join(f"- {plain(item)}\n" for item in value)
    return f"- {name}: {plain(value)}\n"


def read_card(folder: Path, verify_key: Path) -> dict[str, Section]:
    """Return the card of what lies in ``folder``: the signed verdict, and the manifests of bundle and examples.

    Raises:
        ArtifactError: If a file is missing, or they do not belong together.
        PromotionRefusedError: If the signature does not fit the verdict.
    """
    verdict = read_verified(folder / VERDICT, verify_key)
    bundle, examples = read_json(folder / BUNDLE), read_json(folder / EXAMPLES)
    for name, stated, found in (
        (BUNDLE, verdict.bundle_digest, identity(bundle)),
        (EXAMPLES, verdict.examples_digest, examples_digest(examples)),
    ):
        if stated != found:
            raise ArtifactError(f"{folder / name}: is not what the verdict was given on. It was altered; judge again")
    return card(bundle, verdict, examples)
