"""Inputs of batches, mutated by chance: refused with what is wrong, or items that are the tenant's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import duckdb
import fault_models
import pytest
from bad_input import flipped, scrambled, spliced, truncated
from chance import MUTATIONS, SEED
from refusals import CANARY

from lambent.adapters.sacrificial_child import ForkedIsolation
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import ModelContract
from lambent.errors import InvalidInput, LambentError, SourceGone
from lambent.services.fetch_item import fetch_item
from lambent.services.read_items import read_items
from lambent_toolkit.fakes import FakeObjectStore

TENANT = "acme"
BUCKET = "bucket-of-" + CANARY.lower()
HOME = f"s3://{BUCKET}/inputs/{TENANT}/"
ISOLATION = ForkedIsolation(timeout_s=20.0, memory_bytes=128 << 20, file_bytes=16 << 20)
CONTENT = {f"{number}.png": bytes(range(256)) * number for number in range(1, 9)}
Mutate = Callable[[Random, bytes], bytes]
MUTATORS: list[Mutate] = [
    truncated,
    flipped,
    scrambled,
    lambda random, body: scrambled(random, flipped(random, body)),
    lambda random, body: spliced(
        random, body, b"\n", b'"', b"\x00", b"\xff", b",", b"PK\x05\x06", b"}", b"../", b"PAR1"
    ),
]


def jsonl() -> bytes:
    items = [{"id": f"i{n}", "uri": f"{HOME}{n}.png"} if n % 2 else {"id": f"i{n}", "text": "good"} for n in range(30)]
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def table() -> bytes:
    rows = "".join(f'n{n},{n}.5,2,"red"\r\n' for n in range(30))
    return f"id,width,height,colour\r\n{rows}".encode()


def archive(method: int) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", method) as members:
        for name, body in CONTENT.items():
            members.writestr(name, body)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, ModelContract]]:
    file: Path = tmp_path_factory.mktemp("tables") / "t.parquet"
    with duckdb.connect() as database:
        rows = "SELECT 'n' || range AS id, range + 0.5::DOUBLE AS width, 2.0::DOUBLE AS height, 'red' AS colour"
        database.execute(f"COPY ({rows} FROM range(30)) TO '{file}' (FORMAT parquet, CODEC uncompressed)")
    return {
        "items.jsonl": (jsonl(), fault_models.shade()),
        "rows.csv": (table(), fault_models.rows()),
        "rows.parquet": (file.read_bytes(), fault_models.rows()),
        "deflated.zip": (archive(ZIP_DEFLATED), fault_models.shade()),
        "stored.zip": (archive(ZIP_STORED), fault_models.shade()),
    }


def read(name: str, body: bytes, contract: ModelContract) -> tuple[FakeObjectStore, list[ShardItem]]:
    data = FakeObjectStore(bucket=BUCKET, objects={f"inputs/{TENANT}/{name}": body})
    source = BatchInput(uri=f"{HOME}{name}")
    return data, list(read_items(data, source, tenant=TENANT, contract=contract, isolation=ISOLATION))


NAMES = ["items.jsonl", "rows.csv", "rows.parquet", "deflated.zip", "stored.zip"]


@pytest.mark.parametrize("name", NAMES)
def test_an_input_that_is_whole_is_read(inputs: dict, name: str) -> None:
    data, items = read(name, *inputs[name])

    assert len(items) == (len(CONTENT) if name.endswith("zip") else 30)
    if name.endswith("zip"):
        assert {item.id: fetch_item(data, item, max_bytes=5000) for item in items} == CONTENT


@pytest.mark.parametrize("name", NAMES)
def test_an_input_that_is_not_is_refused_or_harmless(inputs: dict, name: str) -> None:
    body, contract = inputs[name]
    refused = 0
    for number in range(2 * MUTATIONS):
        # One half is the same in every run, so that no draw decides whether enough of it is refused.
        seed = "the same" if number % 2 else SEED
        print(f"replay: LAMBENT_FAULTS_SEED={SEED}, {name} mutation {number}")
        random = Random(f"{seed} {name} {number}")
        mutated = random.choice(MUTATORS)(random, body)
        try:
            data, items = read(name, mutated, contract)
        except LambentError as error:
            refused += number % 2
            check_refusal(error)
            continue
        check_harmless(data, items, name)
    assert refused >= MUTATIONS // 4


def check_refusal(error: LambentError) -> None:
    """Assert that an error tells the caller where to look, and nothing that is not the caller's."""
    assert error.is_final
    assert isinstance(error, InvalidInput)
    told = json.dumps(error.to_dict())
    assert BUCKET not in told
    assert "/proc/" not in told
    assert error.field
    assert all({"code", "detail"} < set(problem) for problem in error.errors or [])


def check_harmless(data: FakeObjectStore, items: list[ShardItem], name: str) -> None:
    """Assert that items differ in their ids, lie where the tenant may read, and hold what was packed or nothing."""
    assert len({item.id for item in items}) == len(items) > 0
    for item in items:
        assert item.key is None or item.key.startswith((f"inputs/{TENANT}/", f"inbox/{TENANT}/"))
        assert ".." not in (item.key or "").split("/")
        if name.endswith("zip"):
            check_content(data, item)


def check_content(data: FakeObjectStore, item: ShardItem) -> None:
    with suppress(InvalidInput, SourceGone):
        assert fetch_item(data, item, max_bytes=5000) in CONTENT.values()
