"""Rules of access and storage: who may do what, and what is kept safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from role_rights import acting_for, may_list, may_touch_row, principal_of
from template_expanded import ExpandedTemplate
from template_references import Findings, as_list, target

DAY_S = 86_400
# Who shows the secrets of webhooks to their tenants, and who signs with them.
SECRET_KEEPERS = {"JobsRole", "NotifyRole"}
# Actions that AWS grants on "*" only, by its service authorization reference.
WITHOUT_RESOURCES = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "batch:ListJobs",
    "batch:DescribeJobs",
    "batch:DescribeJobQueues",
    "batch:DescribeComputeEnvironments",
    "ecs:DiscoverPollEndpoint",
    "ecr:GetAuthorizationToken",
}


def roles_name_their_resources(template: ExpandedTemplate) -> Findings:
    for name, role in template.of_type("IAM::Role").items():
        yield from (f"{name}: managed policy {arn}" for arn in role.get("ManagedPolicyArns", []))
        for statement in _role_statements(role):
            actions = as_list(statement["Action"])
            if any("*" in action for action in actions):
                yield f"{name}: wildcard action in {actions}"
            if "*" in as_list(statement["Resource"]) and not set(actions) <= WITHOUT_RESOURCES:
                yield f"{name}: {actions} on every resource"


def functions_have_a_role_each(template: ExpandedTemplate) -> Findings:
    for name, function in template.of_type("Lambda::Function").items():
        if target(function["Role"]) != name.removesuffix("Function") + "Role":
            yield f"{name}: runs as {target(function['Role'])}"


def service_grants_name_their_source(template: ExpandedTemplate) -> Findings:
    for name, statement in _statements(template, "SQS::QueuePolicy", "Queues"):
        if statement["Effect"] != "Allow":
            continue
        keys = {key for operator in statement.get("Condition", {}).values() for key in operator}
        if not {"aws:SourceArn", "aws:SourceAccount"} <= keys:
            yield f"{name}: anybody's {statement['Principal']} may send"


def access_is_by_tls_only(template: ExpandedTemplate) -> Findings:
    policies = {"SQS::Queue": ("SQS::QueuePolicy", "Queues"), "S3::Bucket": ("S3::BucketPolicy", "Bucket")}
    policies["SNS::Topic"] = ("SNS::TopicPolicy", "Topics")
    for kind, (policy_kind, targets) in policies.items():
        guarded = {
            name
            for name, statement in _statements(template, policy_kind, targets)
            if statement["Effect"] == "Deny"
            and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        }
        yield from (f"{name}: plain HTTP is let in" for name in template.of_type(kind).keys() - guarded)


def buckets_block_the_public(template: ExpandedTemplate) -> Findings:
    blocks = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    for name, bucket in template.of_type("S3::Bucket").items():
        block = bucket.get("PublicAccessBlockConfiguration", {})
        yield from (f"{name}: {each} is off" for each in sorted(blocks) if block.get(each) is not True)


def buckets_keep_versions(template: ExpandedTemplate) -> Findings:
    for name, bucket in template.of_type("S3::Bucket").items():
        if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{name}: an overwritten object is lost"


def what_is_stored_is_encrypted(template: ExpandedTemplate) -> Findings:
    yield from (f"{n}: plain" for n, each in template.of_type("S3::Bucket").items() if "BucketEncryption" not in each)
    yield from (f"{n}: plain" for n, q in template.of_type("SQS::Queue").items() if not q.get("SqsManagedSseEnabled"))
    yield from (f"{n}: plain" for n, each in template.of_type("SNS::Topic").items() if "KmsMasterKeyId" not in each)


def table_can_be_restored_and_forgets(template: ExpandedTemplate) -> Findings:
    for name, table in template.of_type("DynamoDB::Table").items():
        if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield f"{name}: no point-in-time recovery"
        if table.get("TimeToLiveSpecification") != {"AttributeName": "expires_at", "Enabled": True}:
            yield f"{name}: rows never expire"


def webhook_secrets_are_kept_from_who_needs_none(template: ExpandedTemplate) -> Findings:
    """Models are programs: of the functions that run some, none may read what signs a tenant's webhooks."""
    for name, role in template.of_type("IAM::Role").items():
        principal = principal_of(name, role)
        for action in ("GetItem", "Query", "PutItem", "UpdateItem"):
            if name not in SECRET_KEEPERS and may_touch_row(principal, action, "WEBHOOK#acme"):
                yield f"{name}: {action} on the secrets of webhooks"


