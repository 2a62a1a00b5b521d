"""What the stack needs to know to run one Lambda function, and the environment its processes get."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambent_toolkit.sandbox.iam.credentials import ADMINISTRATOR, Credentials
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

MIB = 1024 * 1024


@dataclass(frozen=True)
class FunctionSpec:
    """One Lambda function of the template, with everything resolved.

    Parameters
    ----------
    logical_id : str          e.g. JobEventsFunction
    name : str                its Lambda name, e.g. lambent-local-JobEventsFunction-...
    handler : str             e.g. app.handler
    task_root : Path          folder that `sam build` made
    layer_paths : tuple       `python` folders of the layers, the order of the template
    timeout_s, memory_mib : int
    reserved_concurrency : int | None
    environment : Mapping     the function's own variables
    log_format : str          Text or JSON, how the runtime writes log records
    log_level : str | None    lowest level of its records in Lambda's words, None without one
    may_recurse : bool        Lambda's guard lets it run again and again for one event (RecursiveLoop: Allow)
    async_retries : int       tries after the first of an asynchronous invocation (2 on AWS)
    on_failure : str | None   ARN of the queue that gets an event whose tries all failed
    is_destination : bool     `on_failure` is a destination, which gets a record, not a dead-letter queue
    role_arn : str            its execution role
    """

    logical_id: str
    name: str
    handler: str
    task_root: Path
    layer_paths: tuple[Path, ...]
    timeout_s: int
    memory_mib: int
    environment: Mapping[str, str]
    log_format: str = "Text"
    log_level: str | None = None
    may_recurse: bool = False
    reserved_concurrency: int | None = None
    async_retries: int = 2
    on_failure: str | None = None
    is_destination: bool = False
    role_arn: str = ""

    @property
    def arn(self) -> str:
        """The function's ARN, as the event and the context show it."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self.name}"

    @property
    def short_name(self) -> str:
        """Name of its log file and for `lambent logs`, e.g. job_events."""
        return short_name(self.logical_id)


def short_name(logical_id: str) -> str:
    """Turn JobEventsFunction into job_events."""
    stem = logical_id.removesuffix("Function") or logical_id
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()


@dataclass(frozen=True)
class RuntimePaths:
    """Folders that every function of a stack shares.

    Parameters
    ----------
    runtime_dir : Path     holds `awslambdaric`, the stand-in for AWS's /var/runtime
    scratch_dir : Path     parent of the private /tmp of each environment
    """

    runtime_dir: Path
    scratch_dir: Path


def base_interpreter() -> str:
    """Return the Python that this virtual environment was made from; it has none of the environment's packages."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def process_environment(
    spec: FunctionSpec,
    *,
    paths: RuntimePaths,
    endpoint: str,
    runtime_api: str,
    home: Path,
    credentials: Credentials = ADMINISTRATOR,
) -> dict[str, str]:
    """Build a function process's environment from nothing, so that the developer's own never leaks in."""
    python_path = [spec.task_root, *spec.layer_paths, paths.runtime_dir]
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": ":".join(map(str, python_path)),
        # As on Lambda, where /var/task and /opt are read-only: bytecode is there when it was built.
        "PYTHONDONTWRITEBYTECODE": "1",
        # One BLAS thread: others would reserve memory that RLIMIT_DATA counts.
        "OPENBLAS_NUM_THREADS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict(spec.environment),
        **_lambda_variables(spec, runtime_api),
        **credentials.environment(),
        "AWS_ENDPOINT_URL": endpoint,
    }


def _lambda_variables(spec: FunctionSpec, runtime_api: str) -> dict[str, str]:
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": spec.log_format,
        **({} if spec.log_level is None else {"AWS_LAMBDA_LOG_LEVEL": spec.log_level}),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[$LATEST]{runtime_api.rpartition(':')[2]}",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(spec.task_root),
        "_HANDLER": spec.handler,
    }
