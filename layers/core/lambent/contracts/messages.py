"""What travels on InferQueue."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lambent.contracts.decoding import decode_json
from lambent.errors import EnvelopeInvalid, LambentError

# As `domain.names` has it: keys of rows and objects are made of it, whoever has put a message into a queue.
TenantName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z")]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    schema_version: Literal[1] = 1
    tenant: TenantName


class TensorMessage(_Message, frozen=True, kw_only=True, tag="tensor"):
    """One preprocessed upload; the tensor lies in the data bucket as an .npz object of arrays by input name.

    ``is_canary`` says whether the version was its label's canary, None if the label had none; ``source_sequencer`` is
    S3's order of the events of one key, None where the event told none.
    """

    model: str
    version: Annotated[int, Meta(ge=1)]
    tensor_key: str
    result_stem: str
    source_key: str
    source_name: str
    source_etag: str
    is_canary: bool | None = None
    source_sequencer: str | None = None


class ShardMessage(_Message, frozen=True, kw_only=True, tag="shard"):
    """One shard of a CPU-lane job; its items lie beside the job's plan.

    ``slot`` is its place in the job's window, see `domain.shard_window`. ``is_suspect`` says that an item of it has
    ended a process, and that each is to be kept in one of its own until the shard's end.
    """

    job_id: str
    shard: Annotated[int, Meta(ge=0)]
    slot: Annotated[int, Meta(ge=0)] = 0
    is_suspect: bool = False


class CallMessage(_Message, frozen=True, kw_only=True, tag="call"):
    """One stored call of the data plane; the job's record says where its body lies."""

    job_id: str


InferMessage = TensorMessage | ShardMessage | CallMessage


def read_infer_message(body: str) -> InferMessage:
    """Return a message of InferQueue; raises EnvelopeInvalid for what is none."""
    try:
        return decode_json(body, InferMessage, what="inference message")  # type: ignore[arg-type]
    except LambentError as exc:
        raise EnvelopeInvalid(f"The message is no work for this queue. {exc.detail}", field=exc.field) from exc
