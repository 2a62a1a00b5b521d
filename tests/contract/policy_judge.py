"""Whether a managed policy of the template allows a call of an SDK: as far as the policies for people go.

Identity policies only, that allow and never deny, with conditions on leading keys. An operation that is not known here
is an error; a condition that is not known never holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from template_references import as_list, target

# What a name stands for in the resources of this judge: `arn:Table`, `arn:ModelsBucket/digits/…`.
_S3_BUCKET = {"ListObjectsV2": "s3:ListBucket"}
_S3_OBJECT = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
}
_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


@dataclass(frozen=True)
class Right:
    """One action on one resource, and the leading keys that the call names."""

    action: str
    resource: str
    leading_keys: tuple[str, ...] = ()


def rights_of(service: str, operation: str, parameters: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Right]:
    """Yield what a call needs.

    Parameters
    ----------
    names   physical name → logical id
    """
    if service == "s3" and operation in _S3_BUCKET:
        yield Right(_S3_BUCKET[operation], f"arn:{names[parameters['Bucket']]}")
    elif service == "s3":
        yield Right(_S3_OBJECT[operation], f"arn:{names[parameters['Bucket']]}/{parameters['Key']}")
    elif service == "lambda":
        yield Right(f"lambda:{operation.removesuffix('20150331')}", f"arn:{names[parameters['FunctionName']]}")
    elif service == "dynamodb" and operation == "TransactWriteItems":
        for item in parameters["TransactItems"]:
            ((kind, write),) = item.items()
            yield _on_rows(_WRITES[kind], write, names)
    elif service == "dynamodb":
        yield _on_rows(operation, parameters, names)
    else:
        raise KeyError(f"{service}:{operation}")


def _on_rows(action: str, call: Mapping[str, Any], names: Mapping[str, str]) -> Right:
    table = f"arn:{names[call['TableName']]}"
    if "IndexName" in call:
        return Right(f"dynamodb:{action}", f"{table}/index/{call['IndexName']}")
    row = call.get("Key") or call.get("Item") or {"pk": call.get("ExpressionAttributeValues", {})[":pk"]}
    return Right(f"dynamodb:{action}", table, (str(row["pk"]["S"]),))


def allows(statements: list[dict[str, Any]], right: Right) -> bool:
    """Tell whether one of the statements grants a right."""
    return any(
        right.action in as_list(statement["Action"])
        and any(fnmatchcase(right.resource, _pattern(each)) for each in as_list(statement["Resource"]))
        and _holds(statement.get("Condition", {}), right)
        for statement in statements
    )


def _pattern(resource: Any) -> str:
    if not isinstance(resource, dict):
        return str(resource)
    text = str(resource.get("Fn::Sub", ""))
    if text.startswith("${"):
        return f"arn:{target(resource)}{text.partition('}')[2]}"
    return f"arn:{target(resource)}" if "Fn::GetAtt" in resource else str(resource)


def _holds(condition: dict[str, Any], right: Right) -> bool:
    if not condition:
        return True
    ((operator, asked),) = condition.items()
    if operator != "ForAllValues:StringLike" or asked.keys() != {"dynamodb:LeadingKeys"}:
        return False
    patterns = as_list(asked["dynamodb:LeadingKeys"])
    return all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in right.leading_keys)
