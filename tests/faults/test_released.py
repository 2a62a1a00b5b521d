"""What stacks of earlier releases have stored and sent is read by today's code, and the other way round.

`tests/fixtures/make_released.py` wrote the folders under `tests/fixtures/released`, one a release. That an earlier
release reads what today's code writes rests on the same rule, shown here of today's readers: a field that a reader does
not know is passed over, in rows, objects and messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from plane import INTERNAL, Plane, Request

from lambent.contracts.messages import read_infer_message

RELEASED = sorted((Path(__file__).parents[1] / "fixtures" / "released").iterdir())
LATER = {"a_field_of_a_later_release": {"its": ["content", 1, None]}}
# Made anew for every answer: links with their signature, ids of requests.
ANEW = {"url", "request_id", "expires_at", "trace"}
TABLES = {"headers"}
BUCKETS = {"data": INTERNAL["DataBucket"], "models": INTERNAL["ModelsBucket"]}


def read(release: Path, name: str) -> Any:
    return json.loads((release / name).read_text())


def as_it_was(content: Any) -> Any:
    return content


def with_later_fields(content: Any) -> Any:
    """Return a JSON value every object of which has one field more, but for those that are tables of texts."""
    if isinstance(content, dict):
        return {name: each if name in TABLES else with_later_fields(each) for name, each in content.items()} | LATER
    return [with_later_fields(each) for each in content] if isinstance(content, list) else content


def load(release: Path, *, change: Callable[[Any], Any]) -> None:
    """Put a release's rows and objects into the storage of the doors."""
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    for row in read(release, "rows.json"):
        more = {name: {"S": str(each)} for name, each in change({}).items()}
        dynamodb.put_item(TableName=INTERNAL["Table"], Item=row | more)
    for bucket, physical in BUCKETS.items():
        for key, text in read(release, f"objects.{bucket}.json").items():
            s3.put_object(Bucket=physical, Key=key, Body=_changed(key, text, change).encode())


def _changed(key: str, text: str, change: Callable[[Any], Any]) -> str:
    """Change the objects that the product itself has written; what a version's digests are of stays as it is."""
    if key.endswith(("plan.json", "manifest.json", "outcome.json")) and key.startswith("jobs/"):
        return json.dumps(change(json.loads(text)))
    return text


def differences(was: Any, now: Any, at: str = "") -> list[str]:
    """Return where an answer lacks what it had, or says another thing; what it has more is no difference."""
    if isinstance(was, dict) and isinstance(now, dict):
        lost = [f"{at}.{name}: gone" for name in was.keys() - now.keys() - ANEW]
        known = [(was[name], now[name], f"{at}.{name}") for name in (was.keys() & now.keys()) - ANEW]
        return lost + [each for pair in known for each in differences(*pair)]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [each for number in range(len(was)) for each in differences(was[number], now[number], f"{at}[{number}]")]
    return [] if was == now else [f"{at}: {was!r} -> {now!r}"]


def now(was: Any) -> Any:
    """Return an answer as it has to be today: an upload that never came is no more pending once its grant ended."""
    if was.get("state") != "pending":
        return was
    return {**was, "state": "failed", "error": {"code": "source_gone", "retryable": False}}


@pytest.mark.parametrize("release", RELEASED, ids=lambda release: release.name)
@pytest.mark.parametrize("change", [as_it_was, with_later_fields], ids=lambda change: change.__name__)
def test_answers_about_what_an_earlier_release_has_stored_are_the_same(
    plane: Plane, release: Path, change: Callable[[Any], Any]
) -> None:
    load(release, change=change)

    told = {path: plane.send(Request("GET", path)).json for path in read(release, "answers.json")}

    assert {path: differences(now(was), told[path]) for path, was in read(release, "answers.json").items()} == {
        path: [] for path in told
    }
    assert plane.take_crashes() == []


@pytest.mark.parametrize("release", RELEASED, ids=lambda release: release.name)
@pytest.mark.parametrize("change", [as_it_was, with_later_fields], ids=lambda change: change.__name__)
def test_messages_of_an_earlier_release_are_understood(release: Path, change: Callable[[Any], Any]) -> None:
    for sent in read(release, "messages.json"):
        message = read_infer_message(json.dumps(change(sent)))

        assert {name: getattr(message, name) for name in sent if name not in ("kind", "schema_version")} == {
            name: each for name, each in sent.items() if name not in ("kind", "schema_version")
        }
