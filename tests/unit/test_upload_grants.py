"""Grants to upload are narrow, and what comes by one is checked again."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
import botocore.auth
import botocore.signers
import msgspec
import pytest
from botocore.config import Config
from moto import mock_aws

from builders import TENANT, World, create_table, picture
from lambent.adapters.dynamodb_grants import DynamoGrantStore
from lambent.adapters.s3_links import S3Links
from lambent.contracts.decoding import decode_json
from lambent.contracts.uploads import GrantView, InputRequest, UploadRequest
from lambent.domain.model import digest
from lambent.domain.uploads import GRANT_S
from lambent.errors import LambentError, ModelNotFound, PayloadTooLarge, RequestInvalid, UploadNotFound
from lambent.services.grant_input import GrantInputService
from lambent.services.grant_upload import GrantUploadService
from lambent.services.ingest import IngestService, Upload
from lambent.services.show_upload import ShowUploadService
from lambent_toolkit.fakes import FakeGrantStore, FakeLinkMaker

MAX_BYTES = 5_000
REGION = "eu-west-1"
SECRET = "testing-secret"


def granter(world: World, links: object | None = None) -> GrantUploadService:
    return GrantUploadService(
        grants=world.grants,
        links=links or FakeLinkMaker(),
        registry=world.registry,
        clock=world.clock,
        max_upload_bytes=MAX_BYTES,
        retention_days=30,
    )


def wanted(body: bytes, **changes: object) -> UploadRequest:
    fields = {"model": "shade", "content_type": "image/png", "sha256": digest(body), **changes}
    return UploadRequest(**fields)


def send(world: World, granted: GrantView, body: bytes, *, content_type: str = "image/png") -> LambentError | None:
    """Do what S3 does at the end of a form, whatever it holds; then what its event sets off."""
    key = granted.upload.fields["key"]
    world.data.write(key, body, content_type=content_type)
    world.data.clock = world.clock
    service = IngestService(
        data=world.data,
        grants=world.grants,
        resolver=world.resolver(0.0),
        files=world.files,
        queue=world.infer_queue,
        batches=world.uploaded_batches,
        max_upload_bytes=MAX_BYTES,
    )
    return service.ingest(Upload(key, world.data.read(key).etag))


def shower(world: World) -> ShowUploadService:
    return ShowUploadService(grants=world.grants, data=world.data, clock=world.clock)


def ready() -> World:
    world = World()
    world.publish()
    return world


def test_what_was_granted_is_taken() -> None:
    world, body = ready(), picture(255)

    granted = granter(world).grant(TENANT, wanted(body, size_bytes=len(body), name="a.png"))

    assert send(world, granted, body) is None
    assert len(world.infer_queue.sent) == 1
    assert granted.upload.fields["key"] == f"inbox/{TENANT}/shade/{granted.id}/a.png"
    assert granted.then.path == f"/uploads/{granted.id}"


@pytest.mark.parametrize(
    ("body", "content_type", "wait_s", "code"),
    [
        (picture(1), "image/png", 0, "checksum_mismatch"),
        (picture(255) + b"more", "image/png", 0, "payload_too_large"),
        (picture(255)[:-1], "image/png", 0, "checksum_mismatch"),
        (picture(255), "image/jpeg", 0, "media_type_unsupported"),
        (picture(255), "", 0, "media_type_unsupported"),
        (picture(255), "image/png", GRANT_S + 301, "upload_key_invalid"),
        (b"", "image/png", 0, "source_empty"),
    ],
)
def test_other_than_what_was_granted_is_an_error_object_and_not_retried(body, content_type, wait_s, code) -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture(255), size_bytes=len(picture(255))))
    world.clock.advance(wait_s)

    error = send(world, granted, body, content_type=content_type)
    shown = shower(world).show(TENANT, granted.id)

    assert error is not None
    assert (error.code, world.infer_queue.sent, shown.state) == (code, [], "failed")
    assert json.loads(bytes(shown.error))["code"] == code


def test_a_key_that_no_grant_stands_for_is_refused() -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture()))
    other_name = msgspec.structs.replace(granted.upload, fields={"key": granted.upload.fields["key"] + "-2"})
    stranger = msgspec.structs.replace(
        granted.upload, fields={"key": granted.upload.fields["key"].replace(TENANT, "other")}
    )

    codes = [
        send(world, msgspec.structs.replace(granted, upload=form), picture()).code for form in (other_name, stranger)
    ]

    assert codes == ["upload_key_invalid", "upload_key_invalid"]


def test_a_grant_for_a_version_is_answered_by_that_version() -> None:
    world, body = ready(), picture()
    granted = granter(world).grant(TENANT, wanted(body, version="1"))
    world.publish()

    send(world, granted, body)

    ((message, _),) = world.infer_queue.sent
    assert json.loads(message)["version"] == 1


def test_an_upload_is_pending_until_it_is_done() -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture()))
    show = shower(world)

    before = show.show(TENANT, granted.id)
    stem = granted.upload.fields["key"].replace("inbox/", "results/", 1)
    world.data.objects[f"{stem}.json"] = b'{"label":"bright"}'
    after = show.show(TENANT, granted.id)

    assert (before.state, before.result, before.error) == ("pending", None, None)
    assert (after.state, bytes(after.result)) == ("done", b'{"label":"bright"}')
    assert msgspec.json.decode(msgspec.json.encode(after))["result"] == {"label": "bright"}


def renamed(granted: GrantView, ending: str) -> GrantView:
    """Return the grant with a form that whoever sends it has changed."""
    form = msgspec.structs.replace(granted.upload, fields={"key": granted.upload.fields["key"] + ending})
    return msgspec.structs.replace(granted, upload=form)


@pytest.mark.parametrize("sent", [None, "-2"], ids=["nothing was sent", "it was sent under another name"])
@pytest.mark.parametrize("name", ["upload", "batch.jsonl"])
def test_an_upload_that_never_comes_by_its_name_is_a_coded_failure_once_its_grant_has_ended(
    sent: str | None, name: str
) -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture(), name=name))
    if sent is not None:
        send(world, renamed(granted, sent), picture())

    states = []
    for wait_s in (0, GRANT_S + 300, 1):
        world.clock.advance(wait_s)
        states.append(shower(world).show(TENANT, granted.id).state)

    assert states == ["pending", "pending", "failed"]
    told = json.loads(bytes(shower(world).show(TENANT, granted.id).error))
    assert (told["code"], told["source"], told["retryable"]) == ("source_gone", name, False)
    assert repr(name) in told["detail"]


def test_an_upload_that_came_in_time_is_pending_for_as_long_as_it_waits() -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture()))
    send(world, granted, picture())

    world.clock.advance(4 * 86_400)

    assert shower(world).show(TENANT, granted.id).state == "pending"


def test_what_came_by_its_name_is_told_whatever_came_by_another() -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture()))
    send(world, renamed(granted, "-2"), picture())
    send(world, granted, picture())
    stem = granted.upload.fields["key"].replace("inbox/", "results/", 1)
    world.data.objects[f"{stem}.json"] = b'{"label":"bright"}'
    world.data.delete(granted.upload.fields["key"])

    world.clock.advance(4 * 86_400)

    assert shower(world).show(TENANT, granted.id).state == "done"


def test_a_foreign_upload_answers_as_an_unknown_one() -> None:
    world = ready()
    granted = granter(world).grant(TENANT, wanted(picture()))
    show = shower(world)

    with pytest.raises(UploadNotFound) as foreign:
        show.show("other", granted.id)
    with pytest.raises(UploadNotFound) as unknown:
        show.show(TENANT, "up-none")

    assert foreign.value.to_dict() == unknown.value.to_dict()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"size_bytes": MAX_BYTES + 1}, PayloadTooLarge),
        ({"model": "nobody"}, ModelNotFound),
        ({"version": "9"}, ModelNotFound),
        ({"label": "beta"}, ModelNotFound),
    ],
)
def test_what_cannot_be_answered_is_not_granted(changes: dict, error: type[LambentError]) -> None:
    world = ready()

    with pytest.raises(error):
        granter(world).grant(TENANT, wanted(picture(), **changes))

    assert world.grants.grants == {}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield


@pytest.fixture(params=["fake", "adapter"])
def grants(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeGrantStore()
    request.getfixturevalue("aws")
    create_table("table")
    return DynamoGrantStore(boto3.resource("dynamodb").Table("table"))


@pytest.mark.parametrize("choice", [{}, {"version": "1"}, {"label": "live"}])
def test_a_grant_is_read_as_written_by_its_tenant_only(grants, choice: dict[str, str]) -> None:
    world = ready()
    world.grants = grants

    granted = granter(world).grant(TENANT, wanted(picture(), **choice))
    found = grants.get(TENANT, granted.id)

    assert found.key == granted.upload.fields["key"]
    assert (found.choice.version, found.choice.label) == (choice.get("version"), choice.get("label"))
    assert (found.min_bytes, found.max_bytes, found.sha256) == (1, MAX_BYTES, digest(picture()))
    assert grants.get("other", granted.id) is None
    assert grants.get(TENANT, "up-none") is None


def links() -> S3Links:
    """Sign with a known secret; signing sends nothing."""
    client = boto3.client(
        "s3",
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4"),
    )
    return S3Links(client, "data")


def signature(date: str, text: str) -> str:
    """Sign by AWS Signature Version 4, from its description and not from the SDK's code."""
    key = f"AWS4{SECRET}".encode()
    for part in (date, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return hmac.new(key, text.encode(), sha256).hexdigest()


def test_the_form_allows_one_key_one_type_one_checksum_one_size_for_fifteen_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, body = ready(), picture()
    signed_at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    for module in (botocore.signers, botocore.auth):
        monkeypatch.setattr(module, "get_current_datetime", lambda: signed_at)

    granted = granter(world, links()).grant(TENANT, wanted(body, size_bytes=len(body)))
    fields = granted.upload.fields
    policy = json.loads(b64decode(fields["policy"]))
    ends = datetime.fromisoformat(policy["expiration"])

    checksum = b64decode(fields["x-amz-checksum-sha256"]).hex()
    assert ends == signed_at + timedelta(seconds=GRANT_S)
    assert GRANT_S == 15 * 60
    for condition in (
        {"bucket": "data"},
        {"key": f"inbox/{TENANT}/shade/{granted.id}/upload"},
        {"Content-Type": "image/png"},
        {"x-amz-checksum-algorithm": "SHA256"},
        {"x-amz-checksum-sha256": fields["x-amz-checksum-sha256"]},
        ["content-length-range", len(body), len(body)],
    ):
        assert condition in policy["conditions"]
    assert not [each for each in policy["conditions"] if isinstance(each, list) and each[0] == "starts-with"]
    assert checksum == digest(body)
    # Every field that is sent is bound by the policy, but for the policy itself and its signature.
    bound = {name for each in policy["conditions"] if isinstance(each, dict) for name in each}
    assert fields.keys() - {"policy", "x-amz-signature"} <= bound
    assert fields["x-amz-signature"] == signature(fields["x-amz-date"][:8], fields["policy"])


def test_a_link_reads_one_object_as_one_type_for_its_time() -> None:
    link = links().read_link(
        "answers/acme/a b", content_type="application/json", content_encoding="gzip", expires_s=900
    )

    address = urlsplit(link)
    query = dict(parse_qsl(address.query))
    signed = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in sorted(query.items())
        if name != "X-Amz-Signature"
    )
    request = f"GET\n{address.path}\n{signed}\nhost:{address.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    date = query["X-Amz-Date"]
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    assert (query["X-Amz-Expires"], query["response-content-type"]) == ("900", "application/json")
    assert query["response-content-encoding"] == "gzip"
    assert address.path.endswith("/answers/acme/a%20b")
    assert query["X-Amz-Signature"] == signature(date[:8], text)