def nothing_that_runs_makes_keys(template: ExpandedTemplate) -> Findings:
    """Which key is whose is an operator's to say: no role of the stack may write these rows, nor their history."""
    for name, role in template.of_type("IAM::Role").items():
        principal = principal_of(name, role)
        for partition in ("APIKEY#k1", "TENANTS", "TENANT#acme", "AUDIT#acme"):
            for action in ("PutItem", "UpdateItem", "DeleteItem"):
                if may_touch_row(principal, action, partition):
                    yield f"{name}: {action} on {partition}"


def rights_on_rows_name_their_partitions(template: ExpandedTemplate) -> Findings:
    """Find rights on rows whatever their key. ForAllValues holds where a request names none, as a Scan does."""
    for name, role in template.of_type("IAM::Role").items():
        for statement in _role_statements(role):
            actions = {each for each in as_list(statement["Action"]) if each.startswith("dynamodb:")}
            if not actions or "/index/" in str(statement["Resource"]):
                continue
            (asked,) = statement.get("Condition", {"": {}}).values()
            keys = asked.get("dynamodb:LeadingKeys", [])
            if not keys or any(not key[:1].isalpha() for key in keys):
                yield f"{name}: {sorted(actions)} on every row"
            if not actions <= {f"dynamodb:{each}" for each in ("GetItem", "Query", "PutItem", "UpdateItem")}:
                yield f"{name}: {sorted(actions)} ask for no key, or delete"


def uploads_cannot_loop(template: ExpandedTemplate) -> Findings:
    """No role of what an upload sets off may write where a write starts the ingest.

    The functions behind HTTP may: a form that they sign for an upload has their rights, and nothing starts them but a
    request.
    """
    triggers = list(_trigger_prefixes(template))
    behind_http = _roles_behind_http_only(template)
    for role_name, role in template.of_type("IAM::Role").items():
        if role_name in behind_http:
            continue
        for prefix in _written_prefixes(role):
            if any(prefix.startswith(each) or each.startswith(prefix) for each in triggers):
                yield f"{role_name}: writes {prefix!r}, which starts the ingest again"


def readers_can_tell_missing_from_forbidden(template: ExpandedTemplate) -> Findings:
    """Without ListBucket on the bucket, for the key as prefix, S3 answers 403 for an object that does not exist."""
    buckets = template.of_type("S3::Bucket").keys()
    for name, role in template.of_type("IAM::Role").items():
        session = acting_for(principal_of(name, role), "acme")
        unlisted = {
            str(target(each))
            for each in _resources(role, "s3:GetObject")
            if target(each) in buckets and not may_list(session, f"arn:{target(each)}", _key_of(each))
        }
        yield from (f"{name}: reads {bucket} and may not list it" for bucket in sorted(unlisted))


def _key_of(resource: dict[str, str]) -> str:
    """Return a key that a resource of the template names, of one tenant where it names tenants by their tag."""
    _bucket, _, pattern = resource["Fn::Sub"].partition("/")
    return pattern.replace("${!aws:PrincipalTag/tenant}", "acme").replace("*", "x")


def data_outlives_its_messages(template: ExpandedTemplate) -> Findings:
    """Find data that a message names and that is gone when somebody redrives it from the dead-letter queue."""
    queues = template.of_type("SQS::Queue").values()
    dead, waiting = (
        max(queue["MessageRetentionPeriod"] for queue in queues if ("RedrivePolicy" in queue) is has_redrive)
        for has_redrive in (False, True)
    )
    rules = template.of_type("S3::Bucket")["DataBucket"]["LifecycleConfiguration"]["Rules"]
    days = {rule["Prefix"]: int(rule["ExpirationInDays"]) for rule in rules if "Prefix" in rule}
    for prefix in ("inbox/", "inputs/", "work/", "jobs/"):
        if days[prefix] * DAY_S <= dead + waiting:
            yield f"{prefix}: gone after {days[prefix]} days"


