"""Messages of the upload queue into their tenants' groups, on their way to PreprocessFunction."""

import json
from collections.abc import Iterable, Mapping

import pytest

from lambent.errors import Unavailable
from lambent.services.sort_uploads import SortUploadsService, UploadEvent, tenant_of
from lambent_toolkit.fakes import FakeQueue


class Refusing(FakeQueue):
    """A queue that takes nothing of some groups."""

    def __init__(self, *groups: str | None) -> None:
        super().__init__()
        self._refused = groups

    def send_all(
        self, bodies: Iterable[bytes], *, group: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        if group in self._refused:
            raise Unavailable("The queue does not answer; try again.")
        super().send_all(bodies, group=group, attributes=attributes)


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


def events(*bodies: str) -> list[UploadEvent]:
    return [UploadEvent(str(number), body) for number, body in enumerate(bodies)]


def passed_on(queue: FakeQueue) -> list[tuple[str | None, str, dict[str, str]]]:
    return [
        (group, body.decode(), attributes) for group, (body, attributes) in zip(queue.groups, queue.sent, strict=True)
    ]


def test_each_message_goes_on_as_it_is_in_the_group_of_its_tenant() -> None:
    queue, tenants = FakeQueue(), ("acme", "other", "acme")
    bodies = [uploaded(f"inbox/{tenant}/digits/{n}.png") for n, tenant in enumerate(tenants)]

    failed = SortUploadsService(queue).sort(events(*bodies))

    assert failed == {}
    assert sorted(passed_on(queue), key=str) == sorted(
        ((tenant, body, {"tenant": tenant}) for tenant, body in zip(tenants, bodies, strict=True)), key=str
    )


def test_what_is_of_no_one_tenant_goes_on_without_a_group_and_meets_what_it_would_have_met() -> None:
    queue = FakeQueue()
    bodies = [
        "not json",
        json.dumps({"Event": "s3:TestEvent"}),
        uploaded("elsewhere/acme/digits/a.png"),
        uploaded("inbox/acme/digits/a.png", "inbox/other/digits/b.png"),
    ]

    SortUploadsService(queue).sort(events(*bodies))

    assert passed_on(queue) == [(None, body, {}) for body in bodies]


def test_only_the_messages_that_were_not_taken_come_back() -> None:
    queue = Refusing("acme", None)
    bodies = [
        uploaded("inbox/acme/digits/a.png"),
        uploaded("inbox/other/digits/b.png"),
        "not json",
        uploaded("inbox/acme/digits/c.png"),
    ]

    failed = SortUploadsService(queue).sort(events(*bodies))

    assert failed.keys() == {"0", "2", "3"}
    assert passed_on(queue) == [("other", bodies[1], {"tenant": "other"})]


def test_a_message_that_may_end_the_process_which_looks_into_it_goes_on_unread() -> None:
    queue, body = FakeQueue(), uploaded("inbox/acme/digits/a.png")

    SortUploadsService(queue).sort([UploadEvent("0", body, is_opaque=True), UploadEvent("1", body)])

    assert passed_on(queue) == [(None, body, {}), ("acme", body, {"tenant": "acme"})]


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
