"""The HTTP door of a running local stack, written to byte by byte: no client library that would refuse bad requests."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import fault_models
from plane import INTERNAL, KEY, OTHER_KEYS, Answer, Request

from lambent.adapters.dynamodb_table import DynamoTable
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import StackInfo
from patience import PATIENCE_S


@dataclass
class StackDoor:
    """The door; ``keys`` are the stack's own for those of `plane`."""

    info: StackInfo
    keys: dict[str, str] = field(default_factory=dict)

    def send(self, request: Request) -> Answer:
        """Send one request over a connection of its own."""
        return self.send_bytes(self.as_bytes(request), method=request.method)

    def as_bytes(self, request: Request) -> bytes:
        """Return the request as HTTP/1.1, with nothing put right; the data bucket's name becomes the stack's."""
        body = request.body.replace(INTERNAL["DataBucket"].encode(), self.info.buckets["data"].encode())
        path = self.base_path + request.path
        target = f"{path}?{request.query}" if request.query else path
        key = [] if request.key is None else [("x-api-key", self.keys.get(request.key, request.key))]
        fields = [
            ("host", urlsplit(self.info.url).netloc),
            ("connection", "close"),
            ("content-length", str(len(body))),
            *key,
        ]
        lines = [f"{name}: {value}\r\n" for name, value in [*fields, *request.headers.items()]]
        return f"{request.method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + body

    @property
    def base_path(self) -> str:
        """What the API's address has after its host: the stage."""
        return urlsplit(self.info.url).path

    def connect(self) -> socket.socket:
        """Return a new connection."""
        address = urlsplit(self.info.url)
        return socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S)

    def send_bytes(self, sent: bytes, *, method: str = "POST") -> Answer:
        """Send anything and read what is answered; raises an HTTPException or OSError if nothing is."""
        with self.connect() as connection:
            connection.sendall(sent)
            response = HTTPResponse(connection, method=method)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def processes(self, function: str) -> set[int]:
        """Return the ids of a function's processes: those of the supervisor's children that bear its name."""
        name = f"AWS_LAMBDA_FUNCTION_NAME={self.info.functions[function]}".encode()
        tasks = Path(f"/proc/{self.info.pid}/task").glob("*/children")
        children = [int(pid) for task in tasks for pid in task.read_text().split()]
        return {pid for pid in children if name in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}

    def logged(self) -> str:
        """Return all that the functions behind the door have logged."""
        return "".join(log.read_text(errors="replace") for log in Path(self.info.logs).glob("*.log"))


def open_door(info: StackInfo) -> StackDoor:
    """Publish all of `fault_models` to a stack, make the keys of `plane` and return the stack's door."""
    publisher = Publisher(info)
    for contract, files in fault_models.versions():
        publisher.publish_files(files, contract)
        publisher.set_label(contract.name, "live", 1)
    return StackDoor(info, {KEY: info.api_key, **{name: _make_key(info, name) for name in OTHER_KEYS}})


def _make_key(info: StackInfo, name: str) -> str:
    gateway = info.client("apigateway")
    key = gateway.create_api_key(name=name, enabled=True)
    gateway.create_usage_plan_key(usagePlanId=info.resources["UsagePlan"], keyId=key["id"], keyType="API_KEY")
    tenant, scopes = OTHER_KEYS[name]
    row = {"pk": f"APIKEY#{key['id']}", "sk": "TENANT", "tenant": tenant, "scopes": scopes}
    DynamoTable(info.client("dynamodb"), info.table).put_item(Item=row)
    return str(key["value"])
