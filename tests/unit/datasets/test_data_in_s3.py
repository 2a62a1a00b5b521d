"""Data sets of an S3 prefix: the same as of a folder, and every refusal of S3 in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from lambent.errors import PayloadTooLarge, SourceGone
from lambent_toolkit.modelkit.datasets import DataSet
from lambent_toolkit.modelkit.datasets.origins import S3Origin, open_origin
from lambent_toolkit.modelkit.errors import ItemChanged, ItemsUnreadable, SourceUnavailable, SourceUnusable
from lambent_toolkit.modelkit.splitting import PARTS
from made_data import add, colours, digits_of, write_digits, write_lines

BUCKET = "pictures"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_digits(tmp_path / "digits", classes="012", each=10)


@pytest.fixture
def address(s3: Any, folder: Path) -> str:
    """Return the address of the same pictures in S3, beside others under a prefix that begins alike."""
    for path in folder.rglob("*.png"):
        s3.upload_file(str(path), BUCKET, f"raw/digits/{path.relative_to(folder)}")
    s3.put_object(Bucket=BUCKET, Key="raw/digits/0/", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="raw/digits-old/0/x.png", Body=b"x")
    return f"s3://{BUCKET}/raw/digits"


def test_prefix_and_folder_make_the_same_manifest(s3: Any, address: str, folder: Path, tmp_path: Path) -> None:
    there = add("digits", address, tmp_path / "there", s3=s3).stored.record
    here = add("digits", folder, tmp_path / "here").stored.record

    assert there.manifest_sha256 == here.manifest_sha256
    assert there.source == address


def test_pictures_are_read_from_s3_and_compared_with_their_digests(s3: Any, address: str, tmp_path: Path) -> None:
    add("digits", f"{address}/", tmp_path / "store", s3=s3)
    data = DataSet.open("digits", store=tmp_path / "store", s3=s3)
    train = data.items("train")
    assert all(item in digits_of(str(target), 10) for item, target in zip(train.items, train.targets, strict=True))
    victim = next(entry.path for entry in data.entries if entry.split == "test")

    s3.put_object(Bucket=BUCKET, Key=f"raw/digits/{victim}", Body=digits_of("7", 1)[0])
    with pytest.raises(ItemChanged, match=victim):
        data.items("test")
    s3.delete_object(Bucket=BUCKET, Key=f"raw/digits/{victim}")
    with pytest.raises(ItemChanged, match=f"{victim}.* is gone"):
        data.items("test")


def test_more_keys_than_a_page_holds_are_listed(s3: Any) -> None:
    for number in range(1003):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number:04}", Body=b"")

    paths = S3Origin(f"s3://{BUCKET}/many", s3).list().paths

    assert paths == [f"{number:04}" for number in range(1003)]


def test_unreadable_object_is_told_by_name(s3: Any, address: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="raw/digits/1/notes.txt", Body=b"these are ones")

    with pytest.raises(ItemsUnreadable, match=r"1/notes\.txt: The content looks like text"):
        add("digits", address, tmp_path, s3=s3)


def test_tables_may_lie_in_s3_and_are_copied(s3: Any, tmp_path: Path) -> None:
    s3.upload_file(str(write_lines(tmp_path / "c.jsonl", colours())), BUCKET, "tables/c.jsonl")

    add("colours", f"s3://{BUCKET}/tables/c.jsonl", tmp_path / "store", s3=s3)
    s3.delete_object(Bucket=BUCKET, Key="tables/c.jsonl")

    data = DataSet.open("colours", store=tmp_path / "store", s3=s3)
    assert sum(len(data.items(part)) for part in PARTS) == 20


def test_large_object_is_not_read(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"x" * 11)

    with pytest.raises(PayloadTooLarge, match="11 bytes, at most 10"):
        S3Origin(f"s3://{BUCKET}", s3).read("large", max_bytes=10)


def test_missing_objects_and_buckets_are_told(s3: Any) -> None:
    with pytest.raises(SourceGone):
        S3Origin(f"s3://{BUCKET}", s3).read("nothing", max_bytes=10)
    with pytest.raises(SourceUnusable, match=r"s3://no-such-bucket/x: S3 refuses access \(NoSuchBucket\)"):
        S3Origin("s3://no-such-bucket/x", s3).list()
    with pytest.raises(SourceUnusable, match="names no bucket"):
        S3Origin("s3:///x", s3)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("AccessDenied", SourceUnusable), ("SlowDown", SourceUnavailable), ("500", SourceUnavailable)],
)
def test_refusals_are_permanent_or_worth_another_try(code: str, expected: type[Exception]) -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("list_objects_v2", code)
        with pytest.raises(expected, match=rf"s3://b/p.*\({code}\)") as told:
            S3Origin("s3://b/p", client).list()
    assert isinstance(told.value.__cause__, ClientError)


def test_unreachable_s3_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def unreachable(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(client, "get_object", unreachable)

    with pytest.raises(SourceUnavailable, match="could not be reached"):
        S3Origin("s3://b", client).read("x", max_bytes=1)


def test_missing_credentials_are_told_with_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(SourceUnusable, match=r"credentials.*AWS_PROFILE"):
        open_origin("s3://b/p").list()
