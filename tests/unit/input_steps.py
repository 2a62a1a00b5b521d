"""Steps that the tests of inputs share."""

from collections.abc import Callable

import pytest

from builders import TENANT, contract
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import ModelContract
from lambent.errors import ManifestInvalid
from lambent.ports import Isolation
from lambent.services.read_items import read_items
from lambent_toolkit.fakes import FakeIsolation, FakeObjectStore

DATA = "s3://fake-bucket/"
HOME = f"{DATA}inputs/{TENANT}/"


def put(name: str, body: bytes, data: FakeObjectStore | None = None) -> FakeObjectStore:
    """Write an input of the tenant."""
    data = data if data is not None else FakeObjectStore()
    data.objects[f"inputs/{TENANT}/{name}"] = body
    return data


def read(
    data: FakeObjectStore,
    *,
    tell: Callable[[str], None] = lambda _: None,
    declared: ModelContract | None = None,
    isolation: Isolation | None = None,
    **source: object,
) -> list[ShardItem]:
    """Return the items of an input."""
    asked = BatchInput(**source)
    where = isolation or FakeIsolation()
    return list(read_items(data, asked, tenant=TENANT, contract=declared or contract(), isolation=where, tell=tell))


def refusal(data: FakeObjectStore, **changes: object) -> ManifestInvalid:
    """Return why an input is refused."""
    with pytest.raises(ManifestInvalid) as error:
        read(data, **changes)
    return error.value
