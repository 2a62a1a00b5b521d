"""The Condition of a statement: operators, their modifiers, and the keys that the local stack can tell.

An operator or a key that is not known here is an error when the policy is read: to skip it would allow too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox.iam.errors import BadPolicy
from lambent_toolkit.sandbox.iam.patterns import filled, has_unknown_variable, matches_arn, matches_text

Context = Mapping[str, tuple[str, ...]]
Test = Callable[[str, str], bool]  # (value of the policy, value of the request)

ALL, ANY, IF_EXISTS = "ForAllValues:", "ForAnyValue:", "IfExists"


def _number(compare: Callable[[float, float], bool]) -> Test:
    return lambda wanted, value: compare(float(value), float(wanted))


POSITIVE: dict[str, Test] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.casefold() == value.casefold(),
    "StringLike": matches_text,
    "ArnEquals": matches_arn,
    "ArnLike": matches_arn,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericEquals": _number(lambda value, wanted: value == wanted),
    "NumericLessThan": _number(lambda value, wanted: value < wanted),
    "NumericLessThanEquals": _number(lambda value, wanted: value <= wanted),
    "NumericGreaterThan": _number(lambda value, wanted: value > wanted),
    "NumericGreaterThanEquals": _number(lambda value, wanted: value >= wanted),
}
NEGATED = {
    "StringNotEquals": POSITIVE["StringEquals"],
    "StringNotEqualsIgnoreCase": POSITIVE["StringEqualsIgnoreCase"],
    "StringNotLike": POSITIVE["StringLike"],
    "ArnNotEquals": POSITIVE["ArnEquals"],
    "ArnNotLike": POSITIVE["ArnLike"],
    "NumericNotEquals": POSITIVE["NumericEquals"],
}
NULL = "Null"

# What requests are given as context, in lower case; see `requests.py` and the modules of the services.
KNOWN_KEYS = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:tagkeys",
    "aws:username",
    "dynamodb:leadingkeys",
    "s3:delimiter",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:prefix",
}
# Those of ecs are of hosts, of which there are none here: no request has one, so such a condition never holds.
KNOWN_PREFIXES = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/", "ecs:")
MULTIVALUED = {"aws:tagkeys", "dynamodb:leadingkeys"}


@dataclass(frozen=True)
class Condition:
    """One operator with one key: all conditions of a statement must hold.

    Parameters
    ----------
    test : Test           of one value against one value; for Null unused
    key : str             in lower case
    wanted : tuple        values of the policy, of which one suffices
    quantifier : str      ForAllValues:, ForAnyValue: or nothing
    is_negated : bool     none of the values may match
    is_optional : bool    a missing key is fine (IfExists)
    """

    operator: str
    key: str
    wanted: tuple[str, ...]
    quantifier: str
    is_optional: bool

    def holds(self, context: Context) -> bool:
        """Tell whether the condition is true of a request."""
        values = context.get(self.key, ())
        if self.operator == NULL:
            return (not values) == (self.wanted[0].lower() == "true")
        if not values:
            return self._holds_without_key()
        wanted = [found for each in self.wanted if (found := filled(each, context)) is not None]
        return (any if self.quantifier == ANY else all)(self._accepts(wanted, each) for each in values)

    def _holds_without_key(self) -> bool:
        if self.quantifier == ANY:
            return False
        return self.is_optional or self.quantifier == ALL or self.operator in NEGATED

    def _accepts(self, wanted: list[str], value: str) -> bool:
        if self.operator in NEGATED:
            return not any(NEGATED[self.operator](each, value) for each in wanted)
        return any(POSITIVE[self.operator](each, value) for each in wanted)


def read_conditions(block: Mapping[str, Any], place: str) -> tuple[Condition, ...]:
    """Read a statement's Condition.

    Parameters
    ----------
    block    operator -> key -> value or values
    place    named in errors, e.g. `sweep, statement Log`

    Raises
    ------
    BadPolicy   an operator or a key that is not known
    """
    return tuple(
        _condition(operator, key, value, place) for operator, keys in block.items() for key, value in keys.items()
    )


def _condition(operator: str, key: str, value: Any, place: str) -> Condition:
    quantifier = next((each for each in (ALL, ANY) if operator.startswith(each)), "")
    name = operator.removeprefix(quantifier)
    is_optional = name.endswith(IF_EXISTS)
    name = name.removesuffix(IF_EXISTS)
    if name not in POSITIVE and name not in NEGATED and name != NULL:
        raise BadPolicy(f"{place}: the condition operator {operator} is not known to the local stack")
    lower = key.lower()
    if lower not in KNOWN_KEYS and not lower.startswith(KNOWN_PREFIXES):
        raise BadPolicy(f"{place}: the local stack cannot tell the condition key {key} of a request")
    if lower in MULTIVALUED and not quantifier and name != NULL:
        raise BadPolicy(f"{place}: {key} has many values; {operator} needs ForAllValues: or ForAnyValue: before it")
    wanted = tuple(_text(each) for each in (value if isinstance(value, list) else [value]))
    # A caller without the tag matches no value that has it, which must not be what makes a condition true.
    if any(has_unknown_variable(each) or ("${" in each and name not in POSITIVE) for each in wanted):
        raise BadPolicy(
            f"{place}: of policy variables, the local stack knows ${{aws:PrincipalTag/...}} of what must match"
        )
    return Condition(name, lower, wanted, quantifier, is_optional)


def _text(value: Any) -> str:
    """Return a value as text; JSON has booleans, which policies write as true and false."""
    return str(value).lower() if isinstance(value, bool) else str(value)
