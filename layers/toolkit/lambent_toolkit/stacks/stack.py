"""What a stack is to everything that talks to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Door:
    """Where a stack answers, and the key to say."""

    url: str
    api_key: str


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
