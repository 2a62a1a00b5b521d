"""Soak of idempotency: many keys, each used by several callers at once, at every route that takes one.

    .venv/bin/python tests/soak/soak_keys.py --keys 1000 --seed 1

Prints one line of JSON; ends with 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any

import httpx
from told import tell

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from published import publish_shade  # noqa: E402 - it lies with the tests that publish

from builders import picture  # noqa: E402 - likewise
from lambent_toolkit.demo.local import own_stack  # noqa: E402 - after those that it is imported for
from lambent_toolkit.modelkit.publishing import Publisher  # noqa: E402
from lambent_toolkit.openapi.document import build_document  # noqa: E402
from lambent_toolkit.sandbox import StackInfo  # noqa: E402

RACERS = 8
MODEL, LABEL = "raced", "live"
_HEADER = "idempotency-key"
_UNTHROTTLED = dict.fromkeys(("RequestsPerSecond", "StageRequestsPerSecond"), "10000") | dict.fromkeys(
    ("RequestBurst", "StageRequestBurst"), "5000"
)
_NAMES = {"model": MODEL, "version": "1", "label": LABEL, "versionOrLabel": LABEL}
_PAUSE_S = 0.05
_JSON = {"Content-Type": "application/json"}
_PNG = {"Content-Type": "image/png"}


@dataclass(frozen=True)
class Asked:
    """A request for a route, and another one for the same: its path, both bodies and the headers."""

    path: str
    body: bytes
    other: bytes
    headers: dict[str, str]


def keyed_routes() -> Iterator[str]:
    """Yield the paths that take an idempotency key with a POST, by the API's document."""
    document = build_document()
    shared = document["components"].get("parameters", {})
    for path, item in document["paths"].items():
        named = (shared.get(str(each.get("$ref", "")).rpartition("/")[2], each) for each in _parameters(item))
        if any(str(each["name"]).lower() == _HEADER for each in named):
            yield path


def _parameters(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [*item.get("parameters", []), *item.get("post", {}).get("parameters", [])]


def request_of(path: str) -> Asked:
    """Return what is asked of a route; raises KeyError for one of which nothing is known here."""
    later = {"Prefer": "respond-async"}
    address = path.format(**_NAMES)
    if path.endswith("/predict"):
        return Asked(address, picture(0), picture(255), {**_PNG, **later})
    dark, bright = (_body(path, shade) for shade in (0.0, 1.0))
    return Asked(address, dark, bright, {**_JSON, **later})


def _body(path: str, shade: float) -> bytes:
    tensor = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "data": [shade] * 4}
    item = {"id": "a", "image": {"b64": b64encode(picture(int(255 * shade))).decode()}}
    bodies: dict[str, Any] = {
        "infer": {"inputs": [tensor]},
        "predict": {"instances": [[[[shade]] * 2] * 2]},
        "classify": {"examples": [{"image": [shade] * 4}]},
        "regress": {"examples": [{"image": [shade] * 4}]},
        "jobs": {"schema_version": 1, "model": MODEL, "lane": "cpu", "input": {"items": [item]}},
    }
    return json.dumps(bodies[path.replace(":", "/").rpartition("/")[2]]).encode()


def race(stack: StackInfo, *, keys: int, seed: int) -> dict[str, Any]:
    """Use each key eight times at once, then once with another body, and look how many jobs there are.

    Returns
    -------
    counts: keys, routes, asked, and of the wrong ones: two_jobs (keys of which callers were told of several jobs),
    refused (callers whose answer was neither 202 nor, for the moment, 409), taken (another body that was not refused
    with 422), extra_jobs (more in the table than keys, or fewer), unasked_routes (there were fewer keys than routes)
    """
    publish_shade(stack, name=MODEL)
    Publisher(stack).set_label(MODEL, LABEL, 1)
    paths, chance = sorted(keyed_routes()), Random(seed)
    chance.shuffle(paths)
    told = {"two_jobs": 0, "refused": 0, "taken": 0}
    with (
        httpx.Client(base_url=stack.url, headers={"x-api-key": stack.api_key}, timeout=120) as http,
        ThreadPoolExecutor(RACERS) as pool,
    ):
        before = _jobs(stack)
        for number in range(keys):
            asked = request_of(paths[number % len(paths)])
            headers = {**asked.headers, "Idempotency-Key": f"{seed}-{number}"}
            start = Barrier(RACERS)
            ids = list(pool.map(lambda _: _ask(http, asked, headers, start), range(RACERS)))  # noqa: B023
            other = http.post(asked.path, content=asked.other, headers=headers)
            told["two_jobs"] += len({each for each in ids if each is not None}) > 1
            told["refused"] += ids.count(None)
            told["taken"] += (other.status_code, other.json().get("code")) != (422, "idempotency_mismatch")
    return {
        "numbers": {"keys": keys, "racers": RACERS, "routes": min(keys, len(paths)), "requests": keys * (RACERS + 1)},
        "wrong": {
            **told,
            "extra_jobs": abs(_jobs(stack) - before - keys),
            "unasked_routes": max(0, len(paths) - keys),
        },
    }


def _ask(http: httpx.Client, asked: Asked, headers: dict[str, str], start: Barrier) -> str | None:
    """Return the job that a caller is told of; as long as another one's is not recorded, it asks again."""
    start.wait()
    while True:
        answer = http.post(asked.path, content=asked.body, headers=headers)
        if answer.status_code == httpx.codes.CONFLICT and answer.json().get("code") == "in_progress":
            time.sleep(_PAUSE_S)
            continue
        return str(answer.json()["id"]) if answer.status_code == httpx.codes.ACCEPTED else None


def _jobs(stack: StackInfo) -> int:
    pages = stack.client("dynamodb").get_paginator("scan")
    of_jobs = {":jobs": {"S": "JOB#"}, ":job": {"S": "JOB"}}
    found = pages.paginate(
        TableName=stack.table,
        FilterExpression="begins_with(pk, :jobs) AND sk = :job",
        ExpressionAttributeValues=of_jobs,
        Select="COUNT",
    )
    return sum(page["Count"] for page in found)


def main() -> int:
    """Race on a stack of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--told", type=Path, help="gets the line of JSON, too")
    options = parser.parse_args()
    with own_stack(parameters=_UNTHROTTLED) as stack:
        told = race(stack, keys=options.keys, seed=options.seed)
    return tell(told, options.told)


if __name__ == "__main__":
    sys.exit(main())
