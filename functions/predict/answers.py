"""What every prediction's answer carries besides its body."""

from aws_lambda_powertools.event_handler import Response

from lambent.runtime.http import json_answer
from lambent.runtime.observability import PREDICT_LATENCY, PREDICTIONS, REQUESTS, count, logger, milliseconds
from lambent.services.load_model import ServedModel
from lambent.services.predict import Timings

_invocations = 0


def begin_invocation() -> None:
    """Count the request, and remember whether it is the first of this execution environment."""
    global _invocations  # noqa: PLW0603 - an execution environment is one process that serves one request at a time
    _invocations += 1
    count(REQUESTS)


def predicted(body: object, model: ServedModel, timings: Timings) -> Response[bytes]:
    """Return a 200 with the model, the cold start flag and the timings in its headers; count and log it."""
    count(PREDICTIONS)
    milliseconds(PREDICT_LATENCY, sum(timings.steps_ms.values()))
    logger.info("predicted", model=str(model.ref), **timings.rounded())
    headers = {
        "Lambent-Model": str(model.ref),
        "Lambent-Cold-Start": str(_invocations == 1).lower(),
        "Server-Timing": timings.header(),
    }
    return json_answer(body, headers=headers)
