"""Put back what moto's CloudFormation drops, from the record of what was asked for.

Policies of buckets, queues and topics are put back by the storage process itself, see `iam/resource_policies.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambent_toolkit.sandbox.deployment import Deployment, Resource

Client = Callable[[str], Any]


def put_back(deployment: Deployment, client: Client) -> None:
    """Set bucket properties, function layers and the table's expiry.

    Parameters
    ----------
    deployment : Deployment
    client : makes a boto3 client for a service name
    """
    s3, functions, dynamodb = client("s3"), client("lambda"), client("dynamodb")
    for bucket in deployment.of_kind("AWS::S3::Bucket"):
        _bucket(s3, bucket)
    for function in deployment.of_kind("AWS::Lambda::Function"):
        if layers := function.properties.get("Layers"):
            functions.update_function_configuration(FunctionName=function.physical_id, Layers=layers)
    for table in deployment.of_kind("AWS::DynamoDB::Table"):
        if expiry := table.properties.get("TimeToLiveSpecification"):
            dynamodb.update_time_to_live(TableName=table.physical_id, TimeToLiveSpecification=_typed(expiry))


def _bucket(s3: Any, bucket: Resource) -> None:
    name, properties = bucket.physical_id, bucket.properties
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if block := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_typed(block))
    if encryption := properties.get("BucketEncryption"):
        rules = [
            {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if lifecycle := properties.get("LifecycleConfiguration"):
        rules = [lifecycle_rule(rule) for rule in lifecycle["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    if cors := properties.get("CorsConfiguration"):
        s3.put_bucket_cors(
            Bucket=name, CORSConfiguration={"CORSRules": [cors_rule(rule) for rule in cors["CorsRules"]]}
        )
    else:
        s3.delete_bucket_cors(Bucket=name)  # which an update of the stack may have taken away
    if notification := properties.get("NotificationConfiguration"):
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration=notification_configuration(notification)
        )


def notification_configuration(properties: dict[str, Any]) -> dict[str, Any]:
    """Turn a template's NotificationConfiguration into what the S3 API takes."""
    configuration: dict[str, Any] = {}
    for key, target, arn in (
        ("QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "Topic", "TopicArn"),
        ("LambdaConfigurations", "Function", "LambdaFunctionArn"),
    ):
        entries = [_notification(each, target, arn) for each in properties.get(key, [])]
        if entries:
            configuration["LambdaFunctionConfigurations" if target == "Function" else key] = entries
    return configuration


def _notification(entry: dict[str, Any], target: str, arn: str) -> dict[str, Any]:
    turned: dict[str, Any] = {arn: entry[target], "Events": [entry["Event"]]}
    if rules := entry.get("Filter", {}).get("S3Key", {}).get("Rules"):
        turned["Filter"] = {"Key": {"FilterRules": rules}}
    return turned


def cors_rule(properties: dict[str, Any]) -> dict[str, Any]:
    """Turn a template's rule for web pages into what the S3 API takes."""
    names = {"Id": "ID", "MaxAge": "MaxAgeSeconds", "ExposedHeaders": "ExposeHeaders"}
    rule = {names.get(name, name): value for name, value in properties.items()}
    return {**rule, **({"MaxAgeSeconds": int(rule["MaxAgeSeconds"])} if "MaxAgeSeconds" in rule else {})}


def lifecycle_rule(properties: dict[str, Any]) -> dict[str, Any]:
    """Turn a template's lifecycle rule into what the S3 API takes."""
    rule: dict[str, Any] = {"ID": properties.get("Id", "rule"), "Status": properties["Status"]}
    rule["Filter"] = {"Prefix": properties.get("Prefix", "")}
    expiry: dict[str, Any] = {}
    if "ExpirationInDays" in properties:
        expiry["Days"] = int(properties["ExpirationInDays"])
    if "ExpiredObjectDeleteMarker" in properties:
        expiry["ExpiredObjectDeleteMarker"] = _is_true(properties["ExpiredObjectDeleteMarker"])
    if expiry:
        rule["Expiration"] = expiry
    for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
        if name in properties:
            rule[name] = {key: int(value) for key, value in properties[name].items()}
    return rule


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """CloudFormation may carry booleans as text; the SDK takes booleans only."""
    return {key: _is_true(value) if str(value).lower() in ("true", "false") else value for key, value in values.items()}


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"
