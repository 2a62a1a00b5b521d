"""moto made faster answers as moto does."""

import random
from typing import Any

import boto3
import pytest
from moto import backends, mock_aws
from moto.core import responses
from moto.dynamodb.models import dynamodb_backends, table
from moto.sqs.responses import SQSResponse

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.storage_pace import quicken_moto, rows_in_order


def made(kind: str, *, has_range: bool) -> Any:
    """Return a table of moto's with keys of one kind, and some rows in no order."""
    client = boto3.client("dynamodb", region_name=REGION)
    names, name = ["pk", "sk"][: 1 + has_range], f"{kind}{has_range}"
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": each, "KeyType": role} for each, role in zip(names, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each in names],
        BillingMode="PAY_PER_REQUEST",
    )
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    for number in chance.sample(range(100), 40):
        row = {each: {kind: str(number * (1 + place) % 97)} for place, each in enumerate(names)}
        client.put_item(TableName=name, Item=row)
    return dynamodb_backends[ACCOUNT_ID][REGION].get_table(name)


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.mark.parametrize("kind", ["S", "N"])
@pytest.mark.parametrize("has_range", [True, False])
def test_rows_come_in_moto_s_order(aws_keys: None, kind: str, has_range: bool) -> None:
    with mock_aws():
        rows = made(kind, has_range=has_range)

        assert len(rows_in_order(rows)) > 30
        assert rows_in_order(rows) == table.Table.all_items(rows)


def test_what_is_found_out_once_is_what_moto_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    modules, methods = set(backends.list_of_moto_modules()), responses.method_names_from_class(SQSResponse)
    for where, name in (
        (backends, "list_of_moto_modules"),
        (responses, "method_names_from_class"),
        (table.Table, "all_items"),
    ):
        monkeypatch.setattr(where, name, getattr(where, name))

    quicken_moto()

    assert set(backends.list_of_moto_modules()) == modules
    assert "sqs" in backends.list_of_moto_modules()
    assert responses.method_names_from_class(SQSResponse) == methods
    assert table.Table.all_items is rows_in_order
