"""What a call of CloudFormation brings with it, as moto has parsed it: template, parameters, tags."""

from __future__ import annotations

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.cloudformation.utils import generate_stack_id
from moto.s3.models import s3_backends

from lambent_toolkit.sandbox.options import ACCOUNT_ID
from lambent_toolkit.sandbox.stack_parameters import TemplateRefused
from lambent_toolkit.sandbox.stack_template import StackTemplate

REVIEW = "REVIEW_IN_PROGRESS"


def read_template(call: CloudFormationResponse, name: str, stack: Stack | None) -> StackTemplate:
    """Return the template that a call brings, with what its parameters come to; raises ValidationError.

    Parameters
    ----------
    call : CloudFormationResponse
    name : str             the stack's
    stack : Stack | None   the stack as it is, for values and templates that are to stay
    """
    given = {}
    for each in call._get_param("Parameters", []):  # noqa: SLF001
        key = each["ParameterKey"]
        if each.get("UsePreviousValue"):
            if stack is None or key not in stack.parameters:
                raise ValidationError(message=f"Invalid input for parameter key {key}. No previous value to use.")
            given[key] = stack.parameters[key]
        else:
            given[key] = each["ParameterValue"]
    try:
        return StackTemplate.read(_text(call, stack), given, stack_name=name)
    except TemplateRefused as exc:
        raise ValidationError(message=str(exc)) from exc


def _text(call: CloudFormationResponse, stack: Stack | None) -> str:
    if stack is not None and call._get_bool_param("UsePreviousTemplate", False):  # noqa: SLF001
        return str(stack.template)
    if url := call._get_param("TemplateURL"):  # noqa: SLF001
        return _from_s3(url)
    body = call._get_param("TemplateBody")  # noqa: SLF001
    if not body:
        raise ValidationError(message="Either Template URL or Template Body must be specified.")
    return str(body)


def _from_s3(url: str) -> str:
    """Read a template by its path-style address."""
    bucket, _, key = url.split("://", 1)[1].partition("/")[2].partition("?")[0].partition("/")
    found = s3_backends[ACCOUNT_ID]["aws"].get_object(bucket, key)
    if found is None:
        raise ValidationError(message="S3 error: The specified key does not exist.")
    return str(found.value.decode())


def stack_of_set(backend: CloudFormationBackend, name: str, kind: str) -> Stack | None:
    """Return the stack that a change set of this kind is for, None for a new one; raises ValidationError."""
    stack = next((each for each in backend.stacks.values() if name in {each.name, each.stack_id}), None)
    if kind == "UPDATE":
        if stack is None or stack.status == REVIEW:
            raise ValidationError(message=f"Stack [{name}] does not exist")
        if stack.status == "ROLLBACK_COMPLETE":
            raise ValidationError(
                message=f"Stack:{stack.stack_id} is in ROLLBACK_COMPLETE state and can not be updated."
            )
    elif stack is not None and stack.status != REVIEW:
        raise ValidationError(message=f"Stack [{name}] already exists and cannot be created again.")
    return stack


def new_stack(backend: CloudFormationBackend, name: str, parameters: dict[str, str], tags: dict[str, str]) -> Stack:
    """Make a stack without resources."""
    stack = Stack(
        stack_id=generate_stack_id(name, backend.region_name, ACCOUNT_ID),
        name=name,
        template={},
        parameters=parameters,
        account_id=ACCOUNT_ID,
        region_name=backend.region_name,
        tags=tags,
        cross_stack_resources=backend.exports,
    )
    backend.stacks[stack.stack_id] = stack
    return stack


def tags_of(call: CloudFormationResponse) -> dict[str, str]:
    """Return a call's tags."""
    return {each["Key"]: each["Value"] for each in call._get_param("Tags", [])}  # noqa: SLF001
