"""Rates and quotas of API keys."""

from lambent_toolkit.sandbox.usage_plans import ApiKey, Plan, UsageMeter, read_plan

DAY_S = 86_400


def test_burst_then_rate() -> None:
    meter, key = UsageMeter(), ApiKey("k", Plan(rate_per_s=2, burst=3, quota=None, period_s=DAY_S))

    at_once = [meter.refuse(key, 100.0) for _ in range(4)]
    later = [meter.refuse(key, 101.0) for _ in range(3)]

    assert at_once == [None, None, None, "THROTTLED"]
    assert later == [None, None, "THROTTLED"]


def test_keys_of_one_plan_have_a_bucket_each() -> None:
    meter, plan = UsageMeter(), Plan(rate_per_s=1, burst=1, quota=None, period_s=DAY_S)

    assert [meter.refuse(ApiKey(name, plan), 0.0) for name in ("a", "b")] == [None, None]


def test_quota_is_used_up_until_the_next_period() -> None:
    meter, key = UsageMeter(), ApiKey("k", Plan(rate_per_s=None, burst=None, quota=2, period_s=DAY_S))

    today = [meter.refuse(key, 10.0) for _ in range(3)]

    assert today == [None, None, "QUOTA_EXCEEDED"]
    assert meter.refuse(key, 10.0 + DAY_S) is None


def test_plan_is_read_as_api_gateway_lists_it() -> None:
    listed = {"throttle": {"rateLimit": 50.0, "burstLimit": 100}, "quota": {"limit": 7, "period": "WEEK"}}

    assert read_plan(listed) == Plan(rate_per_s=50.0, burst=100, quota=7, period_s=7 * DAY_S)
    assert read_plan({}) == Plan(rate_per_s=None, burst=None, quota=None, period_s=DAY_S)
