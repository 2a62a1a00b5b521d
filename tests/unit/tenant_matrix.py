"""What a tenant can find out about the things of another: tenants by route by kind of id, from the API's document."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from every_route import JSON, PNG, Answer, ask, routes

from builders import picture

ACCEPTED = (None, "application/x-ndjson", "image/png")


@dataclass(frozen=True)
class Tenant:
    """A tenant with a key, and one thing of each kind that has an id.

    Parameters
    ----------
    things   kind → id
    """

    name: str
    key: str
    things: dict[str, str] = field(default_factory=dict)


def item(name: str, shade: int) -> dict[str, Any]:
    """Return an item of a batch."""
    return {"id": name, "image": {"b64": b64encode(picture(shade)).decode()}}


def tenants(functions: Any, table: Any, *, count: int, chance: Random) -> list[Tenant]:
    """Register tenants, and let each make one thing of each kind."""
    made = []
    for number in range(count):
        tenant = Tenant(f"tenant-{number}", f"key-{number}")
        table.put_item(Item={"pk": f"APIKEY#{tenant.key}", "sk": "TENANT", "tenant": tenant.name})
        tenant.things.update(_things(functions, tenant, chance))
        made.append(tenant)
    return made


def _things(functions: Any, tenant: Tenant, chance: Random) -> Iterator[tuple[str, str]]:
    job_id = f"job-{chance.getrandbits(32):08x}"
    batch = {"schema_version": 1, "id": job_id, "model": "shade", "lane": "cpu", "input": {"items": [item("a", 0)]}}
    upload = {"model": "shade", "content_type": "image/png", "sha256": sha256(job_id.encode()).hexdigest()}
    sent = [
        ("batch", "jobs", "/jobs", json.dumps(batch).encode(), JSON),
        ("call", "predict", "/models/shade/predict", picture(0), {**PNG, "prefer": "respond-async"}),
        ("upload", "jobs", "/uploads", json.dumps(upload).encode(), JSON),
    ]
    for kind, function, path, body, headers in sent:
        status, answer, _ = functions.http(function, "POST", path, body, key=tenant.key, headers=headers)
        assert status in (201, 202), (kind, answer)
        yield kind, str(answer["id"])


def differences(functions: Any, known: list[Tenant], *, chance: Random) -> Iterator[str]:
    """Yield each case in which somebody else's id is answered otherwise than one that nobody has."""
    for method, path in routes():
        if "{id}" not in path:
            continue
        for asking in known:
            unknown = _answers(functions, asking, method, path, f"job-{chance.getrandbits(32):08x}")
            for owner in known:
                for kind, name in owner.things.items():
                    if owner is not asking and _answers(functions, asking, method, path, name) != unknown:
                        yield f"{method} {path}: {asking.name} asks for the {kind} of {owner.name}"


def own_answers(functions: Any, known: list[Tenant]) -> set[int]:
    """Return the statuses that owners get for their own things where a route is for such a thing."""
    found = set()
    for owner in known:
        for path, kind in (("/jobs/{id}", "batch"), ("/jobs/{id}", "call"), ("/uploads/{id}", "upload")):
            found.add(ask(functions, "get", path, key=owner.key, id=owner.things[kind])[0])
    return found


def _answers(functions: Any, asking: Tenant, method: str, path: str, name: str) -> list[Answer]:
    return [ask(functions, method, path, key=asking.key, accept=accept, id=name) for accept in ACCEPTED]
