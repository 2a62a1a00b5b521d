"""The HTTP doors in this process: the template's routes and settings, the local gateway, the real handlers and models.

Only the storage below is moto's, and no bytes travel over a socket.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import fault_models
from moto import mock_aws

from builders import create_table
from lambent_toolkit.sandbox.gateway import Gateway
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome
from lambent_toolkit.sandbox.template import translate
from lambent_toolkit.sandbox.usage_plans import ApiKey, Plan
from programs import ROOT, forget_services, load_function

REGION = "eu-west-1"
FUNCTIONS = {"PredictFunction": "predict", "JobsFunction": "jobs"}
# Names that no answer may ever hold, see `answers.py`.
INTERNAL = {
    "Table": "internal-table-name",
    "ModelsBucket": "internal-models-bucket",
    "DataBucket": "internal-data-bucket",
    "ApiKey": "internal-key-id",
}
KEY = "plane-key"
TENANT = "acme"
# Key value -> tenant and scopes.
OTHER_KEYS = {
    "jobs-only": (TENANT, ["jobs"]),
    "predict-only": (TENANT, ["predict"]),
    "other-tenant": ("other", ["predict", "jobs"]),
}
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:eu-west-1:1:function:f",
    aws_request_id="lambda-request", get_remaining_time_in_millis=lambda: 20_000,
)  # fmt: skip
STAGE = "prod"


@dataclass(frozen=True)
class Request:
    """What a client sends; ``path`` is percent-encoded, header names are lower case."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    key: str | None = KEY

    def header_pairs(self) -> list[tuple[str, str]]:
        """Return all headers, the caller's key among them."""
        key = {} if self.key is None else {"x-api-key": self.key}
        return [*key.items(), *self.headers.items()]


@dataclass(frozen=True)
class Answer:
    """What comes back; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HandlerPool:
    """A function whose only execution environment is this process."""

    handler: Any
    crashes: list[Exception] = field(default_factory=list)

    @property
    def log(self) -> HandlerPool:
        return self

    def line(self, text: str) -> None:
        """Take the gateway's complaint about a malformed answer."""
        self.crashes.append(ValueError(text))

    async def invoke(self, event: bytes) -> InvocationResult:
        """Call the handler as the Lambda runtime does: JSON in, JSON out."""
        try:
            return InvocationResult(Outcome.RESPONSE, json.dumps(self.handler(json.loads(event), CONTEXT)).encode())
        except Exception as exc:  # noqa: BLE001 - as the runtime: whatever a handler raises is a failed invocation
            self.crashes.append(exc)
            return InvocationResult(Outcome.ERROR, b"{}")


class Keys:
    """The stack's own key, one that is slow, and some of narrower scope or of another tenant."""

    async def find(self, value: str) -> ApiKey | None:
        """Return what a key's value stands for."""
        if value == KEY:
            return ApiKey(INTERNAL["ApiKey"], Plan(None, None, None, 0))
        if value == "slow":
            return ApiKey(INTERNAL["ApiKey"], Plan(0.001, 1, None, 0))
        return ApiKey(f"id-of-{value}", Plan(None, None, None, 0)) if value in OTHER_KEYS else None


@dataclass
class Plane:
    """The doors, open."""

    gateway: Gateway
    pools: dict[str, HandlerPool]
    loop: asyncio.AbstractEventLoop
    modules: dict[str, ModuleType]
    logged: io.StringIO = field(default_factory=io.StringIO)

    def send(self, request: Request) -> Answer:
        """Send one request; what the function logs is added to ``logged``."""
        with redirect_stdout(self.logged):
            return self.loop.run_until_complete(self._call(request))

    def take_log(self) -> str:
        """Return what the functions have logged since the last call."""
        text = self.logged.getvalue()
        self.logged.seek(0)
        self.logged.truncate()
        return text

    def take_crashes(self) -> list[Exception]:
        """Return what handlers raised since the last call: on Lambda each is a 502."""
        crashes = [crash for pool in self.pools.values() for crash in pool.crashes]
        for pool in self.pools.values():
            pool.crashes.clear()
        return crashes

    async def _call(self, request: Request) -> Answer:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.gateway(_scope(request), receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, sent[1]["body"])


def _scope(request: Request) -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": request.method,
        "raw_path": f"/{STAGE}{request.path}".encode("latin-1"), "query_string": request.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.header_pairs()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip


@contextmanager
def open_plane() -> Iterator[Plane]:
    """Open the doors with all of `fault_models` published."""
    before = dict(os.environ)
    os.environ.update(
        AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
        POWERTOOLS_TRACE_DISABLED="1",
    )  # fmt: skip
    forget_services()
    loop = asyncio.new_event_loop()
    try:
        with mock_aws():
            yield _build(loop)
    finally:
        loop.close()
        forget_services()
        os.environ.clear()
        os.environ.update(before)


