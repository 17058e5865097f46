"""When a schedule fires: six fields, each a number or a star, in UTC.

The fields are those of the scheduler that Kubeflow Pipelines runs: second, minute, hour, day of the month, month,
weekday (0 is Sunday). Where day and weekday are both numbers, either is enough.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Final

from components.core.errors import RecipeError

FIELDS: Final = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "weekday": (0, 6),
}
"""Name -> smallest and largest number, in the order in which they are written."""

HORIZON_DAYS: Final = 40 * 366
"""29 February on a given weekday comes back within 28 years, or 40 across a year such as 2100."""


def parse(cron: str) -> dict[str, int | None]:
    """Return each field's number, None for a star.

    Raises:
        RecipeError: If there are not six fields, or one is neither a star nor a number in its range.
    """
    texts = cron.split(" ")
    if len(texts) != len(FIELDS):
        raise RecipeError(f"{cron!r}: has {len(texts)} fields. Write six: {', '.join(FIELDS)}; '0 {cron}' if one lacks")
    fields: dict[str, int | None] = {}
    for text, (name, (low, high)) in zip(texts, FIELDS.items(), strict=True):
        if text != "*" and not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise RecipeError(f"{cron!r}: {name} {text!r} is no time. Write a star, or a number from {low} to {high}")
        fields[name] = None if text == "*" else int(text)
    return fields


def _matches_day(fields: dict[str, int | None], day: datetime) -> bool:
    if fields["month"] not in {None, day.month}:
        return False
    by_date, by_weekday = fields["day"] == day.day, fields["weekday"] == day.isoweekday() % 7
    if fields["day"] is None:
        return fields["weekday"] is None or by_weekday
    return by_date or by_weekday


def _fires(fields: dict[str, int | None], after: datetime) -> Iterator[datetime]:
    clock = [
        range(FIELDS[name][1] + 1) if (number := fields[name]) is None else (number,)
        for name in ("hour", "minute", "second")
    ]
    midnight = datetime.combine(after.date(), time(), UTC)
    for offset in range(HORIZON_DAYS):
        day = midnight + timedelta(days=offset)
        if _matches_day(fields, day):
            times = (
                day.replace(hour=hour, minute=minute, second=second)
                for hour, minute, second in itertools.product(*clock)
            )
            yield from (fire for fire in times if fire > after)


def next_fires(cron: str, after: datetime, count: int = 3) -> list[datetime]:
    """Return the next ``count`` instants, in UTC, that lie after ``after``.

    Raises:
        RecipeError: If the text is no schedule, or one that never fires, such as 30 February.
    """
    fires = list(itertools.islice(_fires(parse(cron), after.astimezone(UTC)), count))
    if not fires:
        raise RecipeError(f"{cron!r}: never fires. Give a day that its month has")
    return fires
