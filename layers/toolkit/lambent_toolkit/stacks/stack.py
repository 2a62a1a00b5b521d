"""What a stack is to everything that talks to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from lambent_toolkit.stacks.errors import StackUnusable


@dataclass(frozen=True)
class Door:
    """Where a stack answers, and the key to say; raises StackUnusable for what no request can carry."""

    url: str
    api_key: str = field(repr=False)

    def __post_init__(self) -> None:
        """Look at both before a client shows them in words of its own."""
        check_url(self.url)
        if not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key == self.api_key.strip()):
            raise StackUnusable(
                "The API key holds a space, a line break or another character that no key has: see LAMBENT_API_KEY."
            )


def check_url(url: str) -> None:
    """Raise StackUnusable for what is no address of an HTTP door."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_one = False
    if not is_one or not url.isprintable() or " " in url:
        raise StackUnusable(f"{url!r} is no address of a stack, like https://ai.example/prod: see LAMBENT_URL.")


class Stack(Protocol):
    """A stack, local (`sandbox.StackInfo`) or deployed (`stacks.DeployedStack`).

    Attributes
    ----------
    name : str         the stack's name, as CloudFormation knows it
    url : str          HTTP door with its stage, without a slash at its end
    api_key : str      value for the `x-api-key` header: the key that the stack made for its default tenant. Of a
                       deployed stack it is asked for when it is first read, which takes a right of its own; may raise
                       StackError
    api_key_id : str   the key's id, as a function sees it in requestContext.identity.apiKeyId
    region : str       AWS Region of everything in the stack
    buckets : dict     models, data -> bucket name
    queues : dict      upload, infer, batch, and e.g. batch_dead_letter -> queue URL
    table : str        DynamoDB table name
    topic : str        ARN of the SNS topic of job notifications
    functions : dict   predict, jobs, ... -> Lambda function name
    resources : dict   logical id -> physical id of everything that the template made
    is_local : bool    whether it runs on this machine
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - all are told above

    @property
    def url(self) -> str: ...  # noqa: D102

    @property
    def api_key(self) -> str: ...  # noqa: D102

    @property
    def api_key_id(self) -> str: ...  # noqa: D102

    @property
    def region(self) -> str: ...  # noqa: D102

    @property
    def buckets(self) -> dict[str, str]: ...  # noqa: D102

    @property
    def queues(self) -> dict[str, str]: ...  # noqa: D102

    @property
    def table(self) -> str: ...  # noqa: D102

    @property
    def topic(self) -> str: ...  # noqa: D102

    @property
    def functions(self) -> dict[str, str]: ...  # noqa: D102

    @property
    def resources(self) -> dict[str, str]: ...  # noqa: D102

    @property
    def is_local(self) -> bool: ...  # noqa: D102

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of `service` that talks to this stack's account, Region and endpoint."""
        ...

    def environment(self) -> dict[str, str]:
        """Return environment variables that let any AWS SDK or CLI talk to this stack."""
        ...

    def facts(self) -> dict[str, str]:
        """Return what `lambent status` tells of it, by name."""
        ...
