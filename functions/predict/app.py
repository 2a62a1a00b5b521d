"""PredictFunction: the HTTP data plane."""

import gc
from typing import Any

# What imports make stays: collecting among it takes a tenth of a cold start's processor time, and finds nothing.
gc.disable()

from lambent.runtime.held_work import Door, begin_held_work

work = begin_held_work()  # before the heavy imports, which both overlap

from lambent.runtime.preload import INIT_WAIT_S, await_preload, begin_preload

begin_preload()

from answers import answer_call, answer_other, begin_request
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.cors import share_answer
from lambent.runtime.foreign_requests import refuse_foreign
from lambent.runtime.http_event import HttpEvent
from lambent.runtime.time_left import ANSWER_WITHIN_S, at_the_door, waited_s

await_preload(INIT_WAIT_S)
work.await_ready()
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request; raises EventUnknown for what is none.

    No decorators of the logger and metrics as on the other functions: see `observability.record`.
    """
    begin_request(context.aws_request_id)
    with work.invocation():
        if (refusal := refuse_foreign(event, request_id=context.aws_request_id)) is not None:
            return refusal
        wait_s = max(0.0, ANSWER_WITHIN_S - waited_s(event))
        door = Door(work, wait_s, lambda: context.get_remaining_time_in_millis() / 1000)
        with at_the_door(context, event):
            answer = answer_call(HttpEvent(event), door)
            proxied = answer_other(event, context, door) if answer is None else answer.to_proxy()
    return share_answer(proxied, event)
