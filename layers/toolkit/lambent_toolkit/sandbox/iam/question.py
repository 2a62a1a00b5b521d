"""What is asked of the policies: whether a caller may do this to that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION


@dataclass(frozen=True)
class Question:
    """One action on one resource; a request may ask several, and all must be allowed.

    Parameters
    ----------
    action : str           e.g. s3:GetObject
    resource : str         its ARN, or `*`
    context : Mapping      condition keys, in lower case, and their values
    """

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request, as its protocol tells it.

    Parameters
    ----------
    service : str          as the signature names it, e.g. sqs
    operation : str        e.g. SendMessageBatch
    parameters : dict      of the operation
    path : str             of the address, for services that name their resources there
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    path: str = "/"
    method: str = "POST"


def arn(service: str, resource: str) -> str:
    """Return an ARN of the local stack's account and region."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def tag_context(kind: str, tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return condition keys for tags, e.g. of kind `resourcetag`."""
    return {f"aws:{kind}/{name.lower()}": (str(value),) for name, value in tags.items()}
