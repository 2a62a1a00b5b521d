"""A session of the AWS SDK, in the Region that a person means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lambent_toolkit.stacks.errors import telling_aws_errors


def aws_session(
    *, region: str | None = None, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> Any:
    """Return a boto3 session; its `region_name` is None where nothing says which.

    Parameters
    ----------
    region    None takes AWS_REGION, then what boto3 finds: AWS_DEFAULT_REGION, the profile's
    profile   None takes the SDK's own: AWS_PROFILE, the default one
    environ   None takes the process's

    Raises
    ------
    StackError
    """
    import boto3  # costs a second, and `lambent --help` should not

    variables = os.environ if environ is None else environ
    # The AWS CLI and the other SDKs know this name, boto3 does not.
    said = region or variables.get("AWS_REGION") or None
    with telling_aws_errors():
        return boto3.Session(region_name=said, profile_name=profile)
