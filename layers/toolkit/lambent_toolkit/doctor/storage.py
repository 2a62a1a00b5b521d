"""Checks of what a stack keeps: closed to others, kept for as long as it should be and no longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from lambent_toolkit.doctor.findings import Finding, failed, ok, skipped, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "storage"
_AGAIN = "lambent deploy"


def _setting(ask: Callable[..., dict[str, Any]], *, bucket: str, absent: str) -> dict[str, Any]:
    """Return a bucket's setting, empty where S3 says by this code that there is none."""
    with telling_aws_errors():
        try:
            return ask(Bucket=bucket)
        except ClientError as exc:
            if exc.response["Error"]["Code"] != absent:
                raise
            return {}


@check("buckets-closed", group=GROUP, asks="Is every bucket closed to the public?")
def _buckets_closed(patient: Patient) -> Finding:
    client, open_ones = patient.client("s3"), []
    for name, bucket in patient.stack.buckets.items():
        found = _setting(client.get_public_access_block, bucket=bucket, absent="NoSuchPublicAccessBlockConfiguration")
        blocks = found.get("PublicAccessBlockConfiguration", {})
        if not (blocks and all(blocks.values())):
            open_ones.append(name)
    if open_ones:
        return failed(
            f"public access is not blocked: {', '.join(open_ones)}", mend=f"{_AGAIN}, and find out who did it"
        )
    return ok(f"{len(patient.stack.buckets)} buckets are closed to the public")


@check("versions-expire", group=GROUP, asks="Do old versions of models' files go away, or are they paid for for ever?")
def _versions_expire(patient: Patient) -> Finding:
    client, bucket = patient.client("s3"), patient.stack.buckets["models"]
    with telling_aws_errors():
        if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            return skipped("the models bucket keeps no old versions")
    lifecycle = client.get_bucket_lifecycle_configuration
    rules = _setting(lifecycle, bucket=bucket, absent="NoSuchLifecycleConfiguration").get("Rules", [])
    if any("NoncurrentVersionExpiration" in each for each in rules if each["Status"] == "Enabled"):
        return ok("what `lambent gc` removes is gone for good after a while")
    return warning("old versions of models' files never expire: `lambent gc` frees nothing", mend=_AGAIN)


@check(
    "table-protected",
    group=GROUP,
    aws_only="what it holds does not outlive it",
    asks="Can the table be brought back to any moment, and does it forget what has expired?",
)
def _table_protected(patient: Patient) -> Finding:
    client, name = patient.client("dynamodb"), patient.stack.table
    with telling_aws_errors():
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"]
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus", "DISABLED")
    if ttl not in ("ENABLED", "ENABLING"):
        return failed("the table forgets nothing: records of jobs stay for ever", mend=_AGAIN)
    if recovery != "ENABLED":
        return warning("the table has no point-in-time recovery: a mistaken write is final", mend=_AGAIN)
    return ok("point-in-time recovery is on, expired records go")


@check("logs-expire", group=GROUP, asks="Are logs kept for a while and not for ever?")
def _logs_expire(patient: Patient) -> Finding:
    groups = {name: physical for name, physical in patient.stack.resources.items() if name.endswith("LogGroup")}
    client, endless = patient.client("logs"), []
    for name, group in groups.items():
        with telling_aws_errors():
            found = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if not any(each["logGroupName"] == group and each.get("retentionInDays") for each in found):
            endless.append(name)
    if endless:
        return warning(f"these logs are kept, and paid for, for ever: {', '.join(endless)}", mend=_AGAIN)
    return ok(f"{len(groups)} logs expire")
