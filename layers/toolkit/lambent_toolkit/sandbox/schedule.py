"""When a rule's schedule fires next: `rate(...)` and the part of `cron(...)` that templates use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lambent_toolkit.sandbox.errors import BrokenTemplate

RATE = re.compile(r"^rate\((\d+) (minute|hour|day)s?\)$")
CRON = re.compile(r"^cron\((.+)\)$")
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES, 1)}
WEEKDAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
LAST_YEAR = 2199


@dataclass(frozen=True)
class Rate:
    """Fires every `period`, the first time one period after the start."""

    period: timedelta

    def after(self, moment: datetime) -> datetime | None:
        """Return the next time."""
        return moment + self.period


@dataclass(frozen=True)
class Cron:
    """Fires at minutes (UTC) whose parts are all in these sets."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]

    def after(self, moment: datetime) -> datetime | None:
        """Return the next time, or None when there is none within ten years."""
        day = moment.date()
        for offset in range(3660):
            candidate = day + timedelta(days=offset)
            if not self._has_day(candidate.year, candidate.month, candidate.day, candidate.isoweekday() % 7 + 1):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    when = datetime(candidate.year, candidate.month, candidate.day, hour, minute, tzinfo=UTC)
                    if when > moment:
                        return when
        return None

    def _has_day(self, year: int, month: int, day: int, weekday: int) -> bool:
        return year in self.years and month in self.months and day in self.days and weekday in self.weekdays


def parse_schedule(expression: str) -> Rate | Cron:
    """Read a ScheduleExpression.

    Raises
    ------
    BrokenTemplate   not a schedule, or one with L, W or #, which the local stack does not know
    """
    if rate := RATE.match(expression):
        return Rate(int(rate.group(1)) * UNITS[rate.group(2)])
    cron = CRON.match(expression)
    try:
        minute, hour, day, month, weekday, year = cron.group(1).split() if cron else []
        return Cron(
            _values(minute, 0, 59),
            _values(hour, 0, 23),
            _values(day, 1, 31),
            _values(month, 1, 12, MONTHS),
            _values(weekday, 1, 7, WEEKDAYS),
            _values(year, 1970, LAST_YEAR),
        )
    except ValueError as exc:
        raise BrokenTemplate(f"{expression!r} is not a schedule that the local stack knows: {exc}") from exc


def _values(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            start, end = low, high
        else:
            start = _number(first, names)
            end = _number(last, names) if last else high if step else start
        values.update(range(start, end + 1, int(step or 1)))
    if not values or min(values) < low or max(values) > high:
        raise ValueError(f"{text} is not within {low} to {high}")
    return frozenset(values)


def _number(text: str, names: dict[str, int] | None) -> int:
    return (names or {}).get(text.upper()) or int(text)
