"""Events of uploads into their tenants' groups.

S3 sends its events without a group, so to a queue each of them is a tenant of its own, and whoever uploads most is
served most. Telling whose an event is takes no look at its object: it goes on at once, in its tenant's group, to a
queue where those of tenants who take little of the consumers' time come first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lambent.contracts.object_events import ObjectEvent, read_object_events
from lambent.domain.names import parse_upload_key
from lambent.errors import LambentError, Unavailable
from lambent.ports import Queue

# For those who look at a message in its queue; what an upload's tenant is says its key.
TENANT_ATTRIBUTE = "tenant"


@dataclass(frozen=True)
class UploadEvent:
    """A message of the upload queue.

    Parameters
    ----------
    is_opaque   whether it is passed on without a look into it, since that may be what it does not survive
    """

    message_id: str
    body: str
    is_opaque: bool = False


class SortUploadsService:
    """Sends events on to the queue ``sorted_events``."""

    def __init__(self, sorted_events: Queue) -> None:
        self._sorted = sorted_events

    def sort(self, events: Sequence[UploadEvent]) -> dict[str, Unavailable]:
        """Send events on, each in its tenant's group; those of no tenant, or of several, have none.

        What is no upload at all goes on, too: whoever works on uploads says why it takes none of it.

        Returns
        -------
        dict   ids of the messages that may not have been sent, with the reason; one that is sent twice is the same
               upload, which has one outcome
        """
        groups: defaultdict[str | None, list[UploadEvent]] = defaultdict(list)
        for event in events:
            groups[None if event.is_opaque else tenant_of(event.body)].append(event)
        failed: dict[str, Unavailable] = {}
        for tenant, members in groups.items():
            attributes = {} if tenant is None else {TENANT_ATTRIBUTE: tenant}
            try:
                bodies = (each.body.encode(errors="replace") for each in members)
                self._sorted.send_all(bodies, group=tenant, attributes=attributes)
            except Unavailable as error:
                failed |= {each.message_id: error for each in members}
        return failed


def tenant_of(body: str) -> str | None:
    """Return the one tenant below whose prefix all the objects lie that a message tells of; None without such a one."""
    try:
        events = read_object_events(body)
        tenants = {parse_upload_key(each.key)[0] if isinstance(each, ObjectEvent) else None for each in events}
    except LambentError:
        return None
    return tenants.pop() if len(tenants) == 1 else None
