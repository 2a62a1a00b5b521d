"""What a stack's template makes of its resources: which are new, changed or gone, and in which order.

A resource is changed if its properties, with every function resolved, are other ones than it was made with.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Event, Stack

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.storage_cloudformation import repaired
from lambent_toolkit.sandbox.storage_deletions import DELETERS
from lambent_toolkit.sandbox.storage_updates import Change

if TYPE_CHECKING:
    from lambent_toolkit.sandbox.storage_cloudformation import CreatedResources

ATTEMPTS = 5


class CannotChange(Exception):
    """The storage cannot change a resource of this kind; nothing was changed."""


class StackChanges:
    """Makes, changes and deletes the resources of stacks.

    Parameters
    ----------
    record : CreatedResources
    """

    def __init__(self, record: CreatedResources) -> None:
        self._record = record

    def create_all(self, stack: Stack, body: dict[str, Any], parameters: dict[str, str]) -> None:
        """Make every resource of a new stack.

        Raises
        ------
        Exception   whatever moto says to a resource
        """
        stack.template, stack.parameters = json.dumps(body), parameters
        stack.processed = body  # type: ignore[attr-defined]
        stack._parse_template()  # noqa: SLF001 - a stack of a change set is made without a template
        stack.resource_map = stack._create_resource_map()  # noqa: SLF001
        stack.output_map = stack._create_output_map()  # noqa: SLF001
        stack.description = stack.template_dict.get("Description")
        stack.resource_map.create(stack.template_dict)
        for logical_id in self._record.logical_ids(stack.name):
            self._tell_event(stack, logical_id, "CREATE_COMPLETE")

    def planned(self, stack: Stack, body: dict[str, Any], parameters: dict[str, str]) -> list[tuple[str, str, str]]:
        """Return what a change set shows: (Add, Modify or Remove, logical id, type). Changes nothing."""
        before = set(self._record.logical_ids(stack.name))
        holds = _conditions(body, parameters)
        after = {name: each for name, each in body["Resources"].items() if holds.get(each.get("Condition"), True)}
        old = template_of(stack).get("Resources", {})
        moved = _moved_names(stack, body, parameters)
        added = [("Add", name, each["Type"]) for name, each in after.items() if name not in before]
        changed = [
            ("Modify", name, each["Type"])
            for name, each in after.items()
            if name in before and (each != old.get(name) or _mentions(each, moved))
        ]
        removed = [("Remove", name, old[name]["Type"]) for name in before if name not in after]
        return [*added, *changed, *removed]

    def apply(self, stack: Stack, body: dict[str, Any], parameters: dict[str, str]) -> None:
        """Make a stack what its new template says, or leave it as it was.

        Raises
        ------
        CannotChange   a changed resource is of a kind that cannot be changed here
        Exception      whatever moto says to a resource
        """
        before = self._record.logical_ids(stack.name)
        old = (stack.template_dict, stack.parameters)
        _load(stack, deepcopy(body), parameters)
        wanted = [name for name, each in body["Resources"].items() if _is_true(stack.resource_map, each)]
        try:
            changes = self._prepare(stack, wanted, before)
        except Exception:
            for name in [each for each in reversed(self._record.logical_ids(stack.name)) if each not in before]:
                self._delete(stack, name)
            _load(stack, *old)
            raise
        for _ in range(ATTEMPTS):
            for name, change in changes.items():
                self._change(stack, name, change)
            # What was replaced has another name, which others may refer to.
            changes = self._changes(stack, wanted, before)
        self._delete_each(stack, [each for each in reversed(before) if each not in wanted], old[0])
        stack.output_map = stack._create_output_map()  # noqa: SLF001
        stack.processed = body  # type: ignore[attr-defined]

    def _prepare(self, stack: Stack, wanted: list[str], before: list[str]) -> dict[str, Change]:
        """Make what is new, and return what is to change; raises CannotChange."""
        for name in wanted:
            stack.resource_map[name]  # makes what is not there yet
        changes = self._changes(stack, wanted, before)
        for name, change in changes.items():
            if not change.is_possible:
                what = f"{', '.join(sorted(change.names))} of a resource of type {change.kind}"
                raise CannotChange(f"{name}: the local storage cannot change {what}")
        return changes

    def delete_all(self, stack: Stack, *, is_rollback: bool = False) -> None:
        """Delete what a stack has, but for what its template retains; what others still need comes later.

        Parameters
        ----------
        stack : Stack
        is_rollback : bool   its creation failed: then ``RetainExceptOnCreate`` retains nothing

        Raises
        ------
        Exception   what moto says to what cannot be deleted at all
        """
        resources = stack.template_dict.get("Resources", {})
        left = [
            name
            for name in reversed(self._record.logical_ids(stack.name))
            if not _is_kept(resources[name], is_rollback=is_rollback)
        ]
        self._delete_each(stack, left, stack.template_dict)
        self._record.forget(stack.name)

    def _delete_each(self, stack: Stack, left: list[str], template: dict[str, Any]) -> None:
        """Delete resources; what others still need comes later."""
        for attempt in range(ATTEMPTS):
            for name in list(left):
                try:
                    self._delete(stack, name, template=template)
                except Exception:
                    if attempt == ATTEMPTS - 1:
                        raise
                else:
                    left.remove(name)

    def _changes(self, stack: Stack, wanted: list[str], before: list[str]) -> dict[str, Change]:
        """Return, of resources that there were before, those whose properties resolve to other ones by now."""
        found = {name: self._change_of(stack, name) for name in wanted if name in before}
        return {name: change for name, change in found.items() if change.before != change.after}

    def _change_of(self, stack: Stack, name: str) -> Change:
        source = deepcopy(stack.template_dict["Resources"][name])
        _, resolved, kind = parsing.parse_resource(source, stack.resource_map)
        resolved["Properties"] = repaired(kind, resolved.get("Properties", {}))
        new_name = parsing.generate_resource_name(kind, stack.name, name)
        before = self._record.properties(stack.name, name)
        return Change(stack.resource_map[name], new_name, resolved, before, deepcopy(resolved["Properties"]))

    def _change(self, stack: Stack, name: str, change: Change) -> None:
        new: Any = change.make()
        new.cf_resource_type, new.logical_resource_id = change.kind, name
        stack.resource_map._parsed_resources[name] = new  # noqa: SLF001
        self._record.resolved(stack.name, name, change.kind, dict(change.after))
        self._record.created(stack.name, name, getattr(new, "physical_resource_id", name))
        self._tell_event(stack, name, "UPDATE_COMPLETE")

    def _delete(self, stack: Stack, name: str, template: dict[str, Any] | None = None) -> None:
        resources = stack.resource_map
        found = resources._parsed_resources.get(name)  # noqa: SLF001
        source = (template or stack.template_dict)["Resources"][name]
        if found is not None:
            properties = self._record.properties(stack.name, name)
            if deleter := DELETERS.get(source["Type"]):
                deleter(found, properties)
            else:
                resources._delete_resource(found, {"Type": source["Type"], "Properties": properties})  # noqa: SLF001
            resources._parsed_resources.pop(name)  # noqa: SLF001
        self._tell_event(stack, name, "DELETE_COMPLETE")
        self._record.removed(stack.name, name)

    def _tell_event(self, stack: Stack, name: str, status: str) -> None:
        entry = self._record.as_dict(stack.name)["resources"][name]
        event = Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=name,
            physical_resource_id=entry["physical_id"],
            resource_type=entry["type"],
            resource_status=status,
            resource_status_reason=None,
            resource_properties=None,
        )
        stack.events.append(event)


def template_of(stack: Stack) -> dict[str, Any]:
    """Return the transformed template of a stack as it came; moto writes into the one that it works with."""
    return getattr(stack, "processed", {})


def _is_kept(resource: dict[str, Any], *, is_rollback: bool) -> bool:
    policy = resource.get("DeletionPolicy")
    return policy == "Retain" or (policy == "RetainExceptOnCreate" and not is_rollback)


def _load(stack: Stack, body: dict[str, Any], parameters: dict[str, str]) -> None:
    """Give a stack another template and other parameters, without making or changing anything."""
    resources = stack.resource_map
    stack.template_dict, stack.parameters = body, parameters
    resources._template, resources._resource_json_map = body, body["Resources"]  # noqa: SLF001
    resources.input_parameters = parameters
    resources.load()


def _is_true(resources: Any, resource: dict[str, Any]) -> bool:
    return "Condition" not in resource or bool(resources.lazy_condition_map[resource["Condition"]])


def _conditions(body: dict[str, Any], parameters: dict[str, str]) -> dict[str, bool]:
    """Return what each condition of a template comes to."""
    scratch = parsing.ResourceMap("", "", parameters, {}, REGION, ACCOUNT_ID, body, {})
    scratch.load_mapping()
    scratch.load_parameters()
    scratch.load_conditions()
    return {name: bool(scratch.lazy_condition_map[name]) for name in scratch.lazy_condition_map}


def _moved_names(stack: Stack, body: dict[str, Any], parameters: dict[str, str]) -> set[str]:
    """Return parameters with another value, and the conditions that ask for one."""
    moved = {name for name, value in parameters.items() if stack.parameters.get(name) != value}
    conditions = body.get("Conditions", {})
    for _ in conditions:
        moved |= {name for name, condition in conditions.items() if _mentions(condition, moved)}
    return moved


def _mentions(node: Any, names: set[str]) -> bool:
    return bool(names & set(re.findall(r"\w+", json.dumps(node))))
