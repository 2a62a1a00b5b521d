"""AWS Batch's "Batch Job Queue Blocked" events: remembered for whoever asks why a job does not run."""

from __future__ import annotations

from lambent.domain.waiting import QueueBlock
from lambent.ports import BlockStore, Clock

# A block is told again while it lasts; what was told a day ago is no news.
_REMEMBERED_S = 86_400


class NoteBlockService:
    """Remembers the latest block of the GPU lane's queue."""

    def __init__(self, *, blocks: BlockStore, clock: Clock) -> None:
        self._blocks = blocks
        self._clock = clock

    def note(self, block: QueueBlock) -> None:
        """Remember a block; one that comes late or twice changes nothing. Raises Unavailable."""
        self._blocks.record(block, expires_at_s=int(self._clock.epoch_s()) + _REMEMBERED_S)
