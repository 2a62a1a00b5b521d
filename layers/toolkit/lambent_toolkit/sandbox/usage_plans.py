"""API keys and usage plans: who may call, how fast, how often. Read from the storage, so later keys count as well."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox.aws_calls import AwsCalls

# A key that was disabled is to open nothing after 5 s: read anew in the background, and waited for when too old.
REFRESH_S = 2.0
OLDEST_S = 4.0
UNKNOWN_KEY_REFRESH_S = 0.5
# AWS's gateway knows its keys whatever is silent behind it; of a storage that is, no key can be taken away meanwhile.
PATIENCE_S = 1.0
PERIODS_S = {"DAY": 86_400, "WEEK": 604_800, "MONTH": 2_592_000}


@dataclass(frozen=True)
class Plan:
    """Limits of one usage plan; None is unlimited."""

    rate_per_s: float | None
    burst: int | None
    quota: int | None
    period_s: int


@dataclass(frozen=True)
class ApiKey:
    """A key that may call the API."""

    key_id: str
    plan: Plan


class TokenBucket:
    """Lets through `burst` at once and `rate_per_s` in the long run."""

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        self._rate, self._burst = rate_per_s, burst
        self._tokens, self._filled_s = float(burst), now_s

    def take(self, now_s: float) -> bool:
        """Take one token if there is one."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class UsageMeter:
    """Counts the requests of every key against its plan."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, Plan], TokenBucket] = {}
        self._counts: dict[tuple[str, int], int] = {}

    def refuse(self, key: ApiKey, now_s: float) -> str | None:
        """Count one request; return the gateway's response type if it is one too many."""
        plan = key.plan
        if plan.rate_per_s is not None and plan.burst is not None:
            name = (key.key_id, plan)
            if name not in self._buckets:
                self._buckets[name] = TokenBucket(plan.rate_per_s, plan.burst, now_s)
            if not self._buckets[name].take(now_s):
                return "THROTTLED"
        if plan.quota is not None:
            period = (key.key_id, int(now_s // plan.period_s))
            self._counts[period] = self._counts.get(period, 0) + 1
            if self._counts[period] > plan.quota:
                return "QUOTA_EXCEEDED"
        return None


class ApiKeys:
    """The keys of one API, kept fresh.

    Parameters
    ----------
    aws : AwsCalls
    api_id : str     keys count if a plan of theirs names this API
    now_s            a clock that never goes back
    """

    def __init__(self, aws: AwsCalls, api_id: str, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._aws, self._api_id, self._now_s = aws, api_id, now_s
        self._keys: dict[str, ApiKey] = {}
        self._read_s = -math.inf
        self._refreshing: asyncio.Task[None] | None = None
        self._begun_s = -math.inf

    async def find(self, value: str) -> ApiKey | None:
        """Return the key with this value as it was 4 s ago at most; an unknown one is looked up twice a second.

        While the storage is silent, or fails, a key that was known stays known.
        """
        age_s = self._now_s() - self._read_s
        if value not in self._keys:
            if age_s > UNKNOWN_KEY_REFRESH_S:
                await asyncio.shield(self._begin_refresh())
        elif age_s > REFRESH_S:
            refreshing = self._begin_refresh()
            if age_s > OLDEST_S:
                await asyncio.wait([refreshing], timeout=max(0.0, self._begun_s + PATIENCE_S - self._now_s()))
        return self._keys.get(value)

    async def refresh(self) -> None:
        """Read keys and plans."""
        try:
            self._keys = await self._read()
        finally:
            self._read_s = self._now_s()
            self._refreshing = None

    def _begin_refresh(self) -> asyncio.Task[None]:
        if self._refreshing is None:
            self._begun_s = self._now_s()
            self._refreshing = asyncio.create_task(self.refresh())
            # Whoever waits for it is told of its failure; where nobody does, the next one tells.
            self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refreshing

    async def _read(self) -> dict[str, ApiKey]:
        listed = await self._aws.get("apigateway", "/apikeys?includeValues=true")
        enabled = {each["id"]: each["value"] for each in listed.get("item", []) if each.get("enabled")}
        keys: dict[str, ApiKey] = {}
        for plan in (await self._aws.get("apigateway", "/usageplans")).get("item", []):
            if any(stage.get("apiId") == self._api_id for stage in plan.get("apiStages", [])):
                members = await self._aws.get("apigateway", f"/usageplans/{plan['id']}/keys")
                for member in members.get("item", []):
                    if member["id"] in enabled:
                        keys[enabled[member["id"]]] = ApiKey(member["id"], read_plan(plan))
        return keys


def read_plan(plan: dict[str, Any]) -> Plan:
    """Read a usage plan as API Gateway lists it."""
    throttle, quota = plan.get("throttle") or {}, plan.get("quota") or {}
    rate, burst, limit = throttle.get("rateLimit"), throttle.get("burstLimit"), quota.get("limit")
    return Plan(
        rate_per_s=None if rate is None else float(rate),
        burst=None if burst is None else int(burst),
        quota=None if limit is None else int(limit),
        period_s=PERIODS_S.get(str(quota.get("period", "DAY")), PERIODS_S["DAY"]),
    )
