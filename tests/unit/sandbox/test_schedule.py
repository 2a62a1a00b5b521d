"""Schedules of EventBridge rules."""

from datetime import UTC, datetime

import pytest

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.schedule import parse_schedule

NOW = datetime(2026, 11, 23, 17, 42, 30, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("rate(1 minute)", "2026-11-23T17:43:30"),
        ("rate(5 minutes)", "2026-11-23T17:47:30"),
        ("rate(2 days)", "2026-11-25T17:42:30"),
        ("cron(0 12 * * ? *)", "2026-11-24T12:00:00"),
        ("cron(45 17 * * ? *)", "2026-11-23T17:45:00"),
        ("cron(0/15 * * * ? *)", "2026-11-23T17:45:00"),
        ("cron(0 8 ? * MON-FRI *)", "2026-11-24T08:00:00"),
        ("cron(0 8 ? * SUN *)", "2026-11-29T08:00:00"),
        ("cron(0 0 1 JAN,JUL ? *)", "2027-01-01T00:00:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29T00:00:00"),
    ],
)
def test_next_time_is_found(expression: str, due: str) -> None:
    assert parse_schedule(expression).after(NOW) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_schedule_of_the_past_never_fires() -> None:
    assert parse_schedule("cron(0 0 1 1 ? 2020)").after(NOW) is None


@pytest.mark.parametrize(
    "expression", ["", "every day", "rate(x minutes)", "cron(* * *)", "cron(0 0 L * ? *)", "cron(99 0 * * ? *)"]
)
def test_what_cannot_be_kept_is_refused(expression: str) -> None:
    with pytest.raises(BrokenTemplate):
        parse_schedule(expression)
