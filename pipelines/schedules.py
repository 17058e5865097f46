"""Which pipelines recur, and when: read from ``schedules.yaml``, and checked against the compiled pipelines."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import Field

from components.core.config import Config
from components.core.strict_yaml import load_file
from pipelines import COMPILED

SCHEDULES: Final = Path(__file__).parent / "schedules.yaml"
_FIELD = r"(\*|\d{1,2})"
CRON: Final = rf"^{_FIELD}( {_FIELD}){{5}}$"
"""Six fields, each a number or a star: second minute hour day month weekday."""


class Schedule(Config):
    """One recurring run; runs that were missed are not made up for, and one never overlaps the next."""

    cron: Annotated[str, Field(pattern=CRON)]
    """When, in UTC."""
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Parameters of the pipeline that differ from their defaults."""

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


def faults(path: Path = SCHEDULES) -> list[str]:
    """Return what is wrong with the schedules: a pipeline or parameter that does not exist, or one that is missing."""
    found: list[str] = []
    for name, schedule in schedules(path).items():
        compiled = COMPILED / f"{name}.yaml"
        if not compiled.is_file():
            found.append(f"{path.name}: {name}: no such pipeline among the compiled ones")
            continue
        document = next(yaml.safe_load_all(compiled.read_text(encoding="utf-8")))
        inputs = document["root"]["inputDefinitions"]["parameters"]
        wanted = {key for key, facts in inputs.items() if not facts.get("isOptional")}
        found += [f"{path.name}: {name}: no parameter {key!r}" for key in sorted(schedule.arguments.keys() - inputs)]
        found += [f"{path.name}: {name}: wants a {key!r}" for key in sorted(wanted - schedule.arguments.keys())]
    return found
