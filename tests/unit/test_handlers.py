"""The real handlers in this process, on moto: routes, errors, partial batches."""

from __future__ import annotations

import gzip
import json
import os
import struct
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws

from builders import LANE_VARIABLES, contract, create_table, golden_vectors, picture
from lambent.adapters.clients import table
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.registry_rows import label_row, version_row
from lambent.adapters.webhook_http import HttpWebhookSender
from lambent.contracts.messages import TensorMessage
from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.model import Canary, Change, ModelRef, MoveAction, VersionRecord
from lambent.domain.rollout import moved, new_label
from lambent.errors import Unavailable
from lambent.ports import WebhookAnswer
from lambent.runtime.clock import SystemClock
from lambent.services.sort_uploads import SortUploadsService
from lambent_toolkit.fakes import FakeQueue
from programs import ROOT, forget_services, load_function

REGION = "eu-west-1"
STAGE = "/dev"
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="r",
)  # fmt: skip
CARD = "# shade\n\nTells dark from bright, 50 % each.\n"
FUNCTIONS = ("predict", "jobs", "sort", "preprocess", "infer", "dispatch", "job_events", "notify", "sweep")
QUEUES = ("infer", "batch", "dead", "notify", "notify-dead", "preprocess", "upload-dead", "infer-dead")


