"""Whether a judge asked for less than its family does: what such a judge passed is not promoted."""

from components.core.family import Family
from components.core.judge import GateConfig, JudgeConfig

MINIMA = ("confidence", "min_timestamps", "min_signals", "min_rows_per_class")
"""Settings of which a lower one asks for less."""


def standard_of(family: Family) -> JudgeConfig:
    """Return the judge of the family's default recipe."""
    return family.recipe(family.default_recipe).judge


def shortfalls(judge: JudgeConfig, standard: JudgeConfig) -> list[str]:
    """Return in words where ``judge`` asks for less than ``standard``; asking for more is free."""
    asked = {gate.metric: gate for gate in judge.gates}
    found = [_less(asked.get(gate.metric), gate) for gate in standard.gates]
    found += [
        f"{name} {getattr(judge, name):g}, at least {getattr(standard, name):g} is wanted"
        for name in MINIMA
        if getattr(judge, name) < getattr(standard, name)
    ]
    if judge.costs.per_side < standard.costs.per_side:
        found.append(f"costs of {judge.costs.per_side:g} a side, at least {standard.costs.per_side:g} is wanted")
    return [words for words in found if words]


def _less(asked: GateConfig | None, wanted: GateConfig) -> str:
    if asked is None:
        return f"nothing asks about {wanted.metric}"
    easier = asked.bound < wanted.bound if wanted.side == "above" else asked.bound > wanted.bound
    if asked.side != wanted.side or easier:
        return f"{wanted.metric} must be {asked.side} {asked.bound:g}, wanted is {wanted.side} {wanted.bound:g}"
    return ""
