"""Requests to S3 for one tenant go by that tenant's session, whoever asks and from which thread."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lambent.adapters import clients
from lambent.adapters.s3 import S3ObjectStore
from lambent.adapters.tenant_s3 import SESSION_S, TenantClient, acting_for, session_of, tenant_of
from lambent.errors import Misconfigured, SourceGone, Unavailable
from lambent.runtime import parts

ROLE = "arn:aws:iam::123456789012:role/infer-data"


class Recorder:
    """A client that tells whose it is."""

    def __init__(self, whose: str) -> None:
        self.whose, self.meta = whose, f"meta of {whose}"

    def get_object(self, **_named: Any) -> str:
        return self.whose

    def list_objects_v2(self, **_named: Any) -> str:
        return self.whose


@pytest.fixture
def made() -> list[str]:
    return []


@pytest.fixture
def client(made: list[str]) -> TenantClient:
    return TenantClient(Recorder("own"), lambda tenant: made.append(tenant) or Recorder(tenant))  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("key", "tenant"),
    [
        ("jobs/acme/1/part", "acme"),
        ("inbox/acme/", "acme"),
        ("inbox/acme", None),
        ("inbox/No Tenant/a", None),
        ("inbox//a", None),
        ("inbox/../a", None),
        ("", None),
        ("acme", None),
    ],
)
def test_a_keys_tenant_is_its_second_part_if_that_is_a_name(key: str, tenant: str | None) -> None:
    assert tenant_of(key) == tenant


def test_a_request_goes_by_the_session_of_the_tenant_whose_key_it_is(client: TenantClient, made: list[str]) -> None:
    asked = [client.get_object(Bucket="data", Key=f"jobs/{name}/1") for name in ("a", "b", "a", "No Tenant")]
    listed = client.list_objects_v2(Bucket="data", Prefix="jobs/b/1/")

    assert (asked, listed) == (["a", "b", "a", "own"], "b")
    assert made == ["a", "b"]  # a session is kept


def test_who_acts_for_a_tenant_reaches_no_key_of_another_by_that_others_session(client: TenantClient) -> None:
    with acting_for("a"):
        inside = [client.get_object(Bucket="data", Key=f"jobs/{name}/1") for name in ("a", "b", "No Tenant")]
        with acting_for("c"):
            nested = client.get_object(Bucket="data", Key="jobs/b/1")
        again = client.get_object(Bucket="data", Key="jobs/b/1")
    outside = client.get_object(Bucket="data", Key="jobs/b/1")

    assert (inside, nested, again, outside) == (["a", "a", "a"], "c", "a", "b")


def test_threads_act_for_the_tenant_of_their_process(client: TenantClient) -> None:
    with acting_for("a"), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: client.get_object(Bucket="data", Key=f"jobs/{name}/1"), ["a", "b"] * 8))

    assert set(found) == {"a"}


def test_a_failure_inside_ends_the_acting_too(client: TenantClient) -> None:
    with pytest.raises(ZeroDivisionError), acting_for("a"):
        raise ZeroDivisionError

    assert client.get_object(Bucket="data", Key="jobs/b/1") == "b"


def test_the_sessions_least_recently_used_make_room(client: TenantClient, made: list[str]) -> None:
    for number in (*range(17), 0, 16):
        client.get_object(Bucket="data", Key=f"jobs/t{number}/1")

    assert made == [*(f"t{number}" for number in range(17)), "t0"]


def test_what_is_no_operation_is_the_own_clients(client: TenantClient) -> None:
    assert client.meta == "meta of own"
    with pytest.raises(AttributeError):
        client.fly  # noqa: B018


class Guarded:
    """S3 to whoever may read one object and list it alone, where S3 tells nothing of what is missing."""

    def __init__(self, keys: list[str], *, may_list: bool) -> None:
        self._keys, self._may_list = keys, may_list

    def get_object(self, **_named: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    def head_object(self, **_named: Any) -> Any:
        raise ClientError({"Error": {"Code": "403"}}, "HeadObject")

    def list_objects_v2(self, **named: Any) -> Any:
        if not self._may_list:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")
        return {"Contents": [{"Key": key} for key in self._keys if key.startswith(named["Prefix"])][: named["MaxKeys"]]}


@pytest.mark.parametrize("keys", [[], ["jobs/a/10"]])
def test_a_missing_object_that_s3_calls_forbidden_is_missing_by_its_listing(keys: list[str]) -> None:
    store = S3ObjectStore(Guarded(keys, may_list=True), "data", what="data store")

    assert store.head("jobs/a/1") is None
    with pytest.raises(SourceGone):
        store.read("jobs/a/1")
    with pytest.raises(SourceGone):
        store.read_range("jobs/a/1", 0, 1)


@pytest.mark.parametrize("guarded", [Guarded(["jobs/a/1"], may_list=True), Guarded([], may_list=False)])
def test_an_object_that_is_there_or_that_nobody_may_look_for_stays_forbidden(guarded: Guarded) -> None:
    store = S3ObjectStore(guarded, "data", what="data store")

    with pytest.raises(Unavailable):
        store.head("jobs/a/1")
    with pytest.raises(Misconfigured):
        store.read("jobs/a/1")


class Sts:
    """Remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def assume_role(self, **asked: Any) -> Any:
        self.asked = asked
        return boto3.client("sts", region_name="eu-west-1").assume_role(**asked)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield
    for made in (clients.client, clients.tenant_s3, clients._session):
        made.cache_clear()


def test_a_session_is_asked_for_with_one_tag_and_for_an_hour(aws: None) -> None:
    sts, tenant = Sts(), "t" * 64

    found = session_of(sts, ROLE, tenant)

    assert sts.asked["Tags"] == [{"Key": "tenant", "Value": tenant}]
    assert (sts.asked["RoleArn"], sts.asked["DurationSeconds"]) == (ROLE, SESSION_S)
    assert len(sts.asked["RoleSessionName"]) <= 64
    assert set(found) == {"access_key", "secret_key", "token", "expiry_time"}


def test_a_store_works_the_same_by_sessions(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_ROLE_ARN", ROLE)
    for made in (clients.client, clients.tenant_s3, clients._session):
        made.cache_clear()
    boto3.client("s3").create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    signed_by: list[str] = []
    store = parts.data("data")

    store.write("jobs/a/1", b"one", content_type="text/plain")
    with acting_for("a"):
        store.write_once("jobs/a/2", b"two", content_type="text/plain")
        found = [each.key for each in store.listing("jobs/a/")]
    client = clients.tenant_s3(ROLE)
    for tenant in ("a", "b", "a"):
        with acting_for(tenant):
            signed_by.append(client._client(tenant)._get_credentials().access_key)

    assert isinstance(store, S3ObjectStore)
    assert (store.read("jobs/a/1").body, found, store.etag("jobs/b/none")) == (b"one", ["jobs/a/1", "jobs/a/2"], None)
    assert signed_by[0] == signed_by[2] != signed_by[1]
    assert "testing" not in signed_by
