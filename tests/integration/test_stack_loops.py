"""Lambda's guard against endless loops, and a job of more shards than the guard lets a chain have links."""

import json
from uuid import uuid4

from test_stack_queues import in_dead_letters, marks

from lambent_toolkit.sandbox import LocalStack
from lambent_toolkit.sandbox.lineage import MAX_RUNS
from patience import wait_for


def start_chain(stack: LocalStack, queue: str, *, links: int) -> str:
    chain = uuid4().hex[:8]
    wish = {"id": f"1-{chain}", "do": "pass-on", "links": links}
    stack.client("sqs").send_message(QueueUrl=stack.info.queues[queue], MessageBody=json.dumps(wish))
    return chain


def test_a_function_that_sends_to_its_own_queue_is_stopped_after_sixteen_runs(machinery: LocalStack) -> None:
    chain = start_chain(machinery, "work", links=MAX_RUNS + 4)

    wait_for(lambda: in_dead_letters(machinery, f"{MAX_RUNS + 1}-{chain}"), what="the stopped link")

    assert [bool(marks(machinery, f"done/{link}-{chain}")) for link in (1, MAX_RUNS, MAX_RUNS + 1)] == [
        True,
        True,
        False,
    ]
    assert marks(machinery, f"tries/{MAX_RUNS + 1}-{chain}/") == []


def test_a_function_that_may_loop_goes_on(machinery: LocalStack) -> None:
    links = 2 * MAX_RUNS

    chain = start_chain(machinery, "loop", links=links)

    wait_for(lambda: marks(machinery, f"done/{links}-{chain}"), what="the chain's last link")


def test_a_chain_as_long_as_the_guard_allows_is_not_stopped(machinery: LocalStack) -> None:
    chain = start_chain(machinery, "work", links=MAX_RUNS)

    wait_for(lambda: marks(machinery, f"done/{MAX_RUNS}-{chain}"), what="the chain's last link")
