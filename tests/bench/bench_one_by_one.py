"""What it costs that a message comes alone: uploads through InferFunction's handler, one and ten to an invocation.

Storage is in memory and the model small, so the time is the handler's own: what an upload's requests to S3 take on AWS
is the same both ways. No bill was seen; prices are those of `lambent costs`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import TENANT, World, picture
from lambent.contracts.messages import TensorMessage
from lambent.domain.names import work_key
from lambent.services.infer import InferService
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.costs.prices import LAMBDA_GB_SECOND, LAMBDA_REQUEST, QUEUE_REQUEST
from programs import load_function

UPLOADS, ROUNDS = 1000, 5
SIZES = (1, 10)
# InferFunction's memory; a receive and a delete for each batch of messages.
MEMORY_GB, QUEUE_REQUESTS = 1769 / 1024, 2
MILLION = 1_000_000
CONTEXT = SimpleNamespace(
    function_name="infer",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 120_000,
)


def bodies(world: World) -> Iterator[str]:
    """Write uploads and their tensors; yield their messages."""
    tensor = BytesIO()
    np.savez(tensor, image=np.full((2, 2, 1), 0.5, np.float32))
    for number in range(UPLOADS):
        source, key = f"inbox/{TENANT}/shade/{number}.png", work_key(TENANT, str(number))
        world.data.write(source, picture(128), content_type="image/png")
        world.data.write(key, tensor.getvalue(), content_type="application/octet-stream")
        message = TensorMessage(
            tenant=TENANT,
            model="shade",
            version=1,
            tensor_key=key,
            source_key=source,
            source_name=f"{number}.png",
            result_stem=f"results/{TENANT}/shade/{number}.png",
            source_etag=str(world.data.etag(source)),
        )
        yield msgspec.json.encode(message).decode()


def events(messages: list[str], size: int) -> list[dict[str, Any]]:
    """Return the events of all messages, so many of them in each."""
    records = [
        {
            "messageId": str(number),
            "receiptHandle": str(number),
            "body": body,
            "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
        }
        for number, body in enumerate(messages)
    ]
    return [{"Records": records[start : start + size]} for start in range(0, len(records), size)]


def prepared() -> tuple[ModuleType, list[str]]:
    """Return InferFunction with services on storage in memory, and the messages of uploads that lie there."""
    os.environ.update(POWERTOOLS_SERVICE_NAME="bench", POWERTOOLS_TRACE_DISABLED="true")
    world = World()
    world.publish()
    infer, service = load_function("infer"), InferService(data=world.data, models=world.models())
    infer.infer_service = lambda: service
    infer.infer_settings = lambda: SimpleNamespace(max_receive_count=5)
    return infer, list(bodies(world))


def seconds(act: Callable[[], object]) -> float:
    """Return what a call takes."""
    began_s = perf_counter()
    act()
    return perf_counter() - began_s


def usd_a_million(upload_s: float, size: int) -> float:
    """Return what a million uploads cost beside their own requests to S3."""
    requests = (LAMBDA_REQUEST.price.usd + QUEUE_REQUESTS * QUEUE_REQUEST.price.usd) / size
    return MILLION * (requests + upload_s * MEMORY_GB * LAMBDA_GB_SECOND.price.usd)


def main() -> None:
    """Print uploads a second of one environment, and dollars a million."""
    infer, messages = prepared()

    def drain(size: int) -> None:
        for event in events(messages, size):
            answer = infer.handler(event, CONTEXT)
            assert answer == {"batchItemFailures": []}, json.dumps(answer)

    with redirect_stdout(StringIO()):
        drain(SIZES[-1])
        # In turns, so that what else the machine does meets both.
        times = [{size: seconds(lambda size=size: drain(size)) for size in SIZES} for _ in range(ROUNDS)]
    table = plain_table("messages a call", "uploads/s", "us an upload", "USD a million", right=(0, 1, 2, 3))
    for size in SIZES:
        upload_s = median(each[size] for each in times) / UPLOADS
        usd = usd_a_million(upload_s, size)
        table.add_row(f"{size}", f"{1 / upload_s:,.0f}", f"{upload_s * 1e6:,.0f}", f"{usd:.2f}")
    screen().print(table)


if __name__ == "__main__":
    main()