def _build(loop: asyncio.AbstractEventLoop) -> Plane:
    body = translate(ROOT / "template.yaml", {}).body
    names = {name: _create(name, resource["Type"]) for name, resource in body["Resources"].items()}
    for function in FUNCTIONS:
        os.environ.update(_environment(body, function, names))
    # The last one is Lambda's own.
    os.environ.update(
        LABEL_TTL_S="3600", DEFAULT_TENANT=TENANT, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1769", AWS_REGION=REGION
    )
    publish_models()
    add_keys()
    modules = {function: load_function(folder) for function, folder in FUNCTIONS.items()}
    pools = {function: HandlerPool(module.handler) for function, module in modules.items()}
    (api,) = [each for each in body["Resources"].values() if each["Type"] == "AWS::ApiGateway::RestApi"]
    gateway = Gateway(_with_functions(api["Properties"]["Body"]), api_id="api", stage=STAGE, pools=pools, keys=Keys())
    return Plane(gateway, pools, loop, modules)


def _create(name: str, kind: str) -> str:
    """Create what HTTP functions reach; return what ``Ref`` gives for it."""
    physical = INTERNAL.get(name, f"internal-{name.lower()}")
    if kind == "AWS::S3::Bucket":
        boto3.client("s3").create_bucket(Bucket=physical, CreateBucketConfiguration={"LocationConstraint": REGION})
    elif kind == "AWS::DynamoDB::Table":
        create_table(physical)
    elif kind == "AWS::SQS::Queue":
        return str(boto3.client("sqs").create_queue(QueueName=physical)["QueueUrl"])
    return physical


def _environment(body: dict[str, Any], function: str, names: dict[str, str]) -> dict[str, str]:
    known = {"AWS::StackName": "lambent"} | {
        name: str(parameter["Default"]) for name, parameter in body["Parameters"].items() if "Default" in parameter
    }
    variables = body["Resources"][function]["Properties"]["Environment"]["Variables"]
    return {name: _resolved(value, {**known, **names}) for name, value in variables.items()}


def _resolved(value: Any, known: dict[str, str]) -> str:
    """Return what CloudFormation makes of a value, on a stack without a GPU lane, which is the only condition here."""
    if not isinstance(value, dict):
        return str(value)
    ((function, argument),) = value.items()
    if function == "Ref":
        return known[argument]
    if function == "Fn::If":
        condition, _, otherwise = argument
        assert condition == "IsGpuEnabled"
        return _resolved(otherwise, known)
    assert function == "Fn::Join"
    delimiter, listed = argument
    # A list parameter's text has its commas already.
    return _resolved(listed, known).replace(",", delimiter)


def _with_functions(api: dict[str, Any]) -> dict[str, Any]:
    """Put the functions' names into the integrations' addresses, as CloudFormation does."""
    text = re.sub(r"\$\{(\w+)\.Arn\}", r"arn:aws:lambda:eu-west-1:1:function:\1", json.dumps(_decided(api)))
    return json.loads(text)


def _decided(node: Any) -> Any:
    """Return what is left where every condition is false: no pages of other origins."""
    if not isinstance(node, dict):
        return node
    chosen = {name: value["Fn::If"][2] if _is_choice(value) else value for name, value in node.items()}
    return {name: _decided(value) for name, value in chosen.items() if value != {"Ref": "AWS::NoValue"}}


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"Fn::If"}


def publish_models() -> None:
    """Publish all of `fault_models` and label them live."""
    from lambent.adapters.clients import client, table
    from lambent.adapters.dynamodb_registry import DynamoRegistry
    from lambent.adapters.s3 import S3ObjectStore
    from lambent.runtime.clock import SystemClock
    from lambent.services.publish import publish_version
    from lambent.services.set_label import set_label

    registry, clock = DynamoRegistry(table(INTERNAL["Table"])), SystemClock()
    store = S3ObjectStore(client("s3"), INTERNAL["ModelsBucket"], what="model store")
    for contract, files in fault_models.versions():
        publish_version(files, contract, store=store, registry=registry, clock=clock)
        set_label(contract.name, "live", 1, registry=registry, clock=clock)


def add_keys() -> None:
    """Record the keys of narrower scope and of another tenant."""
    rows = boto3.resource("dynamodb").Table(INTERNAL["Table"])
    for value, (tenant, scopes) in OTHER_KEYS.items():
        rows.put_item(Item={"pk": f"APIKEY#id-of-{value}", "sk": "TENANT", "tenant": tenant, "scopes": scopes})
