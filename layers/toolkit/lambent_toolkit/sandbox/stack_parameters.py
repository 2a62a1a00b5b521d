"""A stack's parameters and `Rules`, judged as CloudFormation judges them before it makes anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

LIST_TYPES = ("CommaDelimitedList", "List<")


class TemplateRefused(Exception):
    """CloudFormation would not take this template with these parameters; the text says why."""


def complete_parameters(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return every declared parameter with its value: the given one, or else its default.

    Parameters
    ----------
    declared : Mapping   the template's `Parameters`
    given : Mapping      name -> text

    Raises
    ------
    TemplateRefused   one is unknown, has no value, or breaks what its declaration says
    """
    if unknown := sorted(set(given) - set(declared)):
        raise TemplateRefused(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    defaults = {name: str(each["Default"]) for name, each in declared.items() if "Default" in each}
    values = {name: str(given.get(name, defaults.get(name))) for name in declared if name in {*given, *defaults}}
    if missing := [name for name in declared if name not in values]:
        raise TemplateRefused(f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in values.items():
        _check(name, value, declared[name])
    return values


def _check(name: str, value: str, declaration: Mapping[str, Any]) -> None:
    is_list = str(declaration.get("Type", "String")).startswith(LIST_TYPES)
    is_number = declaration.get("Type") in {"Number", "List<Number>"}
    allowed = [str(each) for each in declaration.get("AllowedValues", [])]
    for each in value.split(",") if is_list else [value]:
        if is_number:
            _check_number(name, each, declaration)
        if allowed and each not in allowed:
            raise TemplateRefused(f"Parameter '{name}' must be one of AllowedValues")
        if "AllowedPattern" in declaration and not re.fullmatch(str(declaration["AllowedPattern"]), each):
            reason = declaration.get("ConstraintDescription", f"must match pattern {declaration['AllowedPattern']}")
            raise TemplateRefused(f"Parameter {name} failed to satisfy constraint: {reason}")
    _check_length(name, value, declaration)


def _check_number(name: str, text: str, declaration: Mapping[str, Any]) -> None:
    try:
        number = float(text)
    except ValueError:
        raise TemplateRefused(f"Parameter '{name}' must be a number") from None
    if "MinValue" in declaration and number < float(declaration["MinValue"]):
        raise TemplateRefused(f"Parameter '{name}' must be a number not less than {declaration['MinValue']}")
    if "MaxValue" in declaration and number > float(declaration["MaxValue"]):
        raise TemplateRefused(f"Parameter '{name}' must be a number not greater than {declaration['MaxValue']}")


def _check_length(name: str, text: str, declaration: Mapping[str, Any]) -> None:
    if len(text) < int(declaration.get("MinLength", 0)):
        raise TemplateRefused(f"Parameter '{name}' must contain at least {declaration['MinLength']} characters")
    if "MaxLength" in declaration and len(text) > int(declaration["MaxLength"]):
        raise TemplateRefused(f"Parameter '{name}' must contain at most {declaration['MaxLength']} characters")


def check_rules(template: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """Evaluate the template's `Rules`.

    Parameters
    ----------
    template : Mapping   with `Rules`, `Parameters` and, where a rule looks something up, `Mappings`
    values : Mapping     every parameter and pseudo parameter -> text

    Raises
    ------
    TemplateRefused   an assertion does not hold, or uses a function that rules do not have
    """
    declared = template.get("Parameters", {})
    known: dict[str, Any] = {
        name: value.split(",") if str(declared.get(name, {}).get("Type", "")).startswith(LIST_TYPES) else value
        for name, value in values.items()
    }
    expressions = _Expressions(known, template.get("Mappings", {}))
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not expressions.value(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not expressions.value(assertion["Assert"]):
                raise TemplateRefused(f"Rule {name}: {assertion.get('AssertDescription', 'its assertion failed')}")


class _Expressions:
    """Rule functions over parameters; docs: "Rule functions" in CloudFormation's template reference."""

    def __init__(self, values: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        self._values, self._mappings = values, mappings
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._reference,
            "Fn::And": lambda parts: all(self.value(parts)),
            "Fn::Or": lambda parts: any(self.value(parts)),
            "Fn::Not": lambda parts: not self.value(parts)[0],
            "Fn::Equals": lambda parts: _text(self.value(parts[0])) == _text(self.value(parts[1])),
            "Fn::Contains": lambda parts: _text(self.value(parts[1])) in map(_text, self.value(parts[0])),
            "Fn::EachMemberEquals": lambda parts: all(
                _text(each) == _text(self.value(parts[1])) for each in self.value(parts[0])
            ),
            "Fn::EachMemberIn": lambda parts: set(self.value(parts[0])) <= set(self.value(parts[1])),
            "Fn::FindInMap": self._look_up,
            "Fn::Join": lambda parts: self.value(parts[0]).join(map(_text, self.value(parts[1]))),
        }

    def value(self, node: Any) -> Any:
        """Return what an expression gives."""
        if isinstance(node, list):
            return [self.value(each) for each in node]
        if not isinstance(node, dict):
            return node
        (name, argument), *others = node.items()
        if others or name not in self._functions:
            raise TemplateRefused(f"Template error: {name} is not a function that Rules have")
        return self._functions[name](argument)

    def _reference(self, name: str) -> Any:
        if name not in self._values:
            raise TemplateRefused(f"Template error: Rules may refer to parameters only, not to {name}")
        return self._values[name]

    def _look_up(self, path: list[Any]) -> Any:
        name, first, second = self.value(path)
        try:
            return self._mappings[name][first][second]
        except KeyError:
            raise TemplateRefused(f"Template error: Unable to get mapping for {name}::{first}::{second}") from None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