def test_a_batch_input_is_granted_for_these_bytes_at_a_place_of_the_tenant_alone() -> None:
    world = World()
    service = GrantInputService(data=world.data, links=FakeLinkMaker(), clock=world.clock)
    wanted = InputRequest(content_type="text/csv", sha256="ab" * 32, size_bytes=300, name="items.csv")

    granted, foreign = service.grant(TENANT, wanted), service.grant("other", wanted)

    key = f"inputs/{TENANT}/{'ab' * 16}/items.csv"
    assert granted.uri == f"s3://fake-bucket/{key}"
    assert granted.then.body == {"input": {"uri": granted.uri}}
    assert granted.upload.fields == {
        "key": key,
        "Content-Type": "text/csv",
        "x-amz-checksum-algorithm": "SHA256",
        "x-amz-checksum-sha256": b64encode(bytes.fromhex("ab" * 32)).decode(),
        "range": "300-300",
        "expires_s": "900",
    }
    assert foreign.uri == granted.uri.replace(TENANT, "other")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../x.csv"},
        {"name": ""},
        {"size_bytes": 0},
        {"size_bytes": 5 * 10**9 + 1},
        {"sha256": "AB" * 32},
        {"content_type": "text/csv; charset=utf-8"},
    ],
)
def test_an_input_that_is_not_named_exactly_is_refused(changes: dict) -> None:
    wanted = {"content_type": "text/csv", "sha256": "ab" * 32, "size_bytes": 300, "name": "items.csv", **changes}

    with pytest.raises(RequestInvalid):
        decode_json(json.dumps(wanted), InputRequest, what="input request")
