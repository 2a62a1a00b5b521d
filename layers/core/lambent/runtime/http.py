"""Routes by Powertools' resolver: its events into ours, our answers into its responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.answers import AnswerReference
from lambent.errors import LambentError, RouteNotFound
from lambent.runtime.http_answers import (
    HttpAnswer,
    break_down,
    error_body,
    json_body,
    reference_to,
    refuse,
    whole_body,
)
from lambent.runtime.http_event import HttpEvent, own_path


class _Resolver(APIGatewayRestResolver):
    """Powertools' resolver, but by the path below the API's address, whatever stands before it."""

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one event."""
        return super().resolve({**event, "path": own_path(event)}, context)


def make_resolver() -> APIGatewayRestResolver:
    """Return a resolver that answers every error in Lambent's one shape."""
    app = _Resolver(serializer=_as_it_is)

    @app.exception_handler(LambentError)  # type: ignore[untyped-decorator]
    def refused(error: LambentError) -> Response[bytes | str]:
        return _response(refuse(error, request_id=http_event(app.current_event).request_id))

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def broken(error: Exception) -> Response[bytes | str]:
        return _response(break_down(error, request_id=http_event(app.current_event).request_id))

    @app.not_found
    def no_route(_: Exception) -> Response[bytes | str]:
        error = RouteNotFound("There is no such path and method here.")
        return _response(error_body(error, request_id=http_event(app.current_event).request_id))

    return app


def http_event(event: APIGatewayProxyEvent) -> HttpEvent:
    """Return what the doors read of a resolver's event."""
    return HttpEvent(event.raw_event)


def json_answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes | str]:
    """Return a JSON answer; ``body`` is encoded unless it is bytes already."""
    return _response(json_body(body, status=status, headers=headers))


def whole_answer(body: bytes, *, content_type: str, headers: Mapping[str, str]) -> Response[bytes | str]:
    """Return 200 with a body: text as it is, other bytes as such, which are base64 to API Gateway."""
    return _response(whole_body(body, content_type=content_type, headers=headers))


def refer_to_answer(reference: AnswerReference) -> Response[bytes | str]:
    """Return 303 See Other: the answer to the request is what a GET of the address gives."""
    return _response(reference_to(reference))


def _response(answer: HttpAnswer) -> Response[bytes | str]:
    return Response(answer.status, answer.content_type, answer.body, headers=dict(answer.headers))


def _as_it_is(body: Any) -> Any:
    """Keep the resolver from encoding JSON that a route has encoded, and perhaps compressed, already."""
    return body
