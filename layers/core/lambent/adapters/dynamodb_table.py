"""One DynamoDB table on a plain client, with Python values in and out.

It takes the calls and arguments of boto3's Table, for which it stands in: boto3 costs every cold start 80 ms of imports
on top of botocore's, most of them for transfers that Lambent never makes. Conditions are written as DynamoDB's own
expressions, which both take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_VALUES_IN = ("ExpressionAttributeValues", "Item", "Key", "ExclusiveStartKey")
_VALUES_OUT = ("Attributes", "Item", "LastEvaluatedKey")


class DynamoTable:
    """The table ``name``; all methods raise botocore's errors."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """Read one row; the answer's Item is missing if there is none."""
        return self._call("get_item", arguments)

    def put_item(self, **arguments: Any) -> dict[str, Any]:
        """Write one row."""
        return self._call("put_item", arguments)

    def update_item(self, **arguments: Any) -> dict[str, Any]:
        """Change one row."""
        return self._call("update_item", arguments)

    def delete_item(self, **arguments: Any) -> dict[str, Any]:
        """Delete one row."""
        return self._call("delete_item", arguments)

    def query(self, **arguments: Any) -> dict[str, Any]:
        """Read one page of rows."""
        answer = self._call("query", arguments)
        return {**answer, "Items": [_row(item) for item in answer["Items"]]}

    def write_together(self, writes: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Make several writes, all of them or none (TransactWriteItems).

        Parameters
        ----------
        writes   Put, Update, Delete or ConditionCheck, each with the arguments that DynamoDB takes for it
        """
        items = [{kind: {"TableName": self._name, **_sent(arguments)}} for kind, arguments in writes]
        self._client.transact_write_items(TransactItems=items)

    def _call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = getattr(self._client, operation)(TableName=self._name, **_sent(arguments))
        return {name: _row(value) if name in _VALUES_OUT else value for name, value in answer.items()}


def _sent(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: _item(value) if name in _VALUES_IN else value for name, value in arguments.items()}


def _item(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: to_attribute(value) for name, value in row.items()}


def _row(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: from_attribute(attribute) for name, attribute in item.items()}


def to_attribute(value: Any) -> dict[str, Any]:
    """Return a value as DynamoDB's JSON has it.

    Parameters
    ----------
    value : str, bool, int, None, a set of str, or a list of these

    Raises
    ------
    TypeError   any other type; floats too, which DynamoDB would not give back as they were
    """
    match value:
        case str():
            return {"S": value}
        case bool():  # before int, which it is too
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case None:
            return {"NULL": True}
        case set() | frozenset():
            return {"SS": sorted(value)}
        case list() | tuple():
            return {"L": [to_attribute(each) for each in value]}
    raise TypeError(f"rows of the table hold no {type(value).__name__}")


def from_attribute(attribute: dict[str, Any]) -> Any:
    """Return what `to_attribute` made an attribute of; raises TypeError for one that it never makes."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return int(value)
        case "NULL":
            return None
        case "L":
            return [from_attribute(each) for each in value]
        case "SS":
            return set(value)
    raise TypeError(f"rows of the table hold no {kind} attributes")
