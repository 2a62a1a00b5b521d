"""API keys and usage plans in API Gateway: what lets a request through before any function sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.stacks.stack import Stack
from lambent_toolkit.tenants.errors import KeyClosed, KeyUnknown
from lambent_toolkit.tenants.quota import Quota


@dataclass(frozen=True)
class MadeKey:
    """A key that API Gateway has made: its id, which may be told, and its value, which may not."""

    key_id: str
    value: str


class GatewayKeys:
    """The keys of one stack's API. All methods may raise StackError.

    A key without a quota of its own is in the stack's usage plan. One with a quota is in a plan that all keys of the
    same quota share, since API Gateway counts each key of a plan by itself, and takes 300 plans an account.
    """

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client("apigateway")
        self._stack_name = stack.name
        self._own_plan = stack.resources["UsagePlan"]

    def create(self, name: str) -> MadeKey:
        """Make a key that opens nothing yet: it is disabled, and in no plan."""
        with telling_aws_errors():
            made = self._client.create_api_key(name=name, enabled=False, generateDistinctId=True)
        return MadeKey(made["id"], made["value"])

    def open(self, key_id: str, quota: Quota | None) -> None:
        """Put a key into the plan of its quota and enable it; doing it again changes nothing."""
        from botocore.exceptions import ClientError

        plan_id = self._own_plan if quota is None else self._plan_of(quota)
        with telling_aws_errors():
            try:
                self._client.create_usage_plan_key(usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")
            except ClientError as exc:
                if exc.response["Error"]["Code"] != "ConflictException":  # it is in there already
                    raise
        self._enable(key_id, is_enabled=True)

    def close(self, key_id: str) -> None:
        """Disable a key, which stops it within seconds; one that is gone stays so."""
        with suppress(KeyUnknown):
            self._enable(key_id, is_enabled=False)

    def delete(self, key_id: str, quota: Quota | None) -> None:
        """Delete a key, and the plan of its quota with the last key that was in it."""
        # Two who made keys of one quota at once have made a plan each.
        plans = [] if quota is None else self._find_plans(quota)
        with telling_aws_errors():
            for plan in plans:
                if key_id in self._members(plan["id"]):
                    _unless_gone(self._client.delete_usage_plan_key, usagePlanId=plan["id"], keyId=key_id)
            _unless_gone(self._client.delete_api_key, apiKey=key_id)
        for plan in plans:
            self._drop_if_empty(plan["id"])

    def value(self, key_id: str) -> str:
        """Return a key's value; raises KeyUnknown, and KeyClosed for one that opens nothing."""
        found = self._read(key_id)
        if not found["enabled"]:
            raise KeyClosed(f"Key {key_id} is disabled and opens nothing: see `lambent key list` for another.")
        return str(found["value"])

    def _read(self, key_id: str) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        with telling_aws_errors():
            try:
                found: dict[str, Any] = self._client.get_api_key(apiKey=key_id, includeValue=True)
            except ClientError as exc:
                if exc.response["Error"]["Code"] != "NotFoundException":
                    raise
                raise KeyUnknown(f"API Gateway has no key {key_id}: see `lambent key list`.") from exc
        return found

    def _enable(self, key_id: str, *, is_enabled: bool) -> None:
        from botocore.exceptions import ClientError

        change = [{"op": "replace", "path": "/enabled", "value": str(is_enabled).lower()}]
        with telling_aws_errors():
            try:
                self._client.update_api_key(apiKey=key_id, patchOperations=change)
            except ClientError as exc:
                if exc.response["Error"]["Code"] != "NotFoundException":
                    raise
                raise KeyUnknown(f"API Gateway has no key {key_id}: see `lambent key list`.") from exc

    def _plan_name(self, quota: Quota) -> str:
        return f"{self._stack_name} {quota}"

    def _find_plans(self, quota: Quota) -> list[dict[str, Any]]:
        with telling_aws_errors():
            pages = self._client.get_paginator("get_usage_plans").paginate()
            return [plan for page in pages for plan in page["items"] if plan["name"] == self._plan_name(quota)]

    def _plan_of(self, quota: Quota) -> str:
        # One without a stage is about to be deleted, or was when somebody was killed: its keys would open nothing.
        found = next((plan for plan in self._find_plans(quota) if plan.get("apiStages")), None)
        if found is not None:
            return str(found["id"])
        with telling_aws_errors():
            own = self._client.get_usage_plan(usagePlanId=self._own_plan)
            made = self._client.create_usage_plan(
                name=self._plan_name(quota),
                description="Made by `lambent key create --quota`; goes with its last key",
                apiStages=[{"apiId": each["apiId"], "stage": each["stage"]} for each in own["apiStages"]],
                throttle=own["throttle"],
                quota={"limit": quota.requests, "period": quota.period.upper()},
            )
        return str(made["id"])

    def _members(self, plan_id: str) -> set[str]:
        pages = self._client.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan_id)
        return {each["id"] for page in pages for each in page["items"]}

    def _drop_if_empty(self, plan_id: str) -> None:
        with telling_aws_errors():
            if self._members(plan_id):
                return
            # A plan that names a stage cannot be deleted, nor can the stage while a plan names it.
            plan = self._client.get_usage_plan(usagePlanId=plan_id)
            stages = [
                {"op": "remove", "path": "/apiStages", "value": f"{each['apiId']}:{each['stage']}"}
                for each in plan.get("apiStages", [])
            ]
            if stages:
                self._client.update_usage_plan(usagePlanId=plan_id, patchOperations=stages)
            self._client.delete_usage_plan(usagePlanId=plan_id)


def _unless_gone(delete: Callable[..., Any], **what: str) -> None:
    """Delete something; what is not there any more needs no deleting."""
    from botocore.exceptions import ClientError

    try:
        delete(**what)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "NotFoundException":
            raise
