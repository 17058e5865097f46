"""Which pipelines recur, and when: read from ``schedules.yaml``, and checked against the compiled pipelines."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, field_validator

from components.core.config import Config
from components.core.errors import RecipeError, UsageError
from components.core.strict_yaml import load_file
from pipelines import COMPILED
from pipelines.cron import next_fires

SCHEDULES: Final = Path(__file__).parent / "schedules.yaml"


class Schedule(Config):
    """One recurring run; runs that were missed are not made up for, and one never overlaps the next."""

    cron: str
    """When, in UTC; six fields, each a number or a star: second minute hour day month weekday."""
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Parameters of the pipeline that differ from their defaults."""

    @field_validator("cron")
    @classmethod
    def _fires(cls, cron: str) -> str:
        try:
            next_fires(cron, datetime(2000, 1, 1, tzinfo=UTC), count=1)
        except RecipeError as error:
            raise ValueError(str(error)) from None
        return cron

    @property
    def runs_per_month(self) -> Decimal:
        """How often it fires in 30 days, on average over a year of twelve such months.

        Where day and weekday are both given, either one fires, as in every cron.
        """
        second, minute, hour, day, month, weekday = (field == "*" for field in self.cron.split())
        in_month, in_week = Decimal(1), Decimal(30) / 7
        days = {
            (True, True): Decimal(30),
            (False, True): in_month,
            (True, False): in_week,
            (False, False): in_month + in_week - in_week / 30,
        }[day, weekday]
        times_a_day = (60 if second else 1) * (60 if minute else 1) * (24 if hour else 1)
        return days * times_a_day / (1 if month else 12)


def schedules(path: Path = SCHEDULES) -> Mapping[str, Schedule]:
    """Return the schedules by the name of their pipeline.

    Raises:
        RecipeError: If one does not validate.
    """
    return {name: Schedule.parse(values, name=f"{path.name}: {name}") for name, values in load_file(path).items()}


def compiled_file(pipeline: str) -> Path:
    """Return the committed file of a pipeline; '-' and '_' are the same.

    Raises:
        UsageError: If there is none of this name; those that exist are named.
    """
    known = {path.stem: path for path in sorted(COMPILED.glob("*.yaml"))}
    wanted = pipeline.replace("_", "-")
    if wanted not in known:
        raise UsageError(f"{pipeline}: no such pipeline among the compiled ones. There is {', '.join(known)}")
    return known[wanted]


def parameters(pipeline: str) -> dict[str, Any]:
    """Return what a compiled pipeline declares of each of its parameters, by name.

    Raises:
        UsageError: If there is no such pipeline.
    """
    document = next(yaml.safe_load_all(compiled_file(pipeline).read_text(encoding="utf-8")))
    declared: dict[str, Any] = document["root"]["inputDefinitions"]["parameters"]
    return declared


def mismatches(pipeline: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a pipeline's arguments: a parameter that does not exist, or one that is missing.

    Raises:
        UsageError: If there is no such pipeline.
    """
    declared = parameters(pipeline)
    wanted = {key for key, facts in declared.items() if not facts.get("isOptional")}
    return [f"{pipeline}: no parameter {key!r}" for key in sorted(arguments.keys() - declared)] + [
        f"{pipeline}: wants a {key!r}" for key in sorted(wanted - arguments.keys())
    ]


def faults(path: Path = SCHEDULES) -> list[str]:
    """Return what is wrong with the schedules: a pipeline or parameter that does not exist, or one that is missing."""
    found: list[str] = []
    for name, schedule in schedules(path).items():
        try:
            found += [f"{path.name}: {fault}" for fault in mismatches(name, schedule.arguments)]
        except UsageError as error:
            found.append(f"{path.name}: {error}")
    return found
