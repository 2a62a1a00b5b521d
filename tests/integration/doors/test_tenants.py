"""A tenant that an operator adds calls the running stack by a key of its own, within its scopes and its quota."""

import secrets
from typing import Any

import httpx

from lambent.domain.caller import Scope
from lambent_toolkit.tenants import Quota, Tenants
from patience import wait_for

QUOTA = 3


def test_a_new_tenant_calls_by_its_own_key_and_within_its_scopes(product: Any) -> None:
    tenants, name = Tenants(product.info), f"t-{secrets.token_hex(4)}"
    tenants.add(name)
    keys = {scope: tenants.create_key(name, scopes={scope}) for scope in (Scope.JOBS, Scope.PREDICT)}

    def answer_to(scope: Scope) -> httpx.Response | None:
        """Ask for what the scope `jobs` opens; None while the gateway does not know the key yet."""
        answer = product.http.get("/webhooks/secret", headers={"x-api-key": keys[scope][1]})
        return None if answer.status_code == 401 else answer

    opened = wait_for(lambda: answer_to(Scope.JOBS), what="a key's first call")
    refused = wait_for(lambda: answer_to(Scope.PREDICT), what="another key's first call")

    assert opened.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden_action")
    key, value = keys[Scope.JOBS]
    headers = {"x-api-key": value}
    tenants.revoke_key(key.key_id)
    wait_for(
        lambda: product.http.get("/jobs", headers=headers).status_code == 401,
        what="the end of a revoked key",
    )
    tenants.remove(name)


def test_a_quota_ends_a_keys_month_and_nobody_elses(product: Any) -> None:
    tenants, name = Tenants(product.info), f"t-{secrets.token_hex(4)}"
    tenants.add(name)
    _, value = tenants.create_key(name, quota=Quota(QUOTA, "month"))
    counted = []

    def refused() -> httpx.Response | None:
        answer = product.http.get("/models", headers={"x-api-key": value})
        counted.append(answer.status_code)
        return answer if answer.status_code == 429 else None

    answer = wait_for(refused, what="the quota's end")

    assert answer.json()["code"] == "rate_limited"
    assert counted.count(200) == QUOTA
    assert product.http.get("/models").status_code == 200
    tenants.remove(name)
