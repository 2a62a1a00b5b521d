"""Rates and quotas of API keys."""

import asyncio
from typing import Any

import pytest

from lambent_toolkit.sandbox import usage_plans
from lambent_toolkit.sandbox.usage_plans import ApiKey, ApiKeys, Plan, UsageMeter, read_plan

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


class OneKey:
    """API Gateway with one key in one plan."""

    def __init__(self) -> None:
        self.enabled, self.reads = True, 0

    async def get(self, _service: str, path: str) -> dict[str, Any]:
        if path.startswith("/apikeys"):
            self.reads += 1
            return {"item": [{"id": "k", "value": "secret", "enabled": self.enabled}]}
        return {"item": [{"id": "k"} if path.endswith("/keys") else {"id": "p", "apiStages": [{"apiId": "api"}]}]}


@pytest.mark.parametrize("idle_s", [4.5, 3600.0])
def test_a_key_that_was_disabled_opens_nothing_after_five_seconds_however_long_nobody_called(idle_s: float) -> None:
    aws, now = OneKey(), [100.0]
    keys = ApiKeys(aws, "api", now_s=lambda: now[0])  # type: ignore[arg-type]

    async def before_and_after() -> tuple[ApiKey | None, ApiKey | None]:
        before = await keys.find("secret")
        aws.enabled = False
        now[0] += idle_s
        return before, await keys.find("secret")

    before, after = asyncio.run(before_and_after())

    assert (before and before.key_id, after) == ("k", None)


def test_a_key_in_steady_use_is_read_in_the_background_and_nobody_waits_for_it() -> None:
    aws, now = OneKey(), [100.0]
    keys = ApiKeys(aws, "api", now_s=lambda: now[0])  # type: ignore[arg-type]

    async def steady() -> list[int]:
        reads = []
        for _ in range(3):
            await keys.find("secret")
            reads.append(aws.reads)  # what is read in the background is read after that
            now[0] += 3
            await asyncio.sleep(0)
        return reads

    assert asyncio.run(steady()) == [1, 1, 2]


class FailingStorage(OneKey):
    """Answers until it does not any more."""

    failure: Exception | None = None
    is_silent = False

    async def get(self, service: str, path: str) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        if self.is_silent:
            await asyncio.Event().wait()
        return await super().get(service, path)


@pytest.mark.parametrize("idle_s", [3.0, 4.5, 3600.0])
@pytest.mark.parametrize("failure", [None, OSError("the storage is gone")])
def test_a_key_that_was_known_stays_known_while_the_storage_is_silent_or_fails(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None, idle_s: float
) -> None:
    monkeypatch.setattr(usage_plans, "PATIENCE_S", 0.0)
    aws, now = FailingStorage(), [100.0]
    keys = ApiKeys(aws, "api", now_s=lambda: now[0])  # type: ignore[arg-type]

    async def before_and_after() -> list[ApiKey | None]:
        found = [await keys.find("secret")]
        aws.failure, aws.is_silent = failure, True
        for _ in range(3):
            now[0] += idle_s
            found.append(await keys.find("secret"))
            await asyncio.sleep(0)
        return found

    found = asyncio.run(before_and_after())

    assert [key and key.key_id for key in found] == ["k"] * 4
