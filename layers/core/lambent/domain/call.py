"""One call of the data plane, whatever brought it: a request at the door now, or a stored one taken from a queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lambent.domain.model import ModelChoice, ModelRef
from lambent.domain.rollout import body_key


class Operation(StrEnum):
    """What a call asks for, by protocol."""

    OIP_INFER = "oip_infer"
    TFS_PREDICT = "tfs_predict"
    TFS_CLASSIFY = "tfs_classify"
    TFS_REGRESS = "tfs_regress"
    MEDIA_PREDICT = "media_predict"


# Of an answer by a label that has a canary: whether it was the canary that answered.
CANARY_HEADER = "Lambent-Canary"
# The only request headers that change an answer; lower case.
CALL_HEADERS = ("accept", "accept-encoding", "content-encoding", "content-type", "inference-header-content-length")


@dataclass(frozen=True)
class Call:
    """A request without its transport.

    Parameters
    ----------
    operation, choice
    body : bytes    as sent, still with its content encoding
    headers         those of CALL_HEADERS that were sent, by lower-case name
    query           query parameters, the last value of each
    request_key     what the caller wants to be routed by, so that requests with one key get one version
    """

    operation: Operation
    choice: ModelChoice
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    request_key: str | None = None

    def routing_key(self) -> str:
        """Return what decides between a label's versions: the caller's key, or else the body as sent."""
        return self.request_key or body_key(self.body)


@dataclass(frozen=True)
class CallAnswer:
    """The successful answer of a call.

    Parameters
    ----------
    body, content_type
    model          the version that answered
    headers        further headers that belong to the body, such as Inference-Header-Content-Length
    """

    body: bytes
    content_type: str
    model: ModelRef
    headers: Mapping[str, str] = field(default_factory=dict)
