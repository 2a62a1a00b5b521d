"""Messages of the upload queue into their tenants' groups.

S3 sends its events without a group, so to the queue each of them is a tenant of its own, and whoever uploads most is
served most. Telling whose a message is takes no look at its object: it goes back to the queue at once, in its tenant's
group, where those of tenants who take little of the function's time come first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from lambent.contracts.object_events import ObjectEvent, read_object_events
from lambent.domain.names import parse_upload_key
from lambent.errors import LambentError
from lambent.ports import Clock, Queue, QueueGauge

# With fewer in the queue, whoever is last in it is next soon.
BACKLOG_MESSAGES = 10
# For so long nobody asks again how deep the queue is: asking takes as long as sending.
BACKLOG_KNOWN_S = 1.0
# The attribute of a message that was sorted. Not the group itself: a message must not go round for want of it.
SORTED_ATTRIBUTE = "tenant"


class SortUploadsService:
    """Sends messages back to the queue that they came from, whose depth ``gauge`` tells."""

    def __init__(self, queue: Queue, *, gauge: QueueGauge, clock: Clock) -> None:
        self._queue = queue
        self._gauge = gauge
        self._clock = clock
        self._backlog_until_s = 0.0

    def sort(self, bodies: Mapping[str, str]) -> frozenset[str]:
        """Send messages again, each in its tenant's group, if the queue has a backlog.

        Parameters
        ----------
        bodies   of messages that were not sorted before, by their ids

        Returns
        -------
        frozenset   ids of those that were sent again; the others tell of no tenant's objects, or of several tenants'

        Raises
        ------
        Unavailable   not all were sent; those that were are there twice
        """
        if not self._has_backlog():
            return frozenset()
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for message_id, body in bodies.items():
            tenant = tenant_of(body)
            if tenant is not None:
                groups[tenant].append(message_id)
        for tenant, ids in groups.items():
            sent = (bodies[each].encode(errors="replace") for each in ids)
            self._queue.send_all(sent, group=tenant, attributes={SORTED_ATTRIBUTE: tenant})
        return frozenset(each for ids in groups.values() for each in ids)

    def _has_backlog(self) -> bool:
        now_s = self._clock.epoch_s()
        if now_s >= self._backlog_until_s and self._gauge.depth().waiting >= BACKLOG_MESSAGES:
            self._backlog_until_s = now_s + BACKLOG_KNOWN_S
        return now_s < self._backlog_until_s


def tenant_of(body: str) -> str | None:
    """Return the one tenant below whose prefix all the objects lie that a message tells of; None without such a one."""
    try:
        events = read_object_events(body)
        tenants = {parse_upload_key(each.key)[0] if isinstance(each, ObjectEvent) else None for each in events}
    except LambentError:
        return None
    return tenants.pop() if len(tenants) == 1 else None