@dataclass
class Functions:
    """The loaded functions and the storage beneath them."""

    modules: dict[str, ModuleType]
    s3: Any
    sqs: Any
    queues: dict[str, str]

    def call(self, function: str, event: dict[str, Any], *, left_ms: int = 20_000) -> Any:
        context = SimpleNamespace(**vars(CONTEXT), get_remaining_time_in_millis=lambda: left_ms)
        return self.modules[function].handler(event, context)

    def http(self, function: str, method: str, path: str, body: bytes = b"", **more: Any) -> tuple[int, Any, dict]:
        status, answer, headers = self.http_bytes(function, method, path, body, **more)
        return status, json.loads(answer), headers

    def http_bytes(self, function: str, method: str, path: str, body: bytes = b"", **more: Any) -> tuple:
        path = path.removeprefix(STAGE)  # as a Location names it
        event = {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": more.get("headers", _default_headers(path)),
            "multiValueHeaders": {},
            "queryStringParameters": more.get("query"),
            "requestContext": {
                "requestId": "r",
                "path": STAGE + path,
                "identity": {"apiKeyId": more.get("key", "own-key")},
            },
            "body": more.get("text", b64encode(body).decode()),
            "isBase64Encoded": "text" not in more or more.get("is_base64", False),
        }
        answer = self.call(function, event)
        headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        encoded = answer["body"].encode()
        return answer["statusCode"], b64decode(encoded) if answer["isBase64Encoded"] else encoded, headers

    def records(
        self, function: str, *bodies: str, tenant: str | None = None, left_ms: int = 20_000, receives: int = 1
    ) -> list[str]:
        """Send SQS records; return the positions of those that came back."""
        attribute = {"tenant": {"stringValue": tenant, "dataType": "String"}} if tenant else {}
        records = [
            {"messageId": str(index), "body": body, "messageAttributes": attribute, "eventSource": "aws:sqs",
             "attributes": {"ApproximateReceiveCount": str(receives)}}
            for index, body in enumerate(bodies)
        ]  # fmt: skip
        answer = self.call(function, {"Records": records}, left_ms=left_ms)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def received(self, queue: str) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.queues[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
        return answer.get("Messages", [])


def _default_headers(path: str) -> dict[str, str]:
    if path.startswith("/models/"):
        return {"content-type": "image/png"}
    return {"content-type": "application/json"} if path.startswith(("/jobs", "/uploads")) else {}


@pytest.fixture(scope="module")
def functions() -> Iterator[Functions]:
    before = dict(os.environ)
    os.environ.update(
        AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
        POWERTOOLS_SERVICE_NAME="lambent",
    )  # fmt: skip
    forget_services()
    with mock_aws():
        yield _build()
    forget_services()
    os.environ.clear()
    os.environ.update(before)


def _build() -> Functions:
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    for bucket in ("models", "data"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
    topic = boto3.client("sns").create_topic(Name="topic")["TopicArn"]
    create_table("table")
    os.environ.update(
        TABLE_NAME="table", MODELS_BUCKET="models", DATA_BUCKET="data", INFER_QUEUE_URL=queues["infer"],
        BATCH_QUEUE_URL=queues["batch"], BATCH_DEAD_LETTER_QUEUE_URL=queues["dead"], JOB_TOPIC_ARN=topic,
        BATCH_JOB_DEFINITION="", API_KEY_ID="own-key", DEFAULT_TENANT="acme",
        MODEL_CACHE_BYTES="1000000", LABEL_TTL_S="0", MAX_BODY_BYTES="5000",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1769", MODEL_PUBLIC_KEYS="", ALLOWED_ORIGINS="", PRELOAD_MODELS="",
        MAX_UPLOAD_BYTES="6000", JOB_RETENTION_DAYS="1", MAX_ANSWER_BYTES="4000",
        JOB_STUCK_AFTER_S="60", CHECKPOINT_ITEMS="1000", MAX_RECEIVE_COUNT="5", RECORD_LIMIT_S="60",
        PREPROCESS_QUEUE_URL=queues["preprocess"],
        UPLOAD_DEAD_LETTER_QUEUE_URL=queues["upload-dead"], INFER_DEAD_LETTER_QUEUE_URL=queues["infer-dead"],
        NOTIFY_QUEUE_URL=queues["notify"], NOTIFY_DEAD_LETTER_QUEUE_URL=queues["notify-dead"],
        JOB_EVENTS_DEAD_LETTER_QUEUE_URL="", WEBHOOK_TRUSTED_HOSTS="", **LANE_VARIABLES,
    )  # fmt: skip
    modules = {name: load_function(name) for name in FUNCTIONS}
    _build_services()
    _publish()
    return Functions(modules, s3, sqs, queues)


def _build_services() -> None:
    # While the AWS variables are set: the fixture that cleans the environment runs before every test.
    from lambent.runtime import wiring, wiring_dead_letters, wiring_jobs, wiring_notify

    for make in (
        wiring.predict_service, wiring.repository_service,
        wiring_jobs.list_jobs_service, wiring_jobs.show_parts_service, wiring_jobs.show_errors_service,
        wiring_jobs.note_block_service,
        wiring.identify_service, wiring_jobs.submit_service, wiring_jobs.quote_service, wiring_jobs.show_job_service,
        wiring_jobs.show_result_service, wiring_jobs.grant_upload_service, wiring_jobs.show_upload_service,
        wiring_jobs.show_version_service,
        wiring_jobs.answer_later_service, wiring_jobs.run_call_service,
        wiring.sort_settings, wiring.sort_uploads_service,
        wiring.preprocess_settings, wiring.upload_dead_letters, wiring.infer_dead_letters,
        wiring.isolated_ingest_service, wiring.isolated_infer_service, wiring_jobs.isolated_run_call_service,
        wiring.dispatch_settings, wiring_notify.notify_settings,
        wiring.ingest_service, wiring.infer_service, wiring.shard_service, wiring.infer_finisher, wiring.job_advancer,
        wiring.dispatch_service, wiring.batch_dead_letters, wiring.track_service, wiring.sweep_service,
        wiring_dead_letters.dead_letter_reader,
        wiring_notify.deliver_webhook_service, wiring_notify.notify_queue, wiring_notify.notify_dead_letters,
        wiring_notify.webhook_secret_service,
    ):  # fmt: skip
        make()
    wiring.describe_service("table")


def _publish() -> None:
    from lambent.adapters.clients import client, table
    from lambent.adapters.dynamodb_registry import DynamoRegistry
    from lambent.adapters.litert import LiteInterpreterLoader
    from lambent.adapters.s3 import S3ObjectStore
    from lambent.runtime.clock import SystemClock
    from lambent.services.publish import publish_version
    from lambent.services.set_label import set_label

    registry, clock = DynamoRegistry(table("table")), SystemClock()
    store = S3ObjectStore(client("s3"), "models", what="model store")
    model = ROOT / "tests/fixtures/shade.int8.tflite"
    golden = golden_vectors(contract(), LiteInterpreterLoader().load(model, contract()).run)
    files = {"model.tflite": model.read_bytes(), "golden.npz": golden.to_npz(), "card.md": CARD.encode()}
    publish_version(files, contract(), store=store, registry=registry, clock=clock)
    set_label("shade", "live", 1, registry=registry, clock=clock)
    for key, tenant in (("plain", "acme"), ("other-tenant", "other")):
        table("table").put_item(Item={"pk": f"APIKEY#{key}", "sk": "TENANT", "tenant": tenant})


@dataclass
class Outage:
    """An ingest service that an outage meets at uploads whose name says so."""

    service: Any

    def ingest(self, upload: Any) -> Any:
        if "lost" in upload.key:
            raise Unavailable("The data store did not answer; try again.")
        return self.service.ingest(upload)


def s3_event(key: str) -> str:
    return json.dumps({"Records": [object_record(key)]})


def object_record(key: str, *, name: str = "ObjectCreated:Put", bucket: str = "data") -> dict[str, Any]:
    s3 = {"bucket": {"name": bucket}, "object": {"key": key, "eTag": ""}}
    return {"eventSource": "aws:s3", "eventName": name, "s3": s3}


def reasons(functions: Functions, queue: str) -> dict[str, tuple[str, str]]:
    """Take the messages off a dead-letter queue: body to the code and the text of its reason."""
    told = {}
    for message in functions.received(queue):
        texts = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
        told[message["Body"]] = (texts["reason_code"], texts["reason"])
    return told


def test_a_picture_gets_its_label_and_the_headers_tell_how(functions: Functions) -> None:
    status, body, headers = functions.http(
        "predict", "POST", "/models/shade/predict", picture(255), query={"top_k": "2"}
    )

    assert status == 200
    assert [entry["label"] for entry in body["predictions"][0]["top"]] == ["bright", "dark"]
    assert headers["Lambent-Model"] == "shade@1"
    assert [step.split(";")[0] for step in headers["Server-Timing"].split(", ")] == [
        "resolve", "load", "decode", "preprocess", "infer", "postprocess", "encode",
    ]  # fmt: skip


def test_tensors_get_tensors(functions: Functions) -> None:
    tensor = {"name": "image", "shape": [2, 2, 2, 1], "datatype": "FP32", "data": [0] * 4 + [1] * 4}
    body = json.dumps({"id": "mine", "inputs": [tensor]}).encode()

    status, answer, _ = functions.http("predict", "POST", "/v2/models/shade/versions/live/infer", body)

    assert (status, answer["id"], answer["model_version"], answer["outputs"][0]["shape"]) == (200, "mine", "1", [2, 2])
    assert answer["outputs"][0]["data"] == pytest.approx([1, 0, 0, 1], abs=0.02)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/v2", "name", "lambent"),
        ("/v2/health/live", "live", True),
        ("/v2/health/ready", "ready", True),
        ("/v2/models", "models", ["shade"]),
        ("/v2/models/shade", "versions", ["1"]),
        ("/v2/models/shade/versions/1", "platform", "tensorflow_lite"),
        ("/v2/models/shade/ready", "ready", True),
        ("/v1/models", "models", ["shade"]),
        ("/v1/models/shade", "ready", True),
        ("/v1/models/shade/versions/1", "name", "shade"),
        ("/v1/models/shade/labels/live", "name", "shade"),
        (
            "/v1/models/shade/versions/1/metadata",
            "model_spec",
            {"name": "shade", "signature_name": "", "version": "1"},
        ),
    ],
)
def test_protocol_reads(functions: Functions, path: str, field: str, value: object) -> None:
    status, body, headers = functions.http("predict", "GET", path)

    assert (status, body[field], headers["Content-Type"]) == (200, value, "application/json")


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("POST", "/models/shade/predict", {"text": "not base64!", "is_base64": True}, 415, "media_type_unsupported"),
        ("POST", "/models/shade/predict", {"body": bytes(5001)}, 413, "payload_too_large"),
        ("POST", "/models/shade/predict", {"body": b"text"}, 415, "image_format_unsupported"),
        ("POST", "/models/shade/predict", {"headers": {}}, 415, "media_type_unsupported"),
        ("POST", "/models/shade/predict", {"query": {"top_k": "0"}}, 422, "request_invalid"),
        ("POST", "/models/nobody/predict", {}, 404, "model_not_found"),
        ("POST", "/models/shade/versions/7/predict", {}, 404, "model_not_found"),
        ("POST", "/models/shade/labels/beta/predict", {}, 404, "model_not_found"),
        ("POST", "/v2/models/shade/infer", {"body": b"{"}, 400, "json_invalid"),
        ("POST", "/v2/models/shade/infer", {"body": b"[]"}, 422, "request_invalid"),
        ("POST", "/v2/models/shade/infer", {"body": b'{"parameters":{"a":' + b"[" * 4000}, 400, "json_too_complex"),
        ("POST", "/models/shade/predict", {"query": {"top_k": "\u00b2"}}, 422, "request_invalid"),
        ("GET", "/v2/models/shade/infer", {}, 404, "route_not_found"),
        ("GET", "/nowhere", {}, 404, "route_not_found"),
    ],
)
def test_refusals_of_the_data_plane(functions, method, path, more, status, code) -> None:
    got, body, headers = functions.http("predict", method, path, **more)

    assert (got, body["code"], body["status"], body["request_id"]) == (status, code, status, "r")
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("choice", ["", "/versions/1", "/labels/live", "%3Apredict"])
def test_rows_get_predictions(functions: Functions, choice: str) -> None:
    body = json.dumps({"instances": [[[[0], [0]], [[0], [0]]]]}).encode()
    path = f"/v1/models/shade{choice}" + ("" if "%" in choice else ":predict")

    status, answer, headers = functions.http("predict", "POST", path, body)

    assert (status, headers["Lambent-Model"]) == (200, "shade@1")
    assert answer["predictions"][0] == pytest.approx([1, 0], abs=0.02)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/models/shade/versions/1/labels/live:predict", 400, "request_malformed"),
        ("GET", "/v1/models/shade/versions/1/labels/live", 400, "request_malformed"),
        ("POST", "/v1/models/shade:explain", 404, "route_not_found"),
        ("POST", "/v1/models/shade:train", 404, "route_not_found"),
        ("POST", "/v1/models/shade/metadata:predict", 404, "route_not_found"),
        ("POST", "/v1/models/shade", 404, "route_not_found"),
        ("GET", "/v1/models/shade/config", 404, "route_not_found"),
        ("GET", "/v1/models/nobody", 404, "model_not_found"),
        ("POST", "/v1/models/nobody:predict", 404, "model_not_found"),
        ("POST", "/v1/models/shade/labels/canary:predict", 404, "model_not_found"),
        ("POST", "/v1/models/Shade:predict", 400, "name_invalid"),
    ],
)
def test_refusals_of_tensorflow_servings_paths(functions, method, path, status, code) -> None:
    got, body, _ = functions.http("predict", method, path, b'{"instances": [1]}' if method == "POST" else b"")

    assert (got, body["code"]) == (status, code)
    assert body["error"] == body["detail"]


