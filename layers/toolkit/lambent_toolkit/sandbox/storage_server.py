"""Program of the storage process: moto's server, tamed, with what must *run* handed to the supervisor.

Arguments: the supervisor's process id, the base URL of its control server, and the file for used rights, which is empty
if nothing is judged. The secret that both show each other is in the environment, which other users cannot list. It
prints its own port, one line.

moto stores; our programs run. Handed over are AWS Batch's job calls and logs, Lambda's Invoke and events for Lambda
targets.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp
from moto.events import models as events
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from lambent_toolkit.sandbox.iam.control import IamControl
from lambent_toolkit.sandbox.iam.deliveries import Deliveries, ignore_bucket_policies
from lambent_toolkit.sandbox.iam.gate import Gate
from lambent_toolkit.sandbox.iam.principals import Principals
from lambent_toolkit.sandbox.iam.rights import RightsLog
from lambent_toolkit.sandbox.lambda_bootstrap import die_with
from lambent_toolkit.sandbox.lineage import TRACE_HEADER
from lambent_toolkit.sandbox.queue_records import SHORTEN_PATH
from lambent_toolkit.sandbox.storage_cloudformation import CreatedResources, tame_cloudformation
from lambent_toolkit.sandbox.storage_door import guarding
from lambent_toolkit.sandbox.storage_hosts import below_one_host, wrong_host
from lambent_toolkit.sandbox.storage_http import StorageRequestHandler
from lambent_toolkit.sandbox.storage_moves import install_moves
from lambent_toolkit.sandbox.storage_object_events import order_object_events
from lambent_toolkit.sandbox.storage_pace import quicken_moto
from lambent_toolkit.sandbox.storage_queues import shorten_waits, tame_sqs, tracing
from lambent_toolkit.sandbox.storage_signatures import refuse_presigned
from lambent_toolkit.sandbox.storage_stacks import Stacks
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD, SECRET_VARIABLE

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
BATCH_CALL = re.compile(r"^/v1/(submitjob|describejobs|listjobs|terminatejob|canceljob)$")
INVOKE_CALL = re.compile(r"^/2015-03-31/functions/(?P<name>[^/]+)/invocations/?$")
CREATED_PATH = "/_lambent/created"
LOGS_CALL = "Logs_20140328.GetLogEvents"
LOSE_HOST = "/_lambent/lose-host/"
BAD_REQUEST = 400
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
FORWARDED_HEADERS = ("X-Amz-Invocation-Type", "X-Amz-Log-Type", "Content-Type", TRACE_HEADER)


class Supervisor:
    """The other side: where calls go that moto can only pretend to answer."""

    def __init__(self, url: str, secret: str) -> None:
        self._url, self._shown = url, {SECRET_FIELD: secret}
        self._http = urllib3.PoolManager(maxsize=16, timeout=urllib3.Timeout(connect=5, read=None), retries=False)

    def forward(self, path: str, environ: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        """Send a WSGI request on and return the answer."""
        size = int(environ.get("CONTENT_LENGTH") or 0)
        keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in FORWARDED_HEADERS}
        headers = {name: environ[key] for name, key in keys.items() if key in environ} | self._shown
        return self._http.request("POST", self._url + path, body=environ["wsgi.input"].read(size), headers=headers)

    def deliver(self, delivery: dict[str, Any]) -> None:
        """Hand over an event for a Lambda target; the supervisor retries, so this only queues."""
        self._http.request("POST", f"{self._url}/deliver", json=delivery, headers=self._shown)

    def stack_changed(self, name: str) -> None:
        """Tell that a stack has other resources, and wait until what runs has followed.

        Raises
        ------
        RuntimeError   it could not; the text says why
        """
        answer = self._http.request("POST", f"{self._url}/stack/{name}", body=b"{}", headers=self._shown)
        if answer.status >= BAD_REQUEST:
            raise RuntimeError(answer.data.decode())

    def job_tags(self, job_arn: str) -> dict[str, str]:
        """Return the tags of an AWS Batch job; none of one that is not known."""
        url = f"{self._url}/batch/describejobs"
        answer = self._http.request("POST", url, json={"jobs": [job_arn]}, headers=self._shown)
        return next((dict(job["tags"]) for job in answer.json()["jobs"]), {})


class StorageApp:
    """moto's WSGI application behind a router and a lock.

    DynamoDB calls are serialized: a failing transaction restores a copy of the tables, and would take other
    clients' acknowledged writes with it. So are S3's writes on a condition, which moto tests and then makes.
    """

    def __init__(self, supervisor: Supervisor, created: CreatedResources) -> None:
        self._created = created
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._supervisor = supervisor
        self._dynamodb_lock = threading.Lock()
        self._condition_lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        if environ.get("PATH_INFO") == CREATED_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [self._created.as_json(environ["QUERY_STRING"]).encode()]
        if environ.get("PATH_INFO") == SHORTEN_PATH:
            shorten_waits(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b"{}"]
        path = supervised_path(environ)
        if path is not None:
            return self._forward(path, environ, start_response)
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
            with self._dynamodb_lock:
                return list(self._moto(environ, start_response))
        is_conditional = environ.get("REQUEST_METHOD") in ("PUT", "DELETE") and any(map(environ.get, CONDITIONS))
        with tracing(environ.get("HTTP_X_AMZN_TRACE_ID")), self._condition_lock if is_conditional else nullcontext():
            return self._moto(below_one_host(environ), start_response)  # type: ignore[no-any-return]

    def _forward(self, path: str, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response = self._supervisor.forward(path, environ)
        kept = [(name, value) for name, value in response.headers.items() if name.lower().startswith("x-amz")]
        kind = response.headers.get("Content-Type", "application/json")
        start_response(f"{response.status} {response.reason or ''}", [("Content-Type", kind), *kept])
        return [response.data]


def supervised_path(environ: dict[str, Any]) -> str | None:
    """Return the control path for a request that the supervisor must answer, or None for moto's."""
    path = environ.get("PATH_INFO", "")
    if (match := BATCH_CALL.match(path)) and "/batch/aws4_request" in environ.get("HTTP_AUTHORIZATION", ""):
        return f"/batch/{match.group(1)}"
    if environ.get("HTTP_X_AMZ_TARGET") == LOGS_CALL:
        return "/logs/events"
    if path.startswith(LOSE_HOST):
        return path.removeprefix("/_lambent")
    if (match := INVOKE_CALL.match(path)) and environ.get("REQUEST_METHOD") == "POST":
        return f"/invoke/{match.group('name')}"
    return None


