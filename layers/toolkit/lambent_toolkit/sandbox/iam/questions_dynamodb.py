"""Amazon DynamoDB: which rights a call needs, with the partition keys that it touches (`dynamodb:LeadingKeys`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lambent_toolkit.sandbox.iam.errors import Unjudged
from lambent_toolkit.sandbox.iam.question import Question, arn

# (table, index or None) -> name of the partition key
Schema = Callable[[str, str | None], str]

KEYED = {"GetItem": "Key", "UpdateItem": "Key", "DeleteItem": "Key", "PutItem": "Item"}
TRANSACTED = {
    "Put": ("PutItem", "Item"),
    "Update": ("UpdateItem", "Key"),
    "Delete": ("DeleteItem", "Key"),
    "ConditionCheck": ("ConditionCheckItem", "Key"),
    "Get": ("GetItem", "Key"),
}
WHOLE_TABLE = {"Scan", "DescribeTable", "DescribeTimeToLive", "UpdateTimeToLive", "DescribeContinuousBackups"}
EQUALITY = re.compile(r"([#\w.-]+)\s*=\s*(:[\w-]+)")


def questions_of_dynamodb(operation: str, parameters: Mapping[str, Any], schema: Schema) -> list[Question]:
    """Return what a call asks.

    Raises
    ------
    Unjudged   the operation is none of those that are known, PartiQL among them; or no partition key is in a query
    """
    if operation in KEYED:
        return [_question(operation, parameters, [parameters[KEYED[operation]]], schema)]
    if operation == "Query":
        return [_query(parameters, schema)]
    if operation in WHOLE_TABLE:
        return [Question(f"dynamodb:{operation}", _resource(parameters))]
    if operation in ("TransactWriteItems", "TransactGetItems"):
        return [
            _question(TRANSACTED[kind][0], part, [part[TRANSACTED[kind][1]]], schema)
            for item in parameters["TransactItems"]
            for kind, part in item.items()
        ]
    if operation in ("BatchGetItem", "BatchWriteItem"):
        return [
            _question(operation, {"TableName": table}, _batched(request), schema)
            for table, request in parameters["RequestItems"].items()
        ]
    raise Unjudged(f"dynamodb:{operation}")


def _batched(request: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(request, dict):
        return list(request["Keys"])
    return [part.get("Item") or part["Key"] for entry in request for part in entry.values()]


def _question(
    action: str, parameters: Mapping[str, Any], items: Iterable[Mapping[str, Any]], schema: Schema
) -> Question:
    name = schema(_table(parameters), None)
    values = tuple(_plain(item[name]) for item in items if name in item)
    return Question(f"dynamodb:{action}", _resource(parameters), {"dynamodb:leadingkeys": values})


def _query(parameters: Mapping[str, Any], schema: Schema) -> Question:
    index = parameters.get("IndexName")
    name = schema(_table(parameters), index)
    names, values = parameters.get("ExpressionAttributeNames", {}), parameters.get("ExpressionAttributeValues", {})
    wanted = [
        _plain(values[value])
        for attribute, value in EQUALITY.findall(parameters.get("KeyConditionExpression", ""))
        if names.get(attribute, attribute) == name and value in values
    ]
    legacy = parameters.get("KeyConditions", {}).get(name, {}).get("AttributeValueList", [])
    keys = tuple(wanted or map(_plain, legacy))
    if len(keys) != 1:  # a condition on the partition key would be judged by none, or by what is not asked for
        raise Unjudged(f"dynamodb:Query by {parameters.get('KeyConditionExpression', '')!r}")
    return Question("dynamodb:Query", _resource(parameters), {"dynamodb:leadingkeys": keys})


def _table(parameters: Mapping[str, Any]) -> str:
    return str(parameters["TableName"]).rpartition(":table/")[2]


def _resource(parameters: Mapping[str, Any]) -> str:
    table = arn("dynamodb", f"table/{_table(parameters)}")
    return f"{table}/index/{parameters['IndexName']}" if "IndexName" in parameters else table


def _plain(value: Mapping[str, Any]) -> str:
    return str(next(iter(value.values())))