def code_of_people_sees_its_runs_only(template: ExpandedTemplate) -> Findings:
    """Find rights beyond reading data and runs, and writing what a run leaves: a recipe runs with its container's."""
    for definition in template.of_type("Batch::JobDefinition").values():
        if "Ref::task" not in definition["ContainerProperties"]["Command"]:
            continue
        own, roles = target(definition["ContainerProperties"]["JobRoleArn"]), template.of_type("IAM::Role")
        taken = [name for name, role in roles.items() if own in trusted(role)]
        for name, statement in ((each, found) for each in (own, *taken) for found in _role_statements(roles[each])):
            actions, resources = set(as_list(statement["Action"])), as_list(statement["Resource"])
            of_tenant = tuple(f"{area}/${{!aws:PrincipalTag/tenant}}/" for area in ("training", "inputs"))
            if actions == {"s3:ListBucket"}:
                listed = [f"{each.replace('!', '')}*" for each in of_tenant]
                if statement.get("Condition") != {"StringLike": {"s3:prefix": listed}}:
                    yield f"{name}: lists more than its tenant's runs and data"
                continue
            allowed = of_tenant if actions == {"s3:GetObject"} else tuple(f"{each}*/" for each in of_tenant[:1])
            for each in resources:
                bucket, _, prefix = str(each.get("Fn::Sub", "")).partition("/")
                if bucket != "${DataBucket.Arn}" or not prefix.startswith(allowed):
                    yield f"{name}: {sorted(actions)} on {each}"


def trusted(role: dict[str, Any]) -> set[str]:
    """Return the roles that may take a role."""
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    return {target(each) for statement in statements for each in as_list(statement["Principal"].get("AWS", []))}


def _resources(role: dict[str, Any], action: str) -> Iterator[Any]:
    """Yield what an action is granted on whatever the request says."""
    for statement in _role_statements(role):
        if action in as_list(statement["Action"]) and "Condition" not in statement:
            yield from as_list(statement["Resource"])


def _roles_behind_http_only(template: ExpandedTemplate) -> set[str]:
    """Return the roles of functions that no queue, event or schedule starts."""
    permissions = template.of_type("Lambda::Permission").values()
    callers = {(target(each["FunctionName"]), each["Principal"]) for each in permissions}
    queued = {target(each["FunctionName"]) for each in template.of_type("Lambda::EventSourceMapping").values()}
    functions = template.of_type("Lambda::Function")
    started_otherwise = queued | {name for name, caller in callers if caller != "apigateway.amazonaws.com"}
    return {target(each["Role"]) for name, each in functions.items() if name not in started_otherwise}


def _trigger_prefixes(template: ExpandedTemplate) -> Iterator[str]:
    for bucket in template.of_type("S3::Bucket").values():
        for queue in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            rules = queue.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            yield next((rule["Value"] for rule in rules if rule["Name"] == "prefix"), "")


def _written_prefixes(role: dict[str, Any]) -> Iterator[str]:
    for statement in _role_statements(role):
        if "s3:PutObject" in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield str(resource["Fn::Sub"]).partition("}/")[2].removesuffix("*")


def _statements(template: ExpandedTemplate, kind: str, targets: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (logical id, statement) of resource policies, once per resource that a policy stands on."""
    for policy in template.of_type(kind).values():
        for name in as_list(policy[targets]):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield target(name), statement


def _role_statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


RULES = [
    readers_can_tell_missing_from_forbidden,
    data_outlives_its_messages,
    roles_name_their_resources,
    code_of_people_sees_its_runs_only,
    functions_have_a_role_each,
    service_grants_name_their_source,
    access_is_by_tls_only,
    buckets_block_the_public,
    buckets_keep_versions,
    what_is_stored_is_encrypted,
    table_can_be_restored_and_forgets,
    webhook_secrets_are_kept_from_who_needs_none,
    nothing_that_runs_makes_keys,
    rights_on_rows_name_their_partitions,
    uploads_cannot_loop,
]
