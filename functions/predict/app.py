"""PredictFunction: the HTTP data plane."""

import gc
from typing import Any

# What imports make stays: collecting among it takes a tenth of a cold start's processor time, and finds nothing.
gc.disable()

from lambent.runtime.preload import INIT_WAIT_S, await_preload, begin_preload

begin_preload()  # before the heavy imports, which it overlaps

from answers import answer_call, begin_request
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.cors import share_answer
from lambent.runtime.foreign_requests import refuse_foreign
from lambent.runtime.http_event import HttpEvent

await_preload(INIT_WAIT_S)
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request; raises EventUnknown for what is none.

    No decorators of the logger and metrics as on the other functions: see `observability.record`.
    """
    await_preload()
    begin_request(context.aws_request_id)
    if (refusal := refuse_foreign(event, request_id=context.aws_request_id)) is not None:
        return refusal
    answer = answer_call(HttpEvent(event))
    if answer is not None:
        return share_answer(answer.to_proxy(), event)
    from other_routes import resolver

    return share_answer(resolver().resolve(event, context), event)
