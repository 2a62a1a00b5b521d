"""stack.json: how programs find a running local stack."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.errors import StackNotRunning
from lambent_toolkit.sandbox.function_spec import short_name
from lambent_toolkit.sandbox.options import ADMINISTRATOR_KEY
from lambent_toolkit.sandbox.private_files import private_open

FILE_NAME = "stack.json"
# Of the account's owner, who may do all.
CREDENTIALS = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), ADMINISTRATOR_KEY)


@dataclass(frozen=True)
class StackInfo:
    """One running local stack, as written to stack.json.

    What programs of any stack ask for is told in `stacks.Stack`.

    Parameters
    ----------
    name : str          name of the CloudFormation stack in the storage
    url : str           HTTP door, without a slash at its end
    api_key : str       value for the `x-api-key` header
    api_key_id : str    the key's id, as a function sees it in requestContext.identity.apiKeyId
    endpoint : str      AWS endpoint for boto3 (`AWS_ENDPOINT_URL`): storage, queues, Lambda, AWS Batch
    region : str        AWS region of everything in the stack
    buckets : dict      models, data -> bucket name
    queues : dict       upload, infer, batch, and e.g. batch_dead_letter -> queue URL
    table : str         DynamoDB table name
    topic : str         ARN of the SNS topic of job notifications
    functions : dict    predict, jobs, ... -> Lambda function name
    logs : str          folder with one log file per function, and one per Batch attempt under batch/
    retry_scale : float part of AWS's waiting time before a retry that this stack waits
    pid : int           process id of the supervisor
    resources : dict    logical id -> physical id of everything that the template made
    secret : str        what `/_lambent/` of the endpoint wants to see, in the field X-Lambent-Secret
    """

    name: str
    url: str
    api_key: str
    api_key_id: str
    endpoint: str
    region: str
    buckets: dict[str, str]
    queues: dict[str, str]
    table: str
    topic: str
    functions: dict[str, str]
    logs: str
    retry_scale: float
    pid: int
    resources: dict[str, str]
    secret: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine: always."""
        return True

    def facts(self) -> dict[str, str]:
        """Return what `lambent status` tells of it."""
        return {
            "stack": f"{self.name}, local",
            "url": self.url,
            "key": self.api_key,
            "endpoint": self.endpoint,
            "logs": self.logs,
            "process": str(self.pid),
        }

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of `service` that talks to this stack."""
        import boto3  # costs a second, and reading stack.json should not

        return boto3.client(service, endpoint_url=self.endpoint, region_name=self.region, **{**CREDENTIALS, **options})

    def environment(self) -> dict[str, str]:
        """Return environment variables that let any AWS SDK or CLI talk to this stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            **{name.upper(): value for name, value in CREDENTIALS.items()},
        }

    def write(self, state_dir: Path) -> None:
        """Write stack.json in one step, so that a reader never sees half of it."""
        draft = state_dir / f".{FILE_NAME}.{os.getpid()}"
        with private_open(draft, "w") as file:
            file.write(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(state_dir / FILE_NAME)

    @classmethod
    def load(cls, state_dir: Path) -> StackInfo:
        """Read stack.json of a running stack.

        Raises
        ------
        StackNotRunning   there is no such file, it cannot be read, or its supervisor is gone
        """
        try:
            info = cls(**json.loads((state_dir / FILE_NAME).read_text()))
        except (FileNotFoundError, NotADirectoryError):
            raise StackNotRunning(f"no local stack runs in {state_dir}; start one with `lambent up`") from None
        except (TypeError, ValueError) as exc:
            raise StackNotRunning(
                f"{state_dir / FILE_NAME} is not of this release: end that stack, or start another by `lambent up`"
            ) from exc
        if not is_alive(info.pid):
            raise StackNotRunning(f"the local stack of {state_dir} is gone (process {info.pid}); run `lambent up`")
        return info


def named_resources(kinds: Mapping[str, tuple[str, str]], kind: str, suffix: str) -> dict[str, str]:
    """Return e.g. models -> bucket name, batch_dead_letter -> queue URL, by logical id without its suffix.

    Parameters
    ----------
    kinds : dict   logical id -> CloudFormation type, physical id
    """
    return {
        short_name(logical_id.removesuffix(suffix) or logical_id): physical_id
        for logical_id, (each, physical_id) in kinds.items()
        if each == kind
    }


def is_alive(pid: int) -> bool:
    """Tell whether process `pid` exists and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
