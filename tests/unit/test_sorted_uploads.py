"""Messages of the upload queue into their tenants' groups, where others wait."""

import json

import pytest

from lambent.domain.waiting import QueueDepth
from lambent.errors import Unavailable
from lambent.runtime.tenant_groups import without_sorted
from lambent.services.sort_uploads import BACKLOG_KNOWN_S, BACKLOG_MESSAGES, SortUploadsService, tenant_of
from lambent_toolkit.fakes import FakeClock, FakeQueue

BACKLOG = QueueDepth(BACKLOG_MESSAGES, 0)


class Gauge:
    """Tells a depth that a test chooses."""

    def __init__(self, depth: QueueDepth = BACKLOG) -> None:
        self.told = depth
        self.asked = 0

    def depth(self) -> QueueDepth:
        self.asked += 1
        return self.told


class Silent(FakeQueue):
    """A queue that takes nothing."""

    def send_all(self, *_: object, **__: object) -> None:
        raise Unavailable("The queue does not answer; try again.")


def uploaded(*keys: str) -> str:
    records = [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "data"}, "object": {"key": key, "eTag": "e"}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def event(*bodies: str, sorted_for: str | None = None, received: int = 1) -> dict[str, list[dict[str, object]]]:
    mark = {} if sorted_for is None else {"tenant": {"dataType": "String", "stringValue": sorted_for}}
    return {
        "Records": [
            {
                "messageId": str(number),
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(received)},
                "messageAttributes": mark,
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def sorter(queue: FakeQueue, gauge: Gauge | None = None, clock: FakeClock | None = None) -> SortUploadsService:
    return SortUploadsService(queue, gauge=gauge or Gauge(), clock=clock or FakeClock())


def left(service: SortUploadsService, told: dict[str, list[dict[str, object]]]) -> list[object]:
    return [each["messageId"] for each in without_sorted(told, lambda: service)["Records"]]


def test_in_a_backlog_each_message_goes_back_in_the_group_of_its_tenant() -> None:
    queue = FakeQueue()
    bodies = [uploaded(f"inbox/{tenant}/digits/{n}.png") for n, tenant in enumerate(("acme", "other", "acme"))]

    assert left(sorter(queue), event(*bodies)) == []
    assert sorted(zip(queue.groups, queue.sent, strict=True)) == sorted(
        (tenant, (body.encode(), {"tenant": tenant}))
        for body, tenant in zip(bodies, ("acme", "other", "acme"), strict=True)
    )


def test_a_message_goes_back_once() -> None:
    queue = FakeQueue()
    service = sorter(queue)
    body = uploaded("inbox/acme/digits/a.png")
    left(service, event(body))
    ((sent, attributes),) = queue.sent

    assert left(service, event(sent.decode(), sorted_for=attributes["tenant"])) == ["0"]
    assert len(queue.sent) == 1


def test_a_message_that_was_received_before_stays_since_a_new_one_would_count_from_one() -> None:
    queue = FakeQueue()

    assert left(sorter(queue), event(uploaded("inbox/acme/digits/a.png"), received=2)) == ["0"]
    assert queue.sent == []


def test_without_a_backlog_nothing_takes_the_way_round() -> None:
    queue = FakeQueue()
    service = sorter(queue, Gauge(QueueDepth(BACKLOG_MESSAGES - 1, 1000)))

    assert left(service, event(uploaded("inbox/acme/digits/a.png"))) == ["0"]
    assert queue.sent == []


def test_a_backlog_is_known_for_a_second_and_none_is_asked_for_each_time() -> None:
    queue, gauge, clock = FakeQueue(), Gauge(), FakeClock()
    service, told = sorter(queue, gauge, clock), event(uploaded("inbox/acme/digits/a.png"))
    left(service, told)
    gauge.told = QueueDepth(0, 0)

    during = left(service, told)
    clock.advance(BACKLOG_KNOWN_S)
    after = [left(service, told), left(service, told)]

    assert (during, after, gauge.asked, len(queue.sent)) == ([], [["0"], ["0"]], 3, 2)


def test_messages_of_no_one_tenant_stay_and_meet_what_they_would_have_met() -> None:
    queue = FakeQueue()
    bodies = [
        "not json",
        json.dumps({"Event": "s3:TestEvent"}),
        uploaded("elsewhere/acme/digits/a.png"),
        uploaded("inbox/acme/digits/a.png", "inbox/other/digits/b.png"),
        uploaded("inbox/acme/digits/a.png"),
    ]

    assert left(sorter(queue), event(*bodies)) == ["0", "1", "2", "3"]
    assert queue.groups == ["acme"]


def test_where_the_queue_takes_nothing_messages_are_handled_at_once() -> None:
    assert left(sorter(Silent()), event(uploaded("inbox/acme/digits/a.png"))) == ["0"]


@pytest.mark.parametrize(
    ("key", "tenant"),
    [
        ("inbox/acme/digits/a+b%2F.png", "acme"),
        ("inbox/a%2Fb/digits/c.png", "a"),
        ("inbox/ACME/digits/c.png", None),
        ("results/acme/digits/c.png", None),
    ],
)
def test_a_tenant_is_the_one_below_whose_prefix_the_object_lies(key: str, tenant: str | None) -> None:
    assert tenant_of(uploaded(key)) == tenant
