"""What a caller may choose about a local stack."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lambent_toolkit.sandbox.errors import BrokenTemplate

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
STACK_NAME = "lambent-local"
# The Python that functions run with here, whichever of the two that Lambda offers this environment was made from.
PYTHON_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Access key, secret and session token of the account's owner, who may do all.
ADMINISTRATOR_KEY = "local"
# What the product's template needs to be told here: functions are built for this Python, the GPU lane runs, from
# sources and not from a registry, and webhooks may go to a receiver on this machine.
LOCAL_PARAMETERS = {
    "PythonVersion": PYTHON_VERSION,
    "GpuEnabled": "true",
    "WorkerImageUri": f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com/lambent-worker:local",
    "WebhookTrustedHosts": "localhost",
}
# Lambda's bound of an event source's MaximumConcurrency.
LEAST_CONCURRENCY = 2
# A minute of waiting on AWS becomes a second here; see `StackOptions.retry_scale`.
DEFAULT_RETRY_SCALE = 1 / 60


@dataclass(frozen=True)
class StackOptions:
    """Choices for one local stack.

    Parameters
    ----------
    root : Path                   folder that holds the template
    template : str                template file, relative to `root`
    state_dir : Path              where stack.json, logs and scratch folders go
    port : int                    port of the HTTP door; 0 takes any free one
    parameters : dict             template parameters to override, beside `local_parameters`
    retry_scale : float           part of AWS's waiting time before a retry that is really waited: what is left
                                  of an SQS visibility timeout after a failed record, and the pause before an
                                  asynchronous invocation is tried again; 1 waits as AWS does
    max_environments : int        execution environments of one function without reserved concurrency
    account_concurrency : int     invocations of all functions together that run at once; above it they are
                                  throttled. 1000 is AWS's default, and many new accounts have 10
    idle_s : float                seconds after which an idle environment is reaped (one stays warm)
    init_timeout_s : float        limit of an environment's start; 10 on AWS, longer here because many
                                  functions may start at once on few processors
    batch_slots : int             AWS Batch attempts that run at once
    sam_deploy : bool             make the resources by the real `sam deploy`, in some seconds more, and run what it
                                  has uploaded
    kill_grace_s : float          seconds from SIGTERM to SIGKILL for a Batch attempt (30 on AWS)
    is_iam_enforced : bool        every call is judged by the template's policies
    """

    root: Path
    state_dir: Path
    template: str = "template.yaml"
    port: int = 0
    parameters: dict[str, str] = field(default_factory=dict)
    retry_scale: float = DEFAULT_RETRY_SCALE
    max_environments: int = max(4, 2 * (os.cpu_count() or 1))
    account_concurrency: int = 1000
    idle_s: float = 300.0
    init_timeout_s: float = 60.0
    batch_slots: int = os.cpu_count() or 1
    kill_grace_s: float = 30.0
    sam_deploy: bool = False
    is_iam_enforced: bool = True

    @property
    def local_parameters(self) -> dict[str, str]:
        """What the template is told here: `LOCAL_PARAMETERS`, and that queues have the environments that there are.

        Were there fewer than ``QueueConcurrency`` says, the places that are left to other tenants would be missing.
        """
        return {**LOCAL_PARAMETERS, "QueueConcurrency": str(max(LEAST_CONCURRENCY, self.max_environments))}

    @property
    def template_path(self) -> Path:
        """The template's file."""
        return self.root / self.template

    @property
    def cache_dir(self) -> Path:
        """Where builds are kept, shared by every stack of this root."""
        return self.root / ".aws-sam"


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` upwards and then from this package, that holds template.yaml.

    Raises
    ------
    BrokenTemplate   there is none
    """
    here = (start or Path.cwd()).resolve()
    for folder in [here, *here.parents, *Path(__file__).resolve().parents]:
        if (folder / "template.yaml").is_file():
            return folder
    raise BrokenTemplate(f"no template.yaml in {here} or above it")
