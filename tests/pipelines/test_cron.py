"""Fire times against a walk through every second, and against days worked out by hand."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import RecipeError
from pipelines.cron import FIELDS, next_fires, parse

START = datetime(2026, 2, 26, 22, 59, 57, tzinfo=UTC)


def walk(cron: str, after: datetime, seconds: int) -> list[datetime]:
    """Return every instant of the next ``seconds`` that the six fields name, one second after the other."""
    second, minute, hour, day, month, weekday = cron.split()
    found: list[datetime] = []
    for step in range(1, seconds + 1):
        now = after + timedelta(seconds=step)
        pairs = ((second, now.second), (minute, now.minute), (hour, now.hour), (month, now.month))
        on_clock = all(text in {"*", str(number)} for text, number in pairs)
        by_date, by_weekday = day == str(now.day), weekday == now.strftime("%w")
        on_day = (day == "*" or by_date) and (weekday == "*" or by_weekday)
        if day != "*" and weekday != "*":
            on_day = by_date or by_weekday
        if on_clock and on_day:
            found.append(now)
    return found


def one_of(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


@given(
    st.tuples(
        one_of("*", "0", "58"), one_of("*", "0", "59"), one_of("*", "0", "22", "23"),
        one_of("*", "26", "27", "1"), one_of("*", "2", "3"), one_of("*", "0", "4", "5"),
    ).map(" ".join)
)  # fmt: skip
def test_next_fires_are_those_of_a_walk_through_every_second(cron: str) -> None:
    seen = walk(cron, START, 2 * 3600)[:3]
    assert [fire for fire in next_fires(cron, START) if fire <= START + timedelta(hours=2)] == seen


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - the zone is added below
    st.tuples(*(st.one_of(st.just("*"), st.integers(*bounds).map(str)) for bounds in FIELDS.values())).map(" ".join),
)
def test_fires_lie_after_in_order_and_carry_the_fields(naive: datetime, cron: str) -> None:
    after = naive.replace(tzinfo=UTC)
    fields = parse(cron)
    try:
        fires = next_fires(cron, after, count=4)
    except RecipeError:
        assert fields["day"] in {30, 31}
        assert fields["month"] in {2, 4, 6, 9, 11}
        return
    assert after < fires[0] < fires[1] < fires[2] < fires[3]
    for fire in fires:
        assert fields["month"] in {None, fire.month}
        assert (fields["hour"], fields["minute"], fields["second"]) == tuple(
            None if fields[name] is None else getattr(fire, name) for name in ("hour", "minute", "second")
        )


def test_the_monthly_schedule_fires_on_the_first_at_two() -> None:
    zone = timezone(timedelta(hours=-5))
    assert next_fires("0 0 2 1 * *", datetime(2026, 11, 30, 21, 0, 0, tzinfo=zone)) == [
        datetime(2027, 1, 1, 2, tzinfo=UTC),
        datetime(2027, 2, 1, 2, tzinfo=UTC),
        datetime(2027, 3, 1, 2, tzinfo=UTC),
    ]


def test_the_leap_day_is_waited_for_across_a_century_without_one() -> None:
    assert next_fires("0 0 0 29 2 *", datetime(2096, 3, 1, tzinfo=UTC), count=1) == [datetime(2104, 2, 29, tzinfo=UTC)]


def test_day_and_weekday_together_mean_either() -> None:
    assert [fire.day for fire in next_fires("0 0 0 15 6 1", datetime(2026, 6, 7, tzinfo=UTC))] == [8, 15, 22]
    assert [fire.day for fire in next_fires("0 0 0 10 6 1", datetime(2026, 6, 7, tzinfo=UTC))] == [8, 10, 15]


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 6 * * 1", "has 5 fields"),
        ("0 0 25 1 * *", "hour '25'"),
        ("0 0 2 0 * *", "day '0'"),
        ("0 0 2 1 13 *", "month '13'"),
        ("0 0 2 1 * 7", "weekday '7'"),
        ("0 0 2 1 * MON", "weekday 'MON'"),
        ("0 0 2 31 4 *", "never fires"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_field(cron: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        next_fires(cron, START)
