"""Checks of API keys: each opens what it should, and nothing else."""

from __future__ import annotations

from typing import Any

from lambent.domain.timestamps import to_timestamp
from lambent_toolkit.doctor.findings import Finding, failed, ok, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import check
from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.tenants import KeyRecord, Tenants

GROUP = "keys"


@check("stack-key", group=GROUP, asks="Does the stack's own key open its API?")
def _stack_key(patient: Patient) -> Finding:
    if patient.stack.api_key_id in _open_keys(patient):
        return ok("it is enabled and in the stack's usage plan")
    return failed(
        "the stack's own key is disabled or in no usage plan",
        mend="if it was revoked, say another one: LAMBENT_API_KEY=$(lambent key get KEY_ID); else lambent deploy",
    )


@check("keys-have-tenants", group=GROUP, asks="Does each key that passes the gateway belong to a tenant?")
def _keys_have_tenants(patient: Patient) -> Finding:
    known = {each.key_id for each in _recorded(patient)}
    unlisted = sorted(_open_keys(patient) - known)
    callers = {key_id: patient.rollout.registry.caller_of(key_id) for key_id in unlisted}
    strange = [key_id for key_id, caller in callers.items() if caller is None]
    if strange:
        return failed(
            f"keys that pass the gateway and that functions refuse, since no tenant has them: {', '.join(strange)}",
            mend="make keys by `lambent key create --tenant NAME`; take these out of the usage plan",
        )
    if unlisted:
        told = ", ".join(f"{key_id} of {caller.tenant}" for key_id, caller in callers.items() if caller is not None)
        return warning(
            f"keys that work and that `lambent key list` does not know, since somebody recorded them by hand: {told}",
            mend="`lambent tenant add NAME` and `lambent key create`, then take these out of the usage plan",
        )
    return ok(f"{len(known)} keys, each of a tenant")


@check("keys-open", group=GROUP, asks="Does each key that a tenant has pass the gateway?")
def _keys_open(patient: Patient) -> Finding:
    found, recorded = _open_keys(patient), [each for each in _recorded(patient) if not each.is_own]
    shut = [each for each in recorded if each.key_id not in found]
    if shut:
        told = ", ".join(f"{each.key_id} of {each.tenant}" for each in shut)
        return warning(f"recorded, and opening nothing: {told}", mend=f"lambent key revoke {shut[0].key_id}")
    return ok(f"{len(recorded)} keys of tenants pass the gateway")


@check("keys-current", group=GROUP, asks="Is no key left over whose time has ended?")
def _keys_current(patient: Patient) -> Finding:
    now = to_timestamp(patient.epoch_s())
    ended = [each for each in _recorded(patient) if each.valid_until is not None and each.valid_until < now]
    if ended:
        told = ", ".join(f"{each.key_id} of {each.tenant} ({each.valid_until})" for each in ended)
        return warning(f"rotated out, and not removed: {told}", mend=f"lambent key revoke {ended[0].key_id}")
    return ok("none")


def _recorded(patient: Patient) -> list[KeyRecord]:
    tenants = Tenants(patient.stack)
    return [key for tenant in tenants.list() for key in tenants.keys(tenant.name)]


def _open_keys(patient: Patient) -> set[str]:
    """Return the ids of enabled keys in the usage plans of this API."""
    client, own = patient.client("apigateway"), patient.stack.resources["UsagePlan"]
    with telling_aws_errors():
        plans = [each for page in client.get_paginator("get_usage_plans").paginate() for each in page["items"]]
        (api,) = {stage["apiId"] for plan in plans if plan["id"] == own for stage in plan["apiStages"]}
        enabled = _enabled(client)
        ids: set[str] = set()
        for plan in plans:
            if any(stage["apiId"] == api for stage in plan.get("apiStages", [])):
                pages = client.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan["id"])
                ids |= {each["id"] for page in pages for each in page["items"]}
    return ids & enabled


def _enabled(client: Any) -> set[str]:
    pages = client.get_paginator("get_api_keys").paginate()
    return {each["id"] for page in pages for each in page["items"] if each["enabled"]}
