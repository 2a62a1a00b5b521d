"""The two services that a job of AWS Batch gets credentials of: its container's endpoint, and STS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

# What the agent of ECS calls a container's credentials by: 128 random bits.
NAME = "5b0fc0a9-8b1c-4a94-9c39-7d5cf2f0b1e6"
OWN_KEY, OWN_SECRET, OWN_TOKEN = "AKIAOWNOFCONTAINER", "own-secret-of-container", "own-token-of-container"
UNTIL = "2099-01-01T00:00:00Z"
SIGNED_BY = re.compile(r"Credential=(\w+)/")
ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>AKIA{tenant}{number}</AccessKeyId><SecretAccessKey>secret-of-{tenant}</SecretAccessKey>
<SessionToken>token-of-{tenant}</SessionToken><Expiration>{until}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@dataclass
class CredentialServices:
    """Where both are, and for whom sessions were given."""

    address: str
    tenants: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a container is told, with an address of this machine in place of 169.254.170.2."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.address}/v2/credentials/{NAME}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"token-{NAME}",
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.address}/v4/0123",
            "AWS_ENDPOINT_URL": self.address,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def credential_services() -> Iterator[CredentialServices]:
    """Run both, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"/v2/credentials/{NAME}" and self.headers["Authorization"] == f"token-{NAME}"
            told = {"AccessKeyId": OWN_KEY, "SecretAccessKey": OWN_SECRET, "Token": OWN_TOKEN, "Expiration": UNTIL}
            self._answer(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, json.dumps(told if known else {}))

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            signed_by = SIGNED_BY.search(self.headers.get("Authorization", ""))
            if signed_by is None or signed_by.group(1) != OWN_KEY:
                self._answer(
                    HTTPStatus.FORBIDDEN, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
                )
                return
            (tenant,) = asked["Tags.member.1.Value"]
            services.tenants.append(tenant)
            self._answer(HTTPStatus.OK, ANSWER.format(tenant=tenant, number=len(services.tenants), until=UNTIL))

        def _answer(self, status: HTTPStatus, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    services = CredentialServices(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield services
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
