"""The services of a stack on a real store in a process of its own, for tests that kill whoever uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import msgspec
from poison import SHADE as SHADE_OF_POISON

from builders import TENANT, World, contract, create_table, golden_vectors, model_files, picture
from lambent.adapters.clients import client, table
from lambent.adapters.dynamodb_job_list import DynamoJobCatalogue
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.adapters.s3 import S3ObjectStore
from lambent.adapters.sqs import SqsQueue
from lambent.contracts.model import Limits
from lambent.domain.model import LIVE
from lambent.runtime.clock import SystemClock
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from lambent_toolkit.sandbox.web_pages import SECRET_VARIABLE

SHADE = Path(__file__).parents[1] / "fixtures" / "shade.float32.tflite"
TABLE, MODELS, DATA = "lambent", "models", "data"
REGION = "us-east-1"
NO_SUPERVISOR = "http://127.0.0.1:9"


@contextmanager
def stored() -> Iterator[dict[str, str]]:
    """Run a store and yield the environment of whoever uses it: an empty table, two buckets and two queues."""
    # The local stack's: moto by itself lets two conditional writes win at once.
    server = subprocess.Popen(
        [sys.executable, "-m", "lambent_toolkit.sandbox.storage_server", str(os.getpid()), NO_SUPERVISOR, ""],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        | {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}
        | {SECRET_VARIABLE: "of nobody"},
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    # What tests before have made knows another store.
    client.cache_clear()
    table.cache_clear()
    try:
        _make()
        yield environment
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        client.cache_clear()
        table.cache_clear()


def _make() -> None:
    create_table(TABLE)
    s3 = boto3.client("s3")
    for bucket in (MODELS, DATA):
        s3.create_bucket(Bucket=bucket)
    sqs = boto3.client("sqs")
    for queue in ("batches", "shards"):
        sqs.create_queue(QueueName=queue)


def open_world() -> World:
    """Return the services of this process on the store that the environment names."""
    return World(
        clock=SystemClock(),  # type: ignore[arg-type]
        store=S3ObjectStore(client("s3"), MODELS, what="model store"),  # type: ignore[arg-type]
        data=S3ObjectStore(client("s3"), DATA, what="data store"),  # type: ignore[arg-type]
        registry=DynamoRegistry(table(TABLE)),  # type: ignore[arg-type]
        jobs=DynamoJobStore(table(TABLE)),  # type: ignore[arg-type]
        catalogue=DynamoJobCatalogue(table(TABLE)),
        batch_queue=_queue("batches"),  # type: ignore[arg-type]
        infer_queue=_queue("shards"),  # type: ignore[arg-type]
        loader=LiteInterpreterLoader(),  # type: ignore[arg-type]
    )


def _queue(name: str) -> SqsQueue:
    sqs = client("sqs")
    return SqsQueue(sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"])


def publish_shade(world: World) -> None:
    """Publish the model that tells dark pictures from bright ones."""
    declared = contract(limits=Limits(max_input_bytes=200_000, max_pixels=10_000, max_rows=64))
    golden = golden_vectors(declared, LiteInterpreterLoader().load(SHADE, declared).run)
    # The GPU lane's plan needs the name of a Keras file; every shard here runs on LiteRT.
    files = {**model_files(golden), "model.tflite": SHADE.read_bytes()}
    record = publish_version(files, declared, store=world.store, registry=world.registry, clock=world.clock)
    set_label(record.ref.name, LIVE, record.ref.version, registry=world.registry, clock=world.clock)


def put_manifest(
    world: World,
    name: str,
    items: int,
    *,
    bad: frozenset[int] = frozenset(),
    poison: frozenset[int] = frozenset(),
) -> str:
    """Write a manifest of pictures that stand in it themselves, and return its address; ids are i00000 and so on.

    ``bad`` ones are no pictures, ``poison`` ones those that `poison.py` ends processes with.
    """
    pictures = [{"b64": picture(shade)} for shade in range(0, 256, 16)]
    broken, deadly = {"b64": b"not a picture"}, {"b64": picture(SHADE_OF_POISON)}
    special = dict.fromkeys(bad, broken) | dict.fromkeys(poison, deadly)
    lines = (
        msgspec.json.encode({"id": f"i{number:05d}", "image": special.get(number, pictures[number % len(pictures)])})
        for number in range(items)
    )
    key = f"inputs/{TENANT}/{name}.jsonl"
    world.data.write(key, b"\n".join(lines), content_type="application/x-ndjson")
    return world.data.uri(key)