def test_more_rows_than_the_contract_allows_are_refused(functions: Functions) -> None:
    tensor = {"name": "image", "shape": [9, 2, 2, 1], "datatype": "FP32", "data": [0] * 36}

    status, body, _ = functions.http(
        "predict", "POST", "/v2/models/shade/infer", json.dumps({"inputs": [tensor]}).encode()
    )

    assert (status, body["code"], body["limit"], body["got"]) == (422, "tensor_shape_mismatch", 8, 9)


def test_a_surprise_is_a_500_that_tells_nothing(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(_: str) -> None:
        raise RuntimeError("secret /var/task path")

    monkeypatch.setattr(sys.modules["registry_routes"], "describe_service", explode)

    status, body, _ = functions.http("jobs", "GET", "/models")

    assert (status, body["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(body)


def test_a_store_that_is_away_is_a_503_with_retry_after(functions, monkeypatch: pytest.MonkeyPatch) -> None:
    from lambent.errors import Unavailable

    def fail(_: str) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(sys.modules["registry_routes"], "describe_service", fail)

    status, body, headers = functions.http("jobs", "GET", "/models")

    assert (status, body["retryable"], headers["Retry-After"]) == (503, True, "1")


@pytest.fixture
def unmeasured(functions: Functions) -> Functions:
    """Return the functions without what jobs have measured: on a slow machine they make shards of other sizes by it."""
    table = boto3.resource("dynamodb", region_name=REGION).Table("table")
    for row in table.scan()["Items"]:
        if row["pk"].startswith("THROUGHPUT#"):
            table.delete_item(Key={"pk": row["pk"], "sk": row["sk"]})
    return functions


def test_a_batch_over_http_runs_on_the_cpu_lane_to_its_end(unmeasured: Functions) -> None:
    functions = unmeasured
    for index, shade in enumerate((0, 255, 0)):
        functions.s3.put_object(Bucket="data", Key=f"inputs/acme/{index}.png", Body=picture(shade))
    lines = [json.dumps({"id": str(index), "uri": f"s3://data/inputs/acme/{index}.png"}) for index in range(3)]
    functions.s3.put_object(Bucket="data", Key="inputs/acme/items.jsonl", Body="\n".join(lines))
    body = json.dumps(
        {
            "schema_version": 1,
            "id": "http-1",
            "model": "shade",
            "input": {"manifest_uri": "s3://data/inputs/acme/items.jsonl"},
        }
    ).encode()

    quoted = functions.http("jobs", "POST", "/jobs", body, query={"dry_run": "true"})
    assert (quoted[0], quoted[1]["total"], quoted[1]["lane"]) == (200, 3, "cpu")
    assert functions.received("batch") == []
    assert functions.http("jobs", "GET", "/jobs/http-1")[0] == 404
    assert functions.http("jobs", "POST", "/jobs", body, query={"dry_run": "maybe"})[1]["field"] == "dry_run"

    status, accepted, headers = functions.http("jobs", "POST", "/jobs", body)
    (message,) = functions.received("batch")
    assert functions.records("dispatch", message["Body"], tenant="acme") == []
    assert functions.records("infer", *[shard["Body"] for shard in functions.received("infer")]) == []
    _, shown, _ = functions.http("jobs", "GET", headers["Location"])

    assert (status, accepted["state"], headers["Location"]) == (202, "QUEUED", "/dev/jobs/http-1")
    assert (shown["state"], shown["done"], shown["failed"], shown["lane"]) == ("SUCCEEDED", 3, 0, "cpu")
    part = functions.s3.get_object(Bucket="data", Key="jobs/acme/http-1/part-00000.jsonl")["Body"].read()
    assert [json.loads(line)["label"] for line in part.splitlines()] == ["dark", "bright"]


def test_results_and_errors_are_read_over_http_by_their_tenant_only(unmeasured: Functions) -> None:
    functions = unmeasured
    for index in range(3):
        body = b"not a picture" if index == 1 else picture(index)
        functions.s3.put_object(Bucket="data", Key=f"inputs/acme/read/{index}.png", Body=body)
    items = [{"id": f"r{index}", "uri": f"s3://data/inputs/acme/read/{index}.png"} for index in range(3)]
    request = {"schema_version": 1, "id": "read-1", "model": "shade", "lane": "cpu"}
    manifest = b"\n".join(json.dumps(item).encode() for item in items)
    functions.s3.put_object(Bucket="data", Key="inputs/acme/read.jsonl", Body=manifest)
    request["input"] = {"manifest_uri": "s3://data/inputs/acme/read.jsonl"}
    assert functions.http("jobs", "POST", "/jobs", json.dumps(request).encode())[0] == 202
    waiting = functions.http("jobs", "GET", "/jobs/read-1")[1]["waiting"]
    _run_batches(functions)

    listed = functions.http("jobs", "GET", "/jobs", query={"limit": "1"})[1]
    page = functions.http("jobs", "GET", "/jobs/read-1/results")[1]
    lines = functions.http_bytes("jobs", "GET", "/jobs/read-1/results", headers={"accept": "application/x-ndjson"})
    failed = functions.http("jobs", "GET", "/jobs/read-1/errors")[1]

    assert waiting["code"] == "not_planned"
    assert (listed["jobs"][0]["id"], listed["jobs"][0]["state"]) == ("read-1", "PARTIAL")
    assert [part["lines"] for part in page["parts"]] == [2, 1]
    assert "X-Amz-Signature" in page["parts"][0]["url"]
    assert [json.loads(line)["id"] for line in lines[1].splitlines()] == ["r0", "r1", "r2"]
    assert (lines[2]["Lambent-Job-State"], "Link" in lines[2]) == ("PARTIAL", False)
    assert [(error["id"], error["line"]) for error in failed["errors"]] == [("r1", 2)]
    for path in ("/jobs/{}", "/jobs/{}/results", "/jobs/{}/errors", "/jobs/{}/result"):
        foreign = functions.http_bytes("jobs", "GET", path.format("read-1"), key="other-tenant")
        unknown = functions.http_bytes("jobs", "GET", path.format("none-such"), key="other-tenant")
        assert (foreign, foreign[0]) == (unknown, 404)
    assert functions.http("jobs", "GET", "/jobs", key="other-tenant")[1] == {"jobs": []}


def test_lines_that_do_not_fit_go_on_at_the_linked_address(functions: Functions) -> None:
    """An answer of 4,000 bytes holds some of these lines only; the job of the test before would fit."""
    request = {"schema_version": 1, "id": "read-2", "model": "shade", "lane": "cpu"}
    lines = []
    for index in range(40):
        functions.s3.put_object(Bucket="data", Key=f"inputs/acme/many/{index}.png", Body=picture(index))
        lines.append(json.dumps({"id": f"m{index:02d}", "uri": f"s3://data/inputs/acme/many/{index}.png"}))
    functions.s3.put_object(Bucket="data", Key="inputs/acme/many.jsonl", Body="\n".join(lines).encode())
    request["input"] = {"manifest_uri": "s3://data/inputs/acme/many.jsonl"}
    functions.http("jobs", "POST", "/jobs", json.dumps(request).encode())
    _run_batches(functions)
    found, query, answers = [], {}, 0
    while query is not None:
        _, body, headers = functions.http_bytes(
            "jobs", "GET", "/jobs/read-2/results", headers={"accept": "application/x-ndjson"}, query=query
        )
        assert len(body) <= 4_000
        found += [json.loads(line)["id"] for line in body.splitlines()]
        answers += 1
        cursor = headers.get("Lambent-Next-Cursor")
        assert headers.get("Link") == (cursor and f'<?cursor={cursor}>; rel="next"')
        query = {"cursor": cursor} if cursor else None

    assert found == [f"m{index:02d}" for index in range(40)]
    assert answers > 1


def _run_batches(functions: Functions) -> None:
    """Hand the batch queue's messages to dispatch and then the shards to infer, until none are left."""
    for message in functions.received("batch"):
        functions.records("dispatch", message["Body"], tenant="acme")
    while messages := functions.received("infer"):
        functions.records("infer", *[message["Body"] for message in messages])


def test_a_shard_that_outlasts_its_invocation_goes_on_in_the_next_one(functions: Functions) -> None:
    items = [{"id": str(index), "image": {"b64": b64encode(picture(index)).decode()}} for index in range(250)]
    asked = {"schema_version": 1, "id": "long-1", "model": "shade", "lane": "cpu", "input": {"items": items}}
    accepted = functions.http("jobs", "POST", "/jobs", json.dumps(asked).encode())
    assert accepted[0] == 202
    (message,) = functions.received("batch")
    assert functions.records("dispatch", message["Body"], tenant="acme") == []

    rounds, state = 0, "QUEUED"
    while state in ("QUEUED", "RUNNING") and rounds < 100:
        bodies = [sent["Body"] for sent in functions.received("infer")]
        assert functions.records("infer", *bodies, left_ms=14_000) == []
        shown = functions.http("jobs", "GET", "/jobs/long-1")[1]
        state, rounds = shown["state"], rounds + 1

    assert (shown["state"], shown["done"], shown["failed"]) == ("SUCCEEDED", 250, 0)
    kept = functions.s3.list_objects_v2(Bucket="data", Prefix="jobs/acme/long-1/checkpoints/")
    assert (rounds > 3, kept["KeyCount"]) == (True, 0)


def test_jobs_reads_and_refusals(functions: Functions) -> None:
    assert functions.http("jobs", "GET", "/models")[1] == {"models": ["shade"]}
    assert functions.http("jobs", "GET", "/models/shade")[1]["labels"] == {"live": "1"}
    assert functions.http("jobs", "GET", "/models/nobody")[1]["code"] == "model_not_found"
    assert functions.http("jobs", "GET", "/jobs/none")[1]["code"] == "job_not_found"
    assert functions.http("jobs", "POST", "/jobs", b"{")[1]["code"] == "json_invalid"
    assert functions.http("jobs", "GET", "/models", key=None)[1]["code"] == "auth_invalid"


@pytest.mark.parametrize("path", ["/models/shade", "/models/shade/versions/1"])
def test_a_model_and_a_version_show_the_model_card(functions: Functions, path: str) -> None:
    status, body, headers = functions.http("jobs", "GET", path)
    as_text = functions.http_bytes("jobs", "GET", path, headers={"accept": "text/markdown"})

    assert (status, body["card"]) == (200, {"version": "1", "markdown": CARD, "error": None})
    assert headers["Vary"] == "Accept"
    assert as_text[:2] == (200, CARD.encode())
    assert as_text[2]["Content-Type"] == "text/markdown; charset=utf-8"
    assert as_text[2]["Lambent-Model"] == "shade@1"


@pytest.mark.parametrize("path", ["/models/shade", "/models/shade/versions/1"])
def test_a_card_that_somebody_changed_is_not_sent(functions: Functions, path: str) -> None:
    functions.s3.put_object(Bucket="models", Key="shade/1/card.md", Body=CARD.replace("50", "99").encode())
    try:
        status, body, _ = functions.http("jobs", "GET", path)
        refused = functions.http("jobs", "GET", path, headers={"accept": "text/markdown"})
    finally:
        functions.s3.put_object(Bucket="models", Key="shade/1/card.md", Body=CARD.encode())

    assert (status, body["card"]["markdown"]) == (200, None)
    assert body["card"]["error"]["code"] == "model_integrity_failed"
    assert (refused[0], refused[1]["code"]) == (503, "model_integrity_failed")


@pytest.mark.parametrize(
    ("path", "accept", "status", "code"),
    [
        ("/models/shade", "image/png", 406, "not_acceptable"),
        ("/models/nobody", "text/markdown", 404, "model_not_found"),
        ("/models/shade/versions/9", None, 404, "model_not_found"),
        ("/models/shade/versions/live", None, 404, "model_not_found"),
        ("/models/Shade", None, 400, "name_invalid"),
    ],
)
def test_no_card_of_what_is_not_there(functions: Functions, path, accept, status, code) -> None:
    got = functions.http("jobs", "GET", path, headers={} if accept is None else {"accept": accept})

    assert (got[0], got[1]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("function", "path", "key"),
    [
        ("jobs", "/jobs/none", "foreign-key"),
        ("jobs", "/jobs/none", None),
        ("predict", "/models/shade/predict", "foreign-key"),
    ],
)
def test_a_key_of_nobody_is_refused_with_a_challenge(functions: Functions, function, path, key) -> None:
    method = "GET" if function == "jobs" else "POST"

    status, body, headers = functions.http(function, method, path, picture(0), key=key)

    assert (status, body["code"]) == (401, "auth_invalid")
    assert headers["WWW-Authenticate"] == 'ApiKey realm="lambent", header="x-api-key"'


def test_a_key_is_held_to_its_scopes(functions: Functions) -> None:
    row = {"pk": "APIKEY#jobs-only", "sk": "TENANT", "tenant": "acme", "scopes": ["jobs"]}
    boto3.resource("dynamodb", region_name=REGION).Table("table").put_item(Item=row)

    refused = functions.http("predict", "POST", "/models/shade/predict", picture(0), key="jobs-only")
    allowed = functions.http("jobs", "POST", "/jobs", b"{", key="jobs-only")

    assert (refused[0], refused[1]["code"], refused[1]["limit"]) == (403, "forbidden_action", "predict")
    assert allowed[1]["code"] == "json_invalid"


def test_an_upload_goes_through_both_functions_to_its_result(functions: Functions) -> None:
    functions.s3.put_object(Bucket="data", Key="inbox/acme/shade/a b.png", Body=picture(255))

    assert functions.records("preprocess", s3_event("inbox/acme/shade/a+b.png"), '{"Event": "s3:TestEvent"}') == []
    assert functions.records("infer", *[message["Body"] for message in functions.received("infer")]) == []

    result = json.loads(functions.s3.get_object(Bucket="data", Key="results/acme/shade/a b.png.json")["Body"].read())
    assert (result["label"], result["source"]) == ("bright", "a b.png")


def test_uploads_are_sorted_by_tenant_before_they_are_looked_at(functions: Functions) -> None:
    functions.s3.put_object(Bucket="data", Key="inbox/acme/shade/sorted.png", Body=picture(255))
    event, two = s3_event("inbox/acme/shade/sorted.png"), [object_record(f"inbox/{each}/a.png") for each in "ab"]

    assert functions.records("sort", event, "not json", json.dumps({"Records": two})) == []
    passed = {each["Body"]: each for each in functions.received("preprocess")}
    assert passed.keys() == {event, "not json", json.dumps({"Records": two})}
    assert {body: each.get("MessageAttributes") for body, each in passed.items() if "MessageAttributes" in each} == {
        event: {"tenant": {"StringValue": "acme", "DataType": "String"}}
    }

    assert functions.records("preprocess", "not json") == []
    assert functions.records("preprocess", event, tenant="acme") == []
    assert reasons(functions, "upload-dead").keys() == {"not json"}
    assert [json.loads(each["Body"])["source_name"] for each in functions.received("infer")] == ["sorted.png"]


def test_at_its_last_receive_an_upload_is_passed_on_unread(functions: Functions) -> None:
    event = s3_event("inbox/acme/shade/last.png")

    assert functions.records("sort", event, receives=4) == []
    assert functions.records("sort", event, receives=5) == []

    passed = functions.received("preprocess")
    assert [each["Body"] for each in passed] == [event, event]
    assert ["tenant" in each.get("MessageAttributes", {}) for each in passed] == [True, False]


def test_uploads_that_are_not_taken_are_sorted_again(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(FakeQueue):
        def send_all(self, *_: object, **__: object) -> None:
            raise Unavailable("The queue does not answer; try again.")

    monkeypatch.setattr(functions.modules["sort"], "sort_uploads_service", lambda: SortUploadsService(Full()))

    assert functions.records("sort", s3_event("inbox/acme/shade/full.png"), "not json") == ["0", "1"]


def test_only_the_records_that_failed_come_back(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    functions.s3.put_object(Bucket="data", Key="inbox/acme/shade/bad.png", Body=b"text")
    preprocess = functions.modules["preprocess"]
    service = preprocess.ingest_service()
    monkeypatch.setattr(preprocess, "ingest_service", lambda: Outage(service))
    lost = json.dumps({"Records": [object_record(f"inbox/acme/shade/{name}.png") for name in ("lost", "bad")]})

    failed = functions.records("preprocess", s3_event("inbox/acme/shade/none.png"), lost, "not json")

    assert failed == ["1"]
    assert reasons(functions, "upload-dead").keys() == {"not json"}
    error = functions.s3.get_object(Bucket="data", Key="results/acme/shade/bad.png.error.json")["Body"].read()
    assert json.loads(error)["code"] == "image_format_unsupported"


def test_a_shard_of_no_job_is_dead_with_its_reason_and_a_lost_tensor_is_recorded(
    functions: Functions,
) -> None:
    shard = {"kind": "shard", "schema_version": 1, "tenant": "acme", "job_id": "none", "shard": 0}
    tensor = {
        "kind": "tensor", "schema_version": 1, "tenant": "acme", "model": "shade", "version": 1,
        "tensor_key": "work/acme/none.npz", "result_stem": "results/acme/shade/lost.png",
        "source_key": "inbox/acme/shade/lost.png", "source_name": "lost.png", "source_etag": "e",
    }  # fmt: skip

    assert functions.records("infer", json.dumps(shard), json.dumps(tensor)) == []
    assert reasons(functions, "infer-dead")[json.dumps(shard)][0] == "source_gone"  # its plan
    error = functions.s3.get_object(Bucket="data", Key="results/acme/shade/lost.png.error.json")["Body"].read()
    assert json.loads(error)["code"] == "source_gone"


def test_a_message_of_no_job_is_dead_with_its_reason(functions: Functions) -> None:
    assert functions.records("dispatch", "not json", tenant="acme") == []
    assert functions.records("dispatch", json.dumps({"schema_version": 1}), tenant=None) == []

    dead = functions.received("dead")
    assert sorted(message["Body"] for message in dead) == ["not json", '{"schema_version": 1}']
    assert {message["MessageAttributes"]["reason_code"]["StringValue"] for message in dead} == {"envelope_invalid"}


def batch_event(kind: str = "Batch Job State Change", **detail: Any) -> dict[str, Any]:
    return {"source": "aws.batch", "detail-type": kind, "time": "2026-11-27T08:00:00Z", "detail": detail}


def test_a_block_of_the_job_queue_is_remembered(functions: Functions) -> None:
    from lambent.adapters.clients import table
    from lambent.adapters.dynamodb_blocks import DynamoBlockStore

    detail = {"jobId": "b", "status": "RUNNABLE", "statusReason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}
    event = batch_event("Batch Job Queue Blocked", **detail)

    assert functions.call("job_events", event) is None
    found = DynamoBlockStore(table("table")).latest()
    assert (found.batch_job_id, found.reason) == ("b", "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")


def test_batch_events_of_others_and_of_unknown_jobs_are_passed_over(functions: Functions) -> None:
    foreign = batch_event(status="FAILED", jobId="b", parameters={})
    unknown = batch_event(status="FAILED", jobId="b", parameters={"tenant": "acme", "job_id": "none"})

    assert functions.call("job_events", foreign) is None
    assert functions.call("job_events", unknown) is None


@pytest.fixture
def no_letters(functions: Functions) -> Iterator[Functions]:
    """Return the functions with empty dead-letter queues, which are emptied again afterwards."""
    forget_dead_letters(functions)
    yield functions
    forget_dead_letters(functions)


def test_a_sweep_tells_what_it_did(no_letters: Functions) -> None:
    assert no_letters.call("sweep", {}) == {
        "looked_at": 0,
        "finished": 0,
        "enqueued": 0,
        "errors": 0,
        "not_reached": 0,
        "dead_letters": 0,
    }


def forget_dead_letters(functions: Functions) -> None:
    for queue in ("dead", "notify-dead", "upload-dead", "infer-dead"):
        while functions.received(queue):
            pass


def test_the_sweep_records_a_dead_letter_once_and_leaves_it_where_it_is(
    no_letters: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions = no_letters
    functions.s3.put_object(Bucket="data", Key="inbox/acme/shade/dead.png", Body=b"bytes")
    etag = functions.s3.head_object(Bucket="data", Key="inbox/acme/shade/dead.png")["ETag"].strip('"')
    functions.sqs.send_message(
        QueueUrl=functions.queues["infer-dead"],
        MessageBody=dead_tensor("inbox/acme/shade/dead.png", etag),
    )

    first, again = (functions.call("sweep", {})["dead_letters"] for _ in range(2))

    body = functions.s3.get_object(Bucket="data", Key="results/acme/shade/dead.png.error.json")["Body"].read()
    assert (first, again) == (1, 0)
    assert json.loads(body)["code"] == "processing_gave_up"
    counted = [line for line in logged(capsys) if "DeadLettersRecorded" in line]
    assert [(line["queue"], line["tenant"], line["became"]) for line in counted] == [("infer", "acme", "failed")]
    assert len(functions.received("infer-dead")) == 1  # visible at once: operators and alarms count there


def test_a_dead_letter_that_cannot_be_recorded_fails_the_sweep_and_keeps_no_other_from_it(
    no_letters: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions = no_letters
    stem = "results/acme/shade/odd.png"
    functions.s3.put_object(Bucket="data", Key=f"{stem}.json", Body=b"no JSON: nobody of ours wrote it")
    for name in ("odd", "even"):
        body = dead_tensor(f"inbox/acme/shade/{name}.png", "etag")
        functions.sqs.send_message(QueueUrl=functions.queues["infer-dead"], MessageBody=body)

    with pytest.raises(Unavailable, match="1 of 2 dead letters"):
        functions.call("sweep", {})

    assert [line["queue"] for line in logged(capsys) if "DeadLettersUnrecorded" in line] == ["infer"]
    assert functions.s3.head_object(Bucket="data", Key="results/acme/shade/even.png.error.json")
    functions.s3.delete_object(Bucket="data", Key=f"{stem}.json")
    assert functions.call("sweep", {})["dead_letters"] == 1


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def dead_tensor(key: str, etag: str) -> str:
    name = key.rpartition("/")[2]
    message = TensorMessage(
        tenant="acme", model="shade", version=1, tensor_key="work/acme/gone.npz", source_key=key, source_name=name,
        result_stem=f"results/{key.removeprefix('inbox/')}", source_etag=etag,
    )  # fmt: skip
    return msgspec.json.encode(message).decode()


INFER = "/v2/models/shade/infer"
IMAGE_TENSOR = {"name": "image", "shape": [2, 2, 2, 1], "datatype": "FP32"}


def binary_infer(**outputs: Any) -> tuple[bytes, dict[str, str]]:
    """Return body and headers as tritonclient sends them: no Content-Type, binary in and out."""
    tensor = {**IMAGE_TENSOR, "parameters": {"binary_data_size": 32}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}, **outputs}).encode()
    pixels = struct.pack("<8f", *[0] * 4, *[1] * 4)
    return header + pixels, {"Inference-Header-Content-Length": str(len(header))}


def test_binary_tensors_get_binary_tensors(functions: Functions) -> None:
    body, sent = binary_infer()

    status, answer, headers = functions.http_bytes("predict", "POST", INFER, body, headers=sent)

    length = int(headers["Inference-Header-Content-Length"])
    (tensor,) = json.loads(answer[:length])["outputs"]
    assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
    assert tensor["parameters"]["binary_data_size"] == len(answer) - length == 16
    assert struct.unpack("<4f", answer[length:]) == pytest.approx([1, 0, 0, 1], abs=0.02)


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_counts_decompressed(functions: Functions, coding: str, compress: Any) -> None:
    body, sent = binary_infer()

    status, _, _ = functions.http_bytes(
        "predict", "POST", INFER, compress(body), headers={**sent, "Content-Encoding": coding}
    )

    assert status == 200


def test_a_large_answer_is_compressed_for_a_client_that_takes_it(functions: Functions) -> None:
    tensor = {**IMAGE_TENSOR, "data": [0] * 4 + [1] * 4}
    body = gzip.compress(json.dumps({"id": "x" * 20_000, "inputs": [tensor]}).encode())
    sent = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}

    status, answer, headers = functions.http_bytes("predict", "POST", INFER, body, headers=sent)

    assert (status, headers["Content-Type"], headers["Content-Encoding"]) == (200, "application/json", "gzip")
    assert len(json.loads(gzip.decompress(answer))["id"]) == 20_000


def test_best_classes_instead_of_numbers(functions: Functions) -> None:
    body, sent = binary_infer(outputs=[{"name": "scores", "parameters": {"classification": 1, "binary_data": False}}])

    _, answer, _ = functions.http("predict", "POST", INFER, body, headers=sent)

    (tensor,) = answer["outputs"]
    assert (tensor["datatype"], tensor["shape"]) == ("BYTES", [2, 1])
    assert [each.split(":")[1:] for each in tensor["data"]] == [["0", "dark"], ["1", "bright"]]


def test_pictures_instead_of_tensors(functions: Functions) -> None:
    pictures = [b64encode(picture(shade)).decode() for shade in (255, 0)]
    raw = {"name": "image", "shape": [2], "datatype": "BYTES", "data": pictures}

    _, answer, headers = functions.http("predict", "POST", INFER, json.dumps({"inputs": [raw]}).encode())

    assert answer["outputs"][0]["data"] == pytest.approx([0, 1, 1, 0], abs=0.02)
    assert "preprocess" in headers["Server-Timing"]


def test_a_bad_picture_among_good_ones_is_named(functions: Functions) -> None:
    pictures = [b64encode(each).decode() for each in (picture(255), b"text")]
    raw = {"name": "image", "shape": [2], "datatype": "BYTES", "data": pictures}

    status, body, _ = functions.http("predict", "POST", INFER, json.dumps({"inputs": [raw]}).encode())

    assert (status, body["code"], body["field"]) == (415, "image_format_unsupported", "inputs[0].data[1]")


@pytest.mark.parametrize("content_type", ["text/html", "image/png"])
def test_a_body_that_cannot_be_the_protocols_is_refused_by_its_type(functions: Functions, content_type: str) -> None:
    status, body, _ = functions.http("predict", "POST", INFER, b"{}", headers={"content-type": content_type})

    assert (status, body["code"]) == (415, "media_type_unsupported")


def test_the_servers_extensions_are_those_that_exist(functions: Functions) -> None:
    for path in ("/v2", "/v2/"):
        _, body, _ = functions.http("predict", "GET", path)

        assert body["extensions"] == [
            "binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics",
        ]  # fmt: skip


def test_a_models_configuration_in_tritons_words(functions: Functions) -> None:
    _, body, _ = functions.http("predict", "GET", "/v2/models/shade/config")

    assert body == {
        "name": "shade",
        "platform": "tensorflow_lite",
        "backend": "tensorflow_lite",
        "max_batch_size": 8,
        "input": [{"name": "image", "data_type": "TYPE_FP32", "dims": [2, 2, 1]}],
        "output": [{"name": "scores", "data_type": "TYPE_FP32", "dims": [2]}],
    }


def test_an_unknown_name_is_told_the_names_like_it(functions: Functions) -> None:
    for path in ("/v2/models/shde/infer", "/v2/models/shde/versions/1/infer"):
        _, body, _ = functions.http("predict", "POST", path, json.dumps({"inputs": []}).encode())

        assert (body["code"], body["limit"]) == ("model_not_found", ["shade"])
        assert "shade" in body["detail"]


@pytest.mark.parametrize(
    ("path", "limit"), [("/v2/models/shade/versions/9", ["1"]), ("/v2/models/shade/versions/beta/stats", ["live"])]
)
def test_an_unknown_version_or_label_is_told_those_that_exist(functions: Functions, path: str, limit: list) -> None:
    status, body, _ = functions.http("predict", "GET", path)

    assert (status, body["code"], body["limit"]) == (404, "model_not_found", limit)


def test_statistics_count_rows_calls_and_nanoseconds(functions: Functions) -> None:
    def look(path: str) -> dict[str, Any]:
        (entry,) = functions.http("predict", "GET", path)[1]["model_stats"]
        return entry

    body, sent = binary_infer()
    functions.http_bytes("predict", "POST", INFER, body, headers=sent)
    before = look("/v2/models/shade/versions/1/stats")
    functions.http_bytes("predict", "POST", INFER, body, headers=sent)
    functions.http_bytes("predict", "POST", INFER, body[:-1], headers=sent)  # refused before any model is named
    functions.http("predict", "POST", INFER, json.dumps({"inputs": []}).encode())

    after = look("/v2/models/shade/versions/live/stats")
    assert look("/v2/models/stats") == look("/v2/models/shade/stats") == after
    assert (after["name"], after["version"]) == ("shade", "1")
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["fail"]["count"] - before["inference_stats"]["fail"]["count"] == 1
    assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    assert {"queue", "compute_input", "compute_infer", "compute_output"} <= set(after["inference_stats"])
    assert [batch["compute_infer"]["ns"] > 0 for batch in after["batch_stats"] if batch["batch_size"] == 2] == [True]


def test_an_unloaded_model_answers_nobody_until_it_is_loaded(functions: Functions) -> None:
    body, sent = binary_infer()
    index = "/v2/repository/index"

    unloaded = functions.http("predict", "POST", "/v2/repository/models/shade/unload")
    refused = functions.http("predict", "POST", INFER, body, headers=sent)
    not_ready = functions.http("predict", "GET", "/v2/models/shade/ready")
    shown = functions.http("predict", "POST", index)[1]
    shown_ready = functions.http("predict", "POST", index, b'{"ready": true}')[1]
    loaded = functions.http("predict", "POST", "/v2/repository/models/shade/load", b"{}")
    answered = functions.http_bytes("predict", "POST", INFER, body, headers=sent)

    assert (unloaded[:2], loaded[:2]) == ((200, {}), (200, {}))
    assert (refused[0], refused[1]["code"], refused[1]["retryable"]) == (503, "model_not_ready", False)
    assert (not_ready[0], not_ready[1]["code"]) == (503, "model_not_ready")
    assert [(each["name"], each["version"], each["state"]) for each in shown] == [("shade", "1", "UNAVAILABLE")]
    assert shown[0]["reason"].startswith("unloaded at 20")
    assert shown_ready == []
    assert answered[0] == 200
    assert functions.http("predict", "POST", index)[1] == [
        {"name": "shade", "version": "1", "state": "READY", "reason": "", "labels": {"live": 100.0}}
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v2/repository/models/nobody/load", b"", 404, "model_not_found"),
        ("/v2/repository/models/nobody/unload", b"", 404, "model_not_found"),
        ("/v2/repository/models/Odd!/unload", b"", 400, "name_invalid"),
        ("/v2/repository/models/shade/load", b'{"parameters": {"config": "{}"}}', 422, "field_not_allowed"),
        ("/v2/repository/models/shade/unload", b'{"parameters": {"x": 1}}', 422, "field_not_allowed"),
        ("/v2/repository/models/shade/unload", b"{", 400, "json_invalid"),
        ("/v2/repository/index", b'{"ready": 1}', 422, "request_invalid"),
    ],
)
def test_refusals_of_the_repository(functions: Functions, path: str, body: bytes, status: int, code: str) -> None:
    got, answer, _ = functions.http("predict", "POST", path, body)

    assert (got, answer["code"]) == (status, code)


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_only_an_operator_loads_and_unloads(functions: Functions, verb: str) -> None:
    status, body, _ = functions.http("predict", "POST", f"/v2/repository/models/shade/{verb}", key="plain")

    assert (status, body["code"], body["limit"]) == (403, "forbidden_action", "operator")


ASYNC = {"content-type": "image/png", "prefer": "wait=5, respond-async"}


def test_a_call_for_later_is_accepted_run_and_shown(functions: Functions) -> None:
    status, accepted, headers = functions.http(
        "predict", "POST", "/models/shade/predict", picture(255), headers=ASYNC, query={"top_k": "2"}
    )
    early = functions.http("jobs", "GET", f"{headers['Location']}/result")
    assert functions.records("infer", *[message["Body"] for message in functions.received("infer")]) == []
    _, shown, _ = functions.http("jobs", "GET", headers["Location"])
    answer = functions.http("jobs", "GET", shown["result"])

    assert (status, accepted["state"], accepted["kind"], accepted["version"]) == (202, "QUEUED", "call", "1")
    assert headers["Preference-Applied"] == "respond-async"
    assert (early[0], early[1]["code"], early[2]["Retry-After"]) == (409, "in_progress", "1")
    assert (shown["state"], shown["total"], shown["done"], shown["failed"]) == ("SUCCEEDED", 1, 1, 0)
    assert answer[0] == 200
    assert [entry["label"] for entry in answer[1]["predictions"][0]["top"]] == ["bright", "dark"]
    assert answer[2]["Lambent-Model"] == "shade@1"


def test_a_bad_call_for_later_ends_with_the_error_that_the_door_would_have_answered(functions: Functions) -> None:
    _, _, headers = functions.http("predict", "POST", "/models/shade/predict", b"a text", headers=ASYNC)

    assert functions.records("infer", *[message["Body"] for message in functions.received("infer")]) == []
    _, shown, _ = functions.http("jobs", "GET", headers["Location"])
    answer = functions.http("jobs", "GET", shown["result"])

    assert (shown["state"], shown["failed"], shown["error"]["code"]) == ("FAILED", 1, "image_format_unsupported")
    assert (answer[0], answer[1]["code"]) == (415, "image_format_unsupported")


@pytest.mark.parametrize("path", ["/models/nobody/predict", "/models/shade/versions/9/predict"])
def test_a_call_for_later_of_an_unknown_model_is_refused_at_the_door(functions: Functions, path: str) -> None:
    status, body, _ = functions.http("predict", "POST", path, picture(0), headers=ASYNC)

    assert (status, body["code"]) == (404, "model_not_found")
    assert functions.received("infer") == []


def test_a_body_over_the_limit_is_shown_the_upload_door_with_a_grant(functions: Functions) -> None:
    status, body, _ = functions.http("predict", "POST", "/models/shade/predict", bytes(5_001))
    upload = body["upload"]

    assert (status, body["limit"], body["got"]) == (413, 5_000, 5_001)
    assert upload["request"]["path"] == "/uploads"
    assert upload["request"]["body"]["size_bytes"] == 5_001
    assert upload["grant"]["upload"]["fields"]["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/csv"},
        {"Content-Type": "application/json"},
        {"Content-Type": "image/png", "Content-Encoding": "gzip"},
    ],
)
def test_the_upload_door_is_not_offered_to_a_body_that_it_could_not_read(
    functions: Functions, headers: dict[str, str]
) -> None:
    status, body, _ = functions.http("predict", "POST", "/models/shade/predict", bytes(5_001), headers=headers)

    assert (status, body["code"]) == (413, "payload_too_large")
    assert "upload" not in body


def test_a_body_over_the_limit_is_told_so_even_while_its_model_is_unloaded(functions: Functions) -> None:
    operator = ("POST", "/v2/repository/models/shade")
    functions.http("predict", operator[0], f"{operator[1]}/unload", b"")

    status, body, _ = functions.http("predict", "POST", "/models/shade/predict", bytes(5_001))
    functions.http("predict", operator[0], f"{operator[1]}/load", b"")

    assert (status, body["code"]) == (413, "payload_too_large")
    assert "grant" not in body["upload"]


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/result", "/jobs/{}/results", "/jobs/{}/errors", "/uploads/{}"])
def test_an_id_that_none_can_be_answers_as_an_unknown_one_and_is_not_looked_up(
    functions: Functions, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, unknown, _ = functions.http("jobs", "GET", path.format("up-" + "0" * 32))

    def look_up(*_: object) -> None:
        pytest.fail("DynamoDB refuses a key of more than 2,048 bytes")

    monkeypatch.setattr("lambent.adapters.dynamodb_jobs.DynamoJobStore.get", look_up)
    monkeypatch.setattr("lambent.adapters.dynamodb_grants.DynamoGrantStore.get", look_up)
    status, body, _ = functions.http("jobs", "GET", path.format("a" * 3_000))

    assert status == 404
    assert {**body, "request_id": None} == {**unknown, "request_id": None}


def test_a_large_answer_is_answered_by_a_link(functions: Functions) -> None:
    tensor = {"name": "image", "shape": [8, 2, 2, 1], "datatype": "FP32", "data": [0.123456] * 32}
    body = json.dumps({"id": "x" * 4000, "inputs": [tensor]}).encode()

    status, answer, headers = functions.http("predict", "POST", "/v2/models/shade/infer", body)

    assert (status, answer["code"], answer["content_type"]) == (303, "answer_stored", "application/json")
    assert headers["Location"] == answer["url"]
    key = answer["url"].partition("?")[0].partition("/answers/")[2]
    stored = functions.s3.get_object(Bucket="data", Key=f"answers/{key}")["Body"].read()
    assert json.loads(stored)["id"] == "x" * 4000
    assert len(stored) == answer["size_bytes"]


def test_the_metrics_of_a_request_tell_its_version_and_whether_it_was_the_canary(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    first = new_label("torn", "live", 1, Change("2026-11-24T00:00:00.000Z"))
    torn = moved(first, MoveAction.CANARY, 1, first.change, Canary(2, 5_000))
    # Rows without files, and not on the list of models: what is met here is that they cannot be loaded.
    rows = [version_row(VersionRecord(ModelRef("torn", number), "0" * 64, "2026-11-24")) for number in (1, 2)]
    for row in (*rows, label_row(torn)):
        table("table").put_item(Item=row)
    capsys.readouterr()

    statuses = set()
    for number in range(20):
        headers = {"content-type": "image/png", "Lambent-Request-Key": f"user-{number}"}
        statuses.add(functions.http("predict", "POST", "/models/torn/predict", picture(), headers=headers)[0])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    refused = [line for line in lines if "Refused" in line]

    assert statuses == {503}
    assert {(line["model"], line["canary"]) for line in refused} == {("torn@1", False), ("torn@2", True)}
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][1] == ["service", "model"] for line in refused)


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 257])
def test_a_request_key_that_is_not_allowed_is_refused_at_every_door(functions: Functions, key: str) -> None:
    wanted = json.dumps({"model": "shade", "content_type": "image/png", "sha256": "0" * 64}).encode()
    doors = (("predict", "/models/shade/predict", picture()), ("jobs", "/uploads", wanted))

    for function, path, body in doors:
        headers = {**_default_headers(path), "Lambent-Request-Key": key}
        status, answer, _ = functions.http(function, "POST", path, body, headers=headers)
        assert (status, answer["code"], answer["field"]) == (422, "request_invalid", "Lambent-Request-Key")


