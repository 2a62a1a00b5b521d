"""Create the translated template in the storage, and put back what moto drops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambent_toolkit.sandbox.deployment import Deployment
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.iam.credentials import POLICIES_PATH
from lambent_toolkit.sandbox.iam.invoke_check import check_invocations
from lambent_toolkit.sandbox.iam.policy_check import check_policies
from lambent_toolkit.sandbox.options import REGION, STACK_NAME
from lambent_toolkit.sandbox.restore import put_back
from lambent_toolkit.sandbox.stack_info import CREDENTIALS
from lambent_toolkit.sandbox.template import TranslatedTemplate
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD

CREATED_PATH = "/_lambent/created"
RECORD_TIMEOUT_S = 300  # against what hangs; a busy machine is slow


def deploy(
    translated: TranslatedTemplate,
    *,
    parameters: dict[str, str],
    endpoint: str,
    secret: str,
    storage_log: Path,
    is_iam_enforced: bool = True,
) -> Deployment:
    """Create every resource of the template.

    Parameters
    ----------
    translated : TranslatedTemplate
    parameters : dict      overrides of the template's parameters
    endpoint : str         the storage's address
    secret : str           what the stack's own parts show each other
    storage_log : Path     named in the error when the storage stumbles
    is_iam_enforced        read all policies, and let buckets, queues and topics have theirs

    Raises
    ------
    BrokenTemplate   the storage cannot create a resource, or judge by one of the policies
    """
    session = Session(endpoint)
    cloudformation = session.client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=STACK_NAME,
            TemplateBody=json.dumps(translated.body),
            Parameters=_parameters(translated, parameters),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
    except (BotoCoreError, ClientError) as exc:
        # moto answers an unexpected error with an HTML page, which botocore cannot read.
        raise BrokenTemplate(f"the template could not be created; {storage_log} tells why: {exc}") from exc
    if reason := _why_failed(cloudformation):
        raise BrokenTemplate(f"the template could not be created; {storage_log} tells why: {reason}")
    record = read_record(endpoint, STACK_NAME, secret=secret)
    deployment = Deployment.from_record(record, translated.code)
    if is_iam_enforced:
        enforce_policies(deployment, endpoint, secret=secret)
    put_back(deployment, session.client)
    return deployment


def enforce_policies(deployment: Deployment, endpoint: str, *, secret: str) -> None:
    """Read all policies of a stack, and let its buckets, queues and topics have theirs.

    Raises
    ------
    BrokenTemplate   there is something in one of them by which it cannot be judged here
    """
    check_policies(deployment)
    check_invocations(deployment)
    shown = {SECRET_FIELD: secret}
    httpx.post(endpoint + POLICIES_PATH, json={}, headers=shown, timeout=RECORD_TIMEOUT_S).raise_for_status()


def _why_failed(cloudformation: Any) -> str:
    """Return what ended the stack's creation, nothing if it went well."""
    if cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE":
        return ""
    events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
    return next(each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED")


def read_record(endpoint: str, stack_name: str, *, secret: str) -> dict[str, Any]:
    """Return what the storage has made for a stack; see `CreatedResources.as_dict`."""
    url, shown = f"{endpoint}{CREATED_PATH}?{stack_name}", {SECRET_FIELD: secret}
    return dict(httpx.get(url, headers=shown, timeout=RECORD_TIMEOUT_S).raise_for_status().json())


class Session:
    """Makes boto3 clients for one endpoint, without retries: the storage is next door."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session = boto3.Session(region_name=REGION, **CREDENTIALS)

    def client(self, service: str) -> Any:
        """Return a client."""
        config = Config(retries={"total_max_attempts": 1})
        return self._session.client(service, endpoint_url=self._endpoint, config=config)  # type: ignore[call-overload]


def _parameters(translated: TranslatedTemplate, overrides: dict[str, str]) -> list[dict[str, str]]:
    """Return all parameters: moto converts numbers and lists of given values only, not of defaults."""
    declared = translated.body.get("Parameters", {})
    defaults = {name: str(each["Default"]) for name, each in declared.items() if "Default" in each}
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in {**defaults, **overrides}.items()]