def tame_events(supervisor: Supervisor) -> None:
    """Send events for Lambda targets to the supervisor, and none to scheduled or disabled rules."""
    send = events.Rule.send_to_targets

    def send_to_targets(rule: events.Rule, original_event: Any, transform_input: bool = True) -> None:
        if rule.state != "ENABLED" or not rule.event_pattern.get_pattern():
            return
        if not rule.event_pattern.matches_event(original_event):
            return
        functions = [target for target in rule.targets if ":lambda:" in target["Arn"]]
        for target in functions:
            supervisor.deliver({"rule": rule.arn, "target": target, "event": target_input(target, original_event)})
        others = [target for target in rule.targets if target not in functions]
        if others:
            everything, rule.targets = rule.targets, others
            try:
                send(rule, original_event, transform_input)
            finally:
                rule.targets = everything

    events.Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def target_input(target: dict[str, Any], original_event: dict[str, Any]) -> Any:
    """Return what a target gets: its fixed Input, its transformed input, or the event with an ISO time."""
    if "Input" in target:
        return json.loads(target["Input"])
    event = {key: value for key, value in original_event.items() if key != "ingestion-time"}
    event["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(float(event["time"])))
    transformer = target.get("InputTransformer")
    if transformer is None:
        return event
    return events.EventTemplateParser.parse(
        input_template=transformer.get("InputTemplate"),
        input_paths_map=transformer.get("InputPathsMap", {}),
        event=event,
    )


def guarded(app: StorageApp, supervisor: Supervisor, created: CreatedResources, rights_file: Path) -> Gate:
    """Return an application that judges every request and every delivery by the policies there are."""
    rights = RightsLog(rights_file)
    Deliveries(rights).judge()
    control = IamControl(rights, lambda: created.as_dict()["resources"])
    return Gate(app, rights=rights, control=control, job_tags=supervisor.job_tags)


def unguarded(app: StorageApp) -> StorageApp:
    """Return an application that judges nothing, moto's own part of bucket policies included."""
    ignore_bucket_policies()
    return app


def at_awss_hosts(app: WsgiApp) -> WsgiApp:
    """Return an application that looks at a request's host and at its signed link or form first, as S3 does."""
    secret_of = Principals().secret

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if error := wrong_host(environ) or refuse_presigned(environ, datetime.now(UTC), secret_of):
            return error.answer(start_response)
        return app(environ, start_response)

    return answer


def main() -> None:
    """Serve until killed."""
    parent, control_url, rights_file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    die_with(parent)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    secret = os.environ[SECRET_VARIABLE]
    supervisor = Supervisor(control_url, secret)
    tame_sqs()
    install_moves()
    order_object_events()
    quicken_moto()
    created = tame_cloudformation()
    Stacks(created, supervisor.stack_changed).install()
    tame_events(supervisor)
    app = StorageApp(supervisor, created)
    door = guarded(app, supervisor, created, Path(rights_file)) if rights_file else unguarded(app)
    guarded_door = guarding(at_awss_hosts(door), secret)
    server = make_server("127.0.0.1", 0, guarded_door, threaded=True, request_handler=StorageRequestHandler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