def ended_job(job_id: str, **notification: Any) -> str:
    """Record a job of acme that has failed and asks to be told; return the message of its webhook."""
    asked = {"notification": notification} if notification else {}
    text = json.dumps({"schema_version": 1, "id": job_id, "model": "nobody", "input": {"manifest_uri": "s3://x/y"}})
    now = SystemClock().now()
    job = Job(
        tenant="acme", job_id=job_id, state=JobState.FAILED, model="nobody", request_sha256="0" * 64,
        request=json.dumps(json.loads(text) | asked), created_at=now, updated_at=now, expires_at_s=2_000_000_000,
    )  # fmt: skip
    DynamoJobStore(table("table")).create(job)
    return json.dumps({"tenant": "acme", "job_id": job_id})


def shown_webhook(functions: Functions, job_id: str) -> dict[str, Any]:
    return dict(functions.http("jobs", "GET", f"/jobs/{job_id}")[1]["notification"]["webhook"])


def notify(functions: Functions, body: str) -> list[str]:
    """Take a message off the queue and let the function make one attempt; return what came back."""
    url = functions.queues["notify"]
    functions.sqs.send_message(QueueUrl=url, MessageBody=body)
    (message,) = functions.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    record = {
        "messageId": "0", "body": body, "receiptHandle": message["ReceiptHandle"], "eventSource": "aws:sqs",
        "messageAttributes": {}, "attributes": {"ApproximateReceiveCount": "3"},
    }  # fmt: skip
    answer = functions.call("notify", {"Records": [record]})
    if not answer["batchItemFailures"]:
        functions.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def answering(monkeypatch: pytest.MonkeyPatch, answer: WebhookAnswer) -> None:
    monkeypatch.setattr(HttpWebhookSender, "post", lambda *_: answer)


