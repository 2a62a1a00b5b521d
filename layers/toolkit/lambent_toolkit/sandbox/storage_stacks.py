"""CloudFormation's stacks in the storage process: created, changed and deleted as AWS does, by `sam deploy` too.

moto's own way takes no SAM template, checks no parameter, makes a stack of a change set without outputs, and sees a
change only where a property itself changes. What it keeps for each resource stays; this decides what is made when.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.cloudformation.utils import generate_changeset_id
from moto.core.responses import ActionResult, EmptyResult

from lambent_toolkit.sandbox.options import ACCOUNT_ID
from lambent_toolkit.sandbox.stack_template import (
    CapabilityMissing,
    StackTemplate,
    TransformFailed,
    check_capabilities,
)
from lambent_toolkit.sandbox.storage_changes import StackChanges, template_of
from lambent_toolkit.sandbox.storage_stack_calls import REVIEW, new_stack, read_template, stack_of_set, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambent_toolkit.sandbox.storage_cloudformation import CreatedResources

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
# Before and after there are none; moto would make the resources that they name.
WITH_OUTPUTS = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}

log = logging.getLogger(__name__)

StackChange = Callable[[Stack, StackTemplate, dict[str, Any]], None]


class InsufficientCapabilities(CloudFormationError):
    """The template makes IAM resources that the caller has not acknowledged."""

    code = "InsufficientCapabilitiesException"


class InvalidChangeSetStatus(CloudFormationError):
    """The change set cannot be executed."""

    code = "InvalidChangeSetStatus"


class Stacks:
    """The calls that make, change and delete stacks.

    Parameters
    ----------
    record : CreatedResources
    tell : called with a stack's name once its resources are other ones; raises if what runs cannot follow
    """

    def __init__(self, record: CreatedResources, tell: Callable[[str], None]) -> None:
        self._record, self._tell = record, tell
        self._changes = StackChanges(record)
        self._one_at_a_time = threading.Lock()

    def install(self) -> None:
        """Answer these calls in moto's place, and list what was made: moto would make what it does not find."""
        for name in ("create_stack", "create_change_set", "execute_change_set", "update_stack", "delete_stack"):
            setattr(CloudFormationResponse, name, _method(getattr(self, name)))
        Stack.stack_resources = property(self._made)  # type: ignore[assignment]
        outputs = Stack.outputs.fget  # type: ignore[attr-defined]
        Stack.outputs = property(  # type: ignore[assignment]
            lambda stack: outputs(stack) if stack.status in WITH_OUTPUTS else None
        )

    def _made(self, stack: Stack) -> list[Any]:
        made = stack.resource_map._parsed_resources  # noqa: SLF001
        return [made[name] for name in self._record.logical_ids(stack.name) if name in made]

    def create_stack(self, call: CloudFormationResponse) -> ActionResult:
        """CreateStack; what fails shows in the stack's status and events, as on AWS."""
        backend, name = call.cloudformation_backend, call._get_param("StackName")  # noqa: SLF001 - moto's own way
        if any(stack.name == name for stack in backend.stacks.values()):
            raise ValidationError(message=f"Stack [{name}] already exists")
        template = read_template(call, name, None)
        body = self._acknowledged(call, template)
        stack = new_stack(backend, name, template.parameters, tags_of(call))
        self._work(self._create, stack, template, body)
        return ActionResult({"StackId": stack.stack_id})

    def update_stack(self, call: CloudFormationResponse) -> ActionResult:
        """UpdateStack."""
        name = call._get_param("StackName")  # noqa: SLF001 - moto's own way
        stack = call.cloudformation_backend.get_stack(name)
        template = read_template(call, name, stack)
        body = self._acknowledged(call, template)
        if _is_same(stack, body, template.parameters):
            raise ValidationError(message="No updates are to be performed.")
        self._work(self._update, stack, template, body)
        return ActionResult({"StackId": stack.stack_id})

    def create_change_set(self, call: CloudFormationResponse) -> ActionResult:
        """CreateChangeSet; what only shows in the transform makes the set FAILED, as on AWS."""
        backend, name = call.cloudformation_backend, call._get_param("StackName")  # noqa: SLF001 - moto's own way
        stack = stack_of_set(backend, name, call._get_param("ChangeSetType", "UPDATE"))  # noqa: SLF001
        template = read_template(call, name, stack)
        if stack is None:
            stack = new_stack(backend, name, {}, tags_of(call))
            stack.status = REVIEW
            stack._add_stack_event(REVIEW, "User Initiated")  # noqa: SLF001
        reason, body = self._why_not(call, stack, template)
        found = self._change_set(call, stack, template, body)
        found.status, found.execution_status = ("FAILED", "UNAVAILABLE") if reason else ("CREATE_COMPLETE", "AVAILABLE")
        found.status_reason = reason
        backend.change_sets[found.change_set_id] = found
        return ActionResult({"Id": found.change_set_id, "StackId": stack.stack_id})

    def _why_not(
        self, call: CloudFormationResponse, stack: Stack, template: StackTemplate
    ) -> tuple[str | None, dict[str, Any]]:
        try:
            body = template.transformed()
            check_capabilities(body, call._get_param("Capabilities", []))  # noqa: SLF001
        except TransformFailed as exc:
            return str(exc), {"Resources": {}}
        except CapabilityMissing as exc:
            if not template.is_sam:
                raise InsufficientCapabilities(str(exc)) from exc
            return str(exc), body
        return (NO_CHANGES if _is_same(stack, body, template.parameters) else None), body

    def _change_set(
        self, call: CloudFormationResponse, stack: Stack, template: StackTemplate, body: dict[str, Any]
    ) -> ChangeSet:
        name = call._get_param("ChangeSetName")  # noqa: SLF001
        found = ChangeSet(
            change_set_type="CREATE" if stack.status == REVIEW else "UPDATE",
            change_set_id=generate_changeset_id(name, call.region, ACCOUNT_ID),
            change_set_name=name,
            stack=stack,
            template=json.dumps(body),
            parameters=template.parameters,
            description=call._get_param("Description"),  # noqa: SLF001
            notification_arns=[],
            tags=tags_of(call),
        )
        planned = self._changes.planned(stack, body, template.parameters)
        found.changes = [Change(action, logical_id, kind) for action, logical_id, kind in planned]
        found.sent = template  # type: ignore[attr-defined]
        return found

    def execute_change_set(self, call: CloudFormationResponse) -> ActionResult:
        """ExecuteChangeSet; what fails shows in the stack's status and events, as on AWS."""
        backend = call.cloudformation_backend
        name = call._get_param("ChangeSetName")  # noqa: SLF001 - moto's own way
        found = backend.describe_change_set(name)
        if found is None or found.execution_status != "AVAILABLE":
            status = found.status if found else "missing"
            raise InvalidChangeSetStatus(f"ChangeSet [{name}] cannot be executed in its current status of [{status}]")
        found.execution_status = "EXECUTE_COMPLETE"
        change = self._create if found.change_set_type == "CREATE" else self._update
        work = (change, found.stack, found.sent, json.loads(found.template))  # type: ignore[attr-defined]
        found.stack.status = f"{found.change_set_type}_IN_PROGRESS"
        # Afterwards, as on AWS: who waits too long for an answer asks again, and the set is executed by then.
        threading.Thread(target=self._work, args=work, daemon=True).start()
        return EmptyResult()

    def delete_stack(self, call: CloudFormationResponse) -> ActionResult:
        """DeleteStack; what is to be retained stays."""
        name = call._get_param("StackName")  # noqa: SLF001 - moto's own way
        with self._one_at_a_time:
            self._delete(call.cloudformation_backend, name)
        return EmptyResult()

    def _delete(self, backend: CloudFormationBackend, name: str) -> None:
        stack = next((each for each in backend.stacks.values() if name in {each.name, each.stack_id}), None)
        if stack is None:
            return
        stack._add_stack_event("DELETE_IN_PROGRESS", "User Initiated")  # noqa: SLF001
        try:
            self._changes.delete_all(stack)
        except Exception as exc:
            log.exception("stack %s", name)
            stack.status = "DELETE_FAILED"
            stack._add_stack_event(stack.status, str(exc))  # noqa: SLF001
        else:
            stack.status = "DELETE_COMPLETE"
            stack._add_stack_event(stack.status)  # noqa: SLF001
            backend.deleted_stacks[stack.stack_id] = backend.stacks.pop(stack.stack_id)
        self._tell(stack.name)

    def _acknowledged(self, call: CloudFormationResponse, template: StackTemplate) -> dict[str, Any]:
        acknowledged = call._get_param("Capabilities", [])  # noqa: SLF001
        if template.is_sam and "CAPABILITY_AUTO_EXPAND" not in acknowledged:
            raise InsufficientCapabilities("Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
        try:
            body = template.transformed()
            check_capabilities(body, acknowledged)
        except TransformFailed as exc:
            raise ValidationError(message=str(exc)) from exc
        except CapabilityMissing as exc:
            raise InsufficientCapabilities(str(exc)) from exc
        return body

    def _work(self, change: StackChange, stack: Stack, template: StackTemplate, body: dict[str, Any]) -> None:
        with self._one_at_a_time:
            try:
                change(stack, template, body)
            except Exception:
                log.exception("stack %s is %s", stack.name, stack.status)

    def _create(self, stack: Stack, template: StackTemplate, body: dict[str, Any]) -> None:
        with _ending_in(stack, "CREATE", "ROLLBACK_COMPLETE"):
            try:
                self._changes.create_all(stack, body, template.parameters)
                self._tell(stack.name)
            except Exception:
                self._changes.delete_all(stack, is_rollback=True)
                raise
        stack.template = template.text

    def _update(self, stack: Stack, template: StackTemplate, body: dict[str, Any]) -> None:
        with _ending_in(stack, "UPDATE", "UPDATE_ROLLBACK_COMPLETE"):
            self._changes.apply(stack, body, template.parameters)
            self._tell(stack.name)
        stack.template = template.text


@contextmanager
def _ending_in(stack: Stack, work: str, rolled_back: str) -> Iterator[None]:
    """Tell in status and events how it went; the status says "complete" only when what runs has followed."""
    stack.status = f"{work}_IN_PROGRESS"
    stack._add_stack_event(stack.status, "User Initiated")  # noqa: SLF001
    try:
        yield
    except Exception as exc:
        stack._add_stack_event(f"{work}_FAILED", f"{exc}")  # noqa: SLF001
        stack.status = rolled_back
        raise
    else:
        stack.status = f"{work}_COMPLETE"
    finally:
        stack._add_stack_event(stack.status)  # noqa: SLF001


def _method(operation: Callable[[CloudFormationResponse], ActionResult]) -> Callable[..., ActionResult]:
    def call(request: CloudFormationResponse) -> ActionResult:
        return operation(request)

    return call


def _is_same(stack: Stack, body: dict[str, Any], parameters: dict[str, str]) -> bool:
    return stack.status != REVIEW and template_of(stack) == body and stack.parameters == parameters
