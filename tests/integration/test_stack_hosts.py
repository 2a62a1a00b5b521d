"""S3's hosts on the local stack: a link that is signed for the wrong one fails as on AWS, and no client takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.config import Config

from lambent.adapters import clients
from lambent.adapters.s3_links import S3Links
from lambent_toolkit.jobs.client import Door, JobsClient
from lambent_toolkit.modelkit.errors import ServiceUnreachable
from lambent_toolkit.sandbox import LocalStack
from lambent_toolkit.sandbox.stack_info import CREDENTIALS
from patience import PATIENCE_S

DOOR = "lambent.example"
REGIONS = ("us-east-1", "eu-west-1", "eu-south-1")


class AwsNames(httpx.HTTPTransport):
    """Finds every host of AWS at the storage, as its name servers would, and answers for the HTTP door itself."""

    def __init__(self, endpoint: str, grant: dict[str, Any]) -> None:
        super().__init__()
        self._endpoint, self._grant = httpx.URL(endpoint), grant

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == DOOR:
            return httpx.Response(201, json=self._grant, request=request)
        place = self._endpoint
        request.url = request.url.copy_with(scheme=place.scheme, host=place.host, port=place.port)
        return super().handle_request(request)


@pytest.fixture
def region_client(machinery: LocalStack) -> Callable[[str], Any]:
    """Return how to get a client of the storage in a Region."""

    def make(region: str) -> Any:
        return boto3.client("s3", endpoint_url=machinery.info.endpoint, region_name=region, **CREDENTIALS)

    return make


@pytest.fixture
def bucket_in(region_client: Callable[[str], Any]) -> Callable[[str], str]:
    """Return how to make a bucket in a Region."""

    def make(region: str) -> str:
        name = f"b-{uuid4().hex}"
        placed = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        region_client(region).create_bucket(Bucket=name, **placed)
        return name

    return make


@pytest.fixture
def shipped_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Return how to get the client that functions have on AWS in a Region, where no endpoint is configured."""

    def make(region: str) -> Any:
        for name, value in {**CREDENTIALS, "aws_default_region": region}.items():
            monkeypatch.setenv(name.upper(), value)
        clients._session.cache_clear()
        return clients.client.__wrapped__("s3")

    yield make
    clients._session.cache_clear()


def global_client(region: str) -> Any:
    """Return a client as the SDK makes it when nobody says more than the signature's version."""
    return boto3.client("s3", region_name=region, config=Config(signature_version="s3v4"), **CREDENTIALS)


def upload(stack: LocalStack, signer: Any, bucket: str, file: Path) -> str:
    """Upload a batch's input by a form of this signer, as `lambent jobs submit` does."""
    body = file.read_bytes()
    url, fields = S3Links(signer, bucket).upload_form("inputs/a", fields={}, size_range=(1, 100), expires_s=60)
    form = {"url": url, "fields": fields, "file_field": "file"}
    grant = {"upload": form, "uri": f"s3://{bucket}/inputs/a"}
    transport = AwsNames(stack.info.endpoint, grant)
    with JobsClient(Door(f"https://{DOOR}", "key"), transport=transport) as client:
        return client.upload_input(file, name="a", content_type="text/plain", sha256=sha256(body).hexdigest())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"an input")
    return path


@pytest.mark.parametrize("region", REGIONS)
def test_an_upload_and_a_link_by_the_shipped_client_work_in_every_region(
    machinery: LocalStack, shipped_client: Any, bucket_in: Any, file: Path, region: str
) -> None:
    bucket, signer = bucket_in(region), shipped_client(region)

    uri = upload(machinery, signer, bucket, file)
    link = S3Links(signer, bucket).read_link(
        "inputs/a", content_type="text/x-told", content_encoding=None, expires_s=60
    )
    with httpx.Client(transport=AwsNames(machinery.info.endpoint, {})) as http:
        answer = http.get(link)

    assert uri == f"s3://{bucket}/inputs/a"
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"an input", "text/x-told")


@pytest.mark.parametrize(("region", "status"), [("eu-west-1", 307), ("eu-south-1", 400)])
def test_an_upload_to_the_global_host_is_refused_and_the_client_says_so(
    machinery: LocalStack, region_client: Any, bucket_in: Any, file: Path, region: str, status: int
) -> None:
    bucket = bucket_in(region)

    with pytest.raises(ServiceUnreachable, match=f"HTTP {status}"):
        upload(machinery, global_client(region), bucket, file)

    assert "Contents" not in region_client(region).list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(
    ("region", "host", "status", "code", "told_region"),
    [
        # The right host looks at who asks, which is nobody here.
        ("us-east-1", "s3.amazonaws.com", 403, "", None),
        ("eu-west-1", "s3.eu-west-1.amazonaws.com", 403, "", None),
        ("eu-west-1", "s3.amazonaws.com", 307, "TemporaryRedirect", "eu-west-1"),
        ("eu-south-1", "s3.amazonaws.com", 400, "IllegalLocationConstraintException", None),
        ("eu-west-1", "s3.us-west-2.amazonaws.com", 301, "PermanentRedirect", "eu-west-1"),
    ],
)
@pytest.mark.parametrize("is_virtual", [True, False])
def test_hosts_know_their_own_region_s_buckets_and_tell_where_others_are(
    machinery: LocalStack,
    region_client: Any,
    bucket_in: Any,
    region: str,
    host: str,
    status: int,
    code: str,
    told_region: str | None,
    is_virtual: bool,
) -> None:
    bucket = bucket_in(region)
    region_client(region).put_object(Bucket=bucket, Key="a/b", Body=b"here")
    url = f"https://{bucket}.{host}/a/b" if is_virtual else f"https://{host}/{bucket}/a/b"

    with httpx.Client(transport=AwsNames(machinery.info.endpoint, {})) as http:
        answer = http.get(url)

    assert (answer.status_code, answer.headers.get("x-amz-bucket-region")) == (status, told_region)
    assert code in answer.text
    if status == 307:
        assert answer.headers["location"] == f"https://{bucket}.s3.{region}.amazonaws.com/a/b"


def test_a_link_whose_key_was_changed_is_refused(machinery: LocalStack, bucket_in: Any, region_client: Any) -> None:
    bucket, s3 = bucket_in("eu-west-1"), region_client("eu-west-1")
    s3.put_object(Bucket=bucket, Key="mine", Body=b"mine")
    s3.put_object(Bucket=bucket, Key="other", Body=b"other")
    signing = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    signer = boto3.client(
        "s3", endpoint_url=machinery.info.endpoint, region_name="eu-west-1", config=signing, **CREDENTIALS
    )
    link = S3Links(signer, bucket).read_link("mine", content_type="text/plain", content_encoding=None, expires_s=3600)

    answers = httpx.get(link, timeout=PATIENCE_S), httpx.get(link.replace("/mine?", "/other?"), timeout=PATIENCE_S)

    assert [answer.status_code for answer in answers] == [200, 403]
    assert "<Code>SignatureDoesNotMatch</Code>" in answers[1].text
