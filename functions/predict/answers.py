"""From an API Gateway event to a call, and from the call's answer back to HTTP."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from lambent.domain.call import CALL_HEADERS, Call, CallAnswer, Operation
from lambent.domain.model import ModelChoice
from lambent.runtime.http import read_body
from lambent.runtime.observability import PREDICT_LATENCY, PREDICTIONS, REQUESTS, count, logger, milliseconds
from lambent.runtime.wiring import call_service, predict_settings
from lambent.services.predict import Timings

_invocations = 0


def begin_invocation() -> None:
    """Count the request, and remember whether it is the first of this execution environment."""
    global _invocations  # noqa: PLW0603 - an execution environment is one process that serves one request at a time
    _invocations += 1
    count(REQUESTS)


def answer(operation: Operation, choice: ModelChoice, event: APIGatewayProxyEvent) -> Response[bytes | str]:
    """Answer a prediction of any protocol; count and log it."""
    timings = Timings()
    result = call_service().answer(_call(operation, choice, event), timings)
    count(PREDICTIONS)
    milliseconds(PREDICT_LATENCY, sum(timings.steps_ms.values()))
    logger.info("predicted", model=str(result.model), **timings.rounded())
    return _response(result, timings)


def _call(operation: Operation, choice: ModelChoice, event: APIGatewayProxyEvent) -> Call:
    body = read_body(event, max_bytes=predict_settings().max_body_bytes)
    sent = event.headers
    headers = {name: sent[name] for name in CALL_HEADERS if name in sent}
    return Call(operation, choice, body, headers, event.query_string_parameters or {})


def _response(result: CallAnswer, timings: Timings) -> Response[bytes | str]:
    headers = {
        "Lambent-Model": str(result.model),
        "Lambent-Cold-Start": str(_invocations == 1).lower(),
        "Server-Timing": timings.header(),
        **result.headers,
    }
    # Text travels as it is; only bytes are base64 to API Gateway.
    is_text = result.content_type.startswith(("application/json", "text/"))
    body = result.body.decode() if is_text else result.body
    return Response(200, result.content_type, body, headers=headers)