def test_a_webhook_that_is_not_taken_waits_in_its_queue_without_an_error(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answering(monkeypatch, WebhookAnswer(503))
    body = ended_job("told-later", webhook={"url": "https://example.com/"})

    failed = notify(functions, body)

    assert failed == ["0"]
    assert "Messages" not in functions.sqs.receive_message(QueueUrl=functions.queues["notify"])
    assert shown_webhook(functions, "told-later")["state"] == "retrying"
    assert [(each.levelname, each.message) for each in caplog.records] == [("INFO", "webhook")]
    functions.sqs.purge_queue(QueueUrl=functions.queues["notify"])


@pytest.mark.parametrize(("status", "state", "buried"), [(204, "delivered", 0), (410, "given_up", 1)])
def test_a_webhook_that_is_over_leaves_its_queue_and_a_given_up_one_its_reason(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, status: int, state: str, buried: int
) -> None:
    answering(monkeypatch, WebhookAnswer(status))
    body = ended_job(f"told-{status}", webhook={"url": "https://example.com/"})

    failed = notify(functions, body)

    dead = functions.received("notify-dead")
    assert (failed, shown_webhook(functions, f"told-{status}")["state"]) == ([], state)
    assert [message["Body"] for message in dead] == [body] * buried
    reasons = [message["MessageAttributes"]["reason_code"]["StringValue"] for message in dead]
    assert reasons == ["webhook_given_up"] * buried


def test_a_notification_of_nobody_goes_to_the_dead_letter_queue_with_its_reason(functions: Functions) -> None:
    failed = [notify(functions, body) for body in ("no JSON", '{"tenant": "acme", "job_id": "nobody"}')]

    reasons = [each["MessageAttributes"]["reason_code"]["StringValue"] for each in functions.received("notify-dead")]
    assert (failed, reasons) == ([[], []], ["envelope_invalid"] * 2)


def test_a_job_that_asks_for_no_webhook_is_done_with(functions: Functions) -> None:
    assert notify(functions, ended_job("told-nobody")) == []
    assert functions.http("jobs", "GET", "/jobs/told-nobody")[1]["notification"] is None


def test_a_tenant_sees_its_secret_and_exchanges_it_and_no_cache_keeps_it(functions: Functions) -> None:
    status, first, headers = functions.http("jobs", "GET", "/webhooks/secret")
    again = functions.http("jobs", "GET", "/webhooks/secret")[1]
    _, second, second_headers = functions.http("jobs", "POST", "/webhooks/secret")

    assert (status, again, first["previous_valid_until"]) == (200, first, None)
    assert len(b64decode(first["secret"].removeprefix("whsec_"))) == 32
    assert second["secret"] != first["secret"]
    assert second["previous_valid_until"] > second["created_at"]
    assert functions.http("jobs", "GET", "/webhooks/secret")[1] == second
    assert headers["Cache-Control"] == second_headers["Cache-Control"] == "no-store"


def test_every_tenant_has_a_secret_of_its_own(functions: Functions) -> None:
    table("table").put_item(Item={"pk": "APIKEY#others", "sk": "TENANT", "tenant": "others"})

    mine, same, theirs = (
        functions.http("jobs", "GET", "/webhooks/secret", key=key)[1]["secret"]
        for key in ("own-key", "plain", "others")
    )

    assert mine == same
    assert mine != theirs


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_key_that_may_only_predict_sees_no_secret(functions: Functions, method: str) -> None:
    table("table").put_item(
        Item={"pk": "APIKEY#predict-only", "sk": "TENANT", "tenant": "acme", "scopes": frozenset({"predict"})}
    )

    status, body, _ = functions.http("jobs", method, "/webhooks/secret", key="predict-only")

    assert (status, body["code"], body.get("secret")) == (403, "forbidden_action", None)


def test_a_request_whose_webhook_goes_inside_is_refused_at_the_door(functions: Functions) -> None:
    wanted = {
        "schema_version": 1, "id": "inside", "model": "shade", "input": {"manifest_uri": "s3://data/inputs/acme/x"},
        "notification": {"webhook": {"url": "http://169.254.169.254/latest/meta-data/"}},
    }  # fmt: skip

    status, body, _ = functions.http("jobs", "POST", "/jobs", json.dumps(wanted).encode())

    assert (status, body["code"], body["field"]) == (422, "callback_url_refused", "notification.webhook.url")
    assert "169" not in json.dumps(body)
