"""The door before moto: every request is judged by the template's own policies. Runs in the storage process only."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import ParseError

from lambent_toolkit.sandbox.iam import principals
from lambent_toolkit.sandbox.iam.caller import S3, Caller, Environ, body_of, caller_of
from lambent_toolkit.sandbox.iam.control import IamControl
from lambent_toolkit.sandbox.iam.errors import BadPolicy, Unjudged
from lambent_toolkit.sandbox.iam.judge import Principal, decide, may_ever
from lambent_toolkit.sandbox.iam.lookups import full_resource, key_schema, resource_context
from lambent_toolkit.sandbox.iam.question import Call, Question
from lambent_toolkit.sandbox.iam.questions import action_of, questions_of_call, session_tags
from lambent_toolkit.sandbox.iam.questions_dynamodb import questions_of_dynamodb
from lambent_toolkit.sandbox.iam.questions_s3 import S3Request, bucket_arn
from lambent_toolkit.sandbox.iam.refusals import BAD_TOKEN, UNJUDGED, UNKNOWN_KEY, Refusal, answer, not_authorized
from lambent_toolkit.sandbox.iam.requests import read_call, read_s3, s3_questions
from lambent_toolkit.sandbox.iam.resource_policies import bucket, resource_policies
from lambent_toolkit.sandbox.iam.rights import Denial, RightsLog

App = Callable[[Environ, Any], Iterable[bytes]]
JobTags = Callable[[str], dict[str, str]]
# What the stack's own parts tell each other; they have shown the secret already.
OPEN_PATHS = ("/_lambent/",)
CONTROL_PATH = "/_lambent/iam/"
SERVICE_HEADER, SOURCE_HEADER = "HTTP_X_LAMBENT_SERVICE", "HTTP_X_LAMBENT_SOURCE_ARN"
STS = "sts"
OPENED = re.compile(rb"<AccessKeyId>(\w+)</AccessKeyId>")
FREE_ACTION = "sts:GetCallerIdentity"  # which no policy can forbid
READS = {"GET", "HEAD"}

log = logging.getLogger(__name__)


class Refused(Exception):
    """A request may not go on."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Gate:
    """A WSGI application that asks before another answers.

    Parameters
    ----------
    app : App               what answers
    rights : RightsLog      what was allowed and refused
    control : IamControl    answers the supervisor
    job_tags : JobTags      tags of an AWS Batch job, by its ARN
    """

    def __init__(self, app: App, *, rights: RightsLog, control: IamControl, job_tags: JobTags) -> None:
        self._app, self._rights, self._control, self._job_tags = app, rights, control, job_tags
        self._principals = principals.Principals()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith(CONTROL_PATH):
            status, value = self._control.answer(path.removeprefix(CONTROL_PATH), body_of(environ))
            start_response(f"{status} {status}", [("Content-Type", "application/json")])
            return [json.dumps(value).encode()]
        if path.startswith(OPEN_PATHS):
            return self._app(environ, start_response)
        caller = caller_of(environ)
        try:
            return self._judged(caller, environ, start_response)
        except Refused as exc:
            refusal = exc.refusal
        except (BadPolicy, Unjudged) as exc:
            log.error("not judged: %s", exc)  # noqa: TRY400 - the message says all
            refusal = Refusal(UNJUDGED, f"The local stack cannot judge this: {exc}")
        return _refuse(refusal, caller, environ, start_response)

    def _judged(self, caller: Caller, environ: Environ, start_response: Any) -> Iterable[bytes]:
        principal = self._principal(caller, environ)
        if principal.is_administrator and caller.service != STS:
            return self._app(environ, start_response)
        if caller.service == STS:
            return self._answer_sts(principal, caller, environ, start_response)
        if caller.service != S3:
            with _readable(environ):
                self._judge_call(principal, environ, caller)
            return self._app(environ, start_response)
        if not caller.key_id and environ.get("REQUEST_METHOD") == "OPTIONS":
            return self._app(environ, start_response)  # a browser's question, which the bucket's CORS rules answer
        request = read_s3(environ)
        with _readable(environ):
            asked = list(s3_questions(environ, caller, request))
        self._allow(principal, asked)
        return self._answer_s3(principal, request, environ, start_response)

    def _principal(self, caller: Caller, environ: Environ) -> Principal:
        if not caller.key_id:
            return principals.ANONYMOUS
        try:
            found = self._principals.find(caller.key_id, caller.token)
        except principals.UnknownKey as exc:
            text = "The security token included in the request is invalid."
            if caller.service == S3:
                text = "The AWS Access Key Id you provided does not exist in our records."
            raise Refused(Refusal(UNKNOWN_KEY, text)) from exc
        except principals.BadToken as exc:
            text = "The security token included in the request is invalid."
            if caller.service == S3:
                text = "The provided token is malformed or otherwise invalid."
            raise Refused(Refusal(BAD_TOKEN, text)) from exc
        if found.is_administrator and SERVICE_HEADER in environ:
            return principals.service(environ[SERVICE_HEADER], source_arn=environ.get(SOURCE_HEADER, ""))
        return found

    def _judge_call(self, principal: Principal, environ: Environ, caller: Caller) -> None:
        call = read_call(environ, caller)
        action = action_of(call)
        if action == FREE_ACTION:
            return
        try:
            asked = self._questions(call)
        except Unjudged:
            # What no statement allows on anything is refused, whatever it would be asked of.
            if may_ever(principal, action):
                raise
            asked = [Question(action, "*")]
        self._allow(principal, asked)

    def _questions(self, call: Call) -> list[Question]:
        if call.service == "dynamodb":
            return questions_of_dynamodb(call.operation, call.parameters, key_schema)
        return [
            Question(
                each.action, full_resource(each.resource), {**resource_context(each, self._job_tags), **each.context}
            )
            for each in questions_of_call(call)
        ]

    def _allow(self, principal: Principal, asked: Iterable[Question]) -> None:
        """Go on if everything that is asked is allowed.

        Raises
        ------
        Refused
        """
        for question in asked:
            decision = decide(principal, question, resource_policies(question.resource), self._rights.use)
            if not decision.is_allowed:
                self._rights.refuse(Denial(principal.name, question.action, question.resource, decision.reason))
                raise Refused(not_authorized(principal.arn, question.action, question.resource, decision.reason))

    def _answer_sts(
        self, principal: Principal, caller: Caller, environ: Environ, start_response: Any
    ) -> Iterable[bytes]:
        """Answer a request of STS, and remember the tags of a session that it opens."""
        with _readable(environ):
            call = read_call(environ, caller)
            if not principal.is_administrator:
                self._judge_call(principal, environ, caller)
        body = b"".join(self._app(environ, start_response))
        if (tags := session_tags(call.parameters)) and (opened := OPENED.search(body)):
            self._principals.tag(opened.group(1).decode(), tags)
        return [body]

    def _answer_s3(
        self, principal: Principal, request: S3Request, environ: Environ, start_response: Any
    ) -> Iterable[bytes]:
        """Answer a request of S3; who may not list a bucket does not learn that an object is missing there."""
        if request.method not in READS or not request.key or bucket(request.bucket) is None:
            return self._app(environ, start_response)
        started: list[Any] = []
        body = list(self._app(environ, lambda *arguments: started.extend(arguments)))
        if started[0].startswith("404"):
            # S3 asks as for a listing of that key alone: rgw does "to match aws behavior" (ceph/ceph#68577).
            asked = Question("s3:ListBucket", bucket_arn(request.bucket), {"s3:prefix": (request.key,)})
            self._allow(principal, [asked])
        start_response(*started)
        return body


@contextmanager
def _readable(environ: Environ) -> Iterator[None]:
    """Take a request that breaks what its service's SDK would send for one that cannot be judged."""
    try:
        yield
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError, ParseError) as exc:
        raise Unjudged(f"malformed {environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}: {exc!r}") from exc


def _refuse(refusal: Refusal, caller: Caller, environ: Environ, start_response: Any) -> Iterable[bytes]:
    # A body that nobody reads would end the connection before the client has read why.
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    wire = answer(refusal, caller.service, environ)
    size = str(len(wire.body))
    start_response(wire.status, [*wire.headers, ("Content-Length", size)])
    return [wire.body]
