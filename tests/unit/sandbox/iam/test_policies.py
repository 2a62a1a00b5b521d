"""What policies say: effects, patterns, conditions, and that nothing unknown is skipped."""

import json

import pytest

from lambent_toolkit.sandbox.iam.conditions import read_conditions
from lambent_toolkit.sandbox.iam.errors import BadPolicy
from lambent_toolkit.sandbox.iam.judge import Principal, Right, decide
from lambent_toolkit.sandbox.iam.policy import Policy, read_policy
from lambent_toolkit.sandbox.iam.question import Question

ROLE = "arn:aws:iam::123456789012:role/worker"
BUCKET = "arn:aws:s3:::data"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"


def policy(*statements: dict) -> Policy:
    return read_policy("worker", json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(action: str | list[str], resource: str | list[str] = "*", **more: object) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str = "*", **more: object) -> dict:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def role(*statements: dict) -> Principal:
    return Principal("arn:aws:sts::…", "worker", (policy(*statements),), frozenset({f"AWS:{ROLE}"}))


def is_allowed(who: Principal, action: str, resource: str, *theirs: Policy, **context: tuple[str, ...]) -> bool:
    return decide(who, Question(action, resource, context), theirs).is_allowed


@pytest.mark.parametrize(
    ("statement", "action", "resource", "expected"),
    [
        (allow("s3:GetObject", f"{BUCKET}/jobs/*"), "s3:GetObject", f"{BUCKET}/jobs/1/a", True),
        (allow("s3:GetObject", f"{BUCKET}/jobs/*"), "s3:GetObject", f"{BUCKET}/inbox/1", False),
        (allow("s3:GetObject", f"{BUCKET}/jobs/*"), "s3:PutObject", f"{BUCKET}/jobs/1", False),
        (allow("s3:Get*", BUCKET), "s3:GetBucketPolicy", BUCKET, True),
        (allow("S3:getobject", BUCKET), "s3:GetObject", BUCKET, True),
        (allow("s3:GetObject", BUCKET.upper()), "s3:GetObject", BUCKET, False),
        (allow("*"), "sqs:SendMessage", QUEUE, True),
        (allow(["s3:GetObject", "sqs:SendMessage"], [BUCKET, QUEUE]), "sqs:SendMessage", QUEUE, True),
        (allow("s3:GetObject", f"{BUCKET}/?.txt"), "s3:GetObject", f"{BUCKET}/a.txt", True),
        (allow("s3:GetObject", f"{BUCKET}/?.txt"), "s3:GetObject", f"{BUCKET}/ab.txt", False),
        (allow("s3:GetObject", f"{BUCKET}/[a].txt"), "s3:GetObject", f"{BUCKET}/a.txt", False),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, "sqs:SendMessage", QUEUE, True),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, "s3:GetObject", BUCKET, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": f"{BUCKET}/keys/*"}, "s3:GetObject", f"{BUCKET}/a", True),
        (
            {"Effect": "Allow", "Action": "s3:*", "NotResource": f"{BUCKET}/keys/*"},
            "s3:GetObject",
            f"{BUCKET}/keys/a",
            False,
        ),
    ],
)
def test_a_statement_allows_what_its_patterns_name(statement: dict, action: str, resource: str, expected: bool) -> None:
    assert is_allowed(role(statement), action, resource) is expected


def test_an_explicit_deny_wins_over_every_allow() -> None:
    who = role(allow("s3:*"), deny("s3:GetObject", f"{BUCKET}/keys/*"))

    decision = decide(who, Question("s3:GetObject", f"{BUCKET}/keys/1"))

    assert is_allowed(who, "s3:GetObject", f"{BUCKET}/other")
    assert (decision.is_allowed, decision.reason) == (False, "with an explicit deny in an identity-based policy")


def test_what_nobody_allows_is_refused_in_the_words_of_aws() -> None:
    decision = decide(role(allow("s3:PutObject")), Question("s3:GetObject", BUCKET))

    assert decision.reason == "because no identity-based policy allows the s3:GetObject action"


def test_a_policy_of_the_resource_may_allow_and_may_forbid() -> None:
    allowing = policy(allow("s3:GetObject", f"{BUCKET}/*", Principal={"AWS": ROLE}))
    forbidding = policy(deny("s3:*", f"{BUCKET}/*", Principal="*"))

    assert is_allowed(role(), "s3:GetObject", f"{BUCKET}/a", allowing)
    assert not is_allowed(role(allow("s3:*")), "s3:GetObject", f"{BUCKET}/a", forbidding)
    assert not is_allowed(role(), "s3:GetObject", f"{BUCKET}/a", policy(allow("*", Principal={"AWS": "arn:other"})))


def test_a_service_needs_a_policy_of_the_resource_that_names_it_and_its_source() -> None:
    service = Principal(
        "s3.amazonaws.com",
        "s3.amazonaws.com",
        names=frozenset({"Service:s3.amazonaws.com"}),
        is_service=True,
        context={"aws:sourcearn": (BUCKET,), "aws:sourceaccount": ("123456789012",)},
    )

    def queue_policy(source: str, who: str = "s3.amazonaws.com") -> Policy:
        condition = {"ArnEquals": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": "123456789012"}}
        return policy(allow("sqs:SendMessage", QUEUE, Principal={"Service": who}, Condition=condition))

    assert is_allowed(service, "sqs:SendMessage", QUEUE, queue_policy(BUCKET))
    assert not is_allowed(service, "sqs:SendMessage", QUEUE, queue_policy("arn:aws:s3:::other"))
    assert not is_allowed(service, "sqs:SendMessage", QUEUE, queue_policy(BUCKET, "sns.amazonaws.com"))
    assert "no resource-based policy" in decide(service, Question("sqs:SendMessage", QUEUE)).reason


TAG, KEYS = "aws:ResourceTag/stack", "dynamodb:LeadingKeys"
ARN = "arn:aws:s3:::data"


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "values", "expected"),
    [
        ("StringEquals", TAG, "a", ("a",), True),
        ("StringEquals", TAG, ["a", "b"], ("b",), True),
        ("StringEquals", TAG, "a", ("A",), False),
        ("StringEquals", TAG, "a", (), False),
        ("StringEqualsIfExists", TAG, "a", (), True),
        ("StringEqualsIfExists", TAG, "a", ("b",), False),
        ("StringNotEquals", TAG, ["a", "b"], ("c",), True),
        ("StringNotEquals", TAG, ["a", "b"], ("b",), False),
        ("StringNotEquals", TAG, "a", (), True),
        ("StringEqualsIgnoreCase", TAG, "a", ("A",), True),
        ("StringNotEqualsIgnoreCase", TAG, "a", ("A",), False),
        ("StringLike", "s3:prefix", "jobs/*", ("jobs/1",), True),
        ("StringLike", "s3:prefix", "jobs/*", ("inbox/",), False),
        ("StringLike", "s3:prefix", "*", (), False),
        ("StringNotLike", "s3:prefix", "jobs/*", ("inbox/",), True),
        ("ArnEquals", "aws:SourceArn", "arn:aws:s3:::da*", (ARN,), True),
        ("ArnLike", "aws:SourceArn", "arn:aws:*:::data", (ARN,), True),
        ("ArnLike", "aws:SourceArn", "arn:aws:*", (ARN,), False),
        ("ArnNotEquals", "aws:SourceArn", ARN, (ARN,), False),
        ("ArnNotLike", "aws:SourceArn", "arn:aws:sns:::*", (ARN,), True),
        ("Bool", "aws:SecureTransport", "false", ("true",), False),
        ("Bool", "aws:SecureTransport", True, ("true",), True),
        ("Bool", "aws:SecureTransport", "false", (), False),
        ("Null", TAG, "true", (), True),
        ("Null", TAG, "true", ("a",), False),
        ("Null", TAG, "false", ("a",), True),
        ("Null", TAG, False, (), False),
        ("NumericLessThanEquals", "s3:max-keys", "10", ("10",), True),
        ("NumericLessThan", "s3:max-keys", "10", ("10",), False),
        ("NumericGreaterThan", "s3:max-keys", "10", ("9",), False),
        ("NumericGreaterThanEquals", "s3:max-keys", "10", ("10",), True),
        ("NumericEquals", "s3:max-keys", "10", ("10.0",), True),
        ("NumericNotEquals", "s3:max-keys", "10", ("10",), False),
        ("ForAllValues:StringLike", KEYS, ["JOB#*", "UPLOAD#*"], ("JOB#1", "UPLOAD#2"), True),
        ("ForAllValues:StringLike", KEYS, ["JOB#*"], ("JOB#1", "WEBHOOK#2"), False),
        ("ForAllValues:StringLike", KEYS, ["JOB#*"], (), True),
        ("ForAllValues:StringEquals", KEYS, ["SERVING"], ("SERVING",), True),
        ("ForAllValues:StringEquals", KEYS, ["SERVING"], ("SERVINGS",), False),
        ("ForAnyValue:StringLike", KEYS, ["WEBHOOK#*"], ("JOB#1", "WEBHOOK#2"), True),
        ("ForAnyValue:StringLike", KEYS, ["WEBHOOK#*"], ("JOB#1",), False),
        ("ForAnyValue:StringLike", KEYS, ["*"], (), False),
    ],
)
def test_conditions_hold_as_aws_says(
    operator: str, key: str, wanted: object, values: tuple[str, ...], expected: bool
) -> None:
    (condition,) = read_conditions({operator: {key: wanted}}, "here")

    assert condition.holds({key.lower(): values} if values else {}) is expected


def test_all_conditions_of_a_statement_must_hold() -> None:
    condition = {"StringEquals": {TAG: "a", "aws:SourceAccount": "1"}, "Bool": {"aws:SecureTransport": "true"}}
    who = role(allow("batch:TerminateJob", Condition=condition))
    tag, account = {TAG.lower(): ("a",)}, {"aws:sourceaccount": ("1",)}

    assert is_allowed(who, "batch:TerminateJob", "*", **tag, **account)
    assert not is_allowed(who, "batch:TerminateJob", "*", **tag)
    assert not is_allowed(who, "batch:TerminateJob", "*", **account)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (allow("s3:GetObject", Condition={"DateLessThan": {"aws:CurrentTime": "2030"}}), "DateLessThan"),
        (allow("s3:GetObject", Condition={"StringMatches": {TAG: "a"}}), "StringMatches"),
        (allow("s3:GetObject", Condition={"ForSomeValues:StringEquals": {TAG: "a"}}), "ForSomeValues"),
        (allow("s3:GetObject", Condition={"StringEquals": {"aws:SourceVpce": "a"}}), "aws:SourceVpce"),
        (allow("s3:GetObject", Condition={"StringEquals": {KEYS: "a"}}), "ForAllValues"),
        (allow("s3:GetObject", Condition={"StringEquals": {TAG: "${aws:username}"}}), "policy variables"),
        (allow("s3:GetObject", "arn:aws:s3:::data/${aws:username}/*"), "policy variables"),
        (allow("s3:*", Condition={"StringNotLike": {"s3:prefix": "${aws:PrincipalTag/tenant}/*"}}), "policy variables"),
        (allow("s3:*", Condition={"Null": {"s3:prefix": "${aws:PrincipalTag/tenant}"}}), "policy variables"),
        (allow("s3:GetObject", NotPrincipal={"AWS": "*"}), "NotPrincipal"),
        (allow("s3:GetObject", Principal={"Federated": "x"}), "Federated"),
        ({"Effect": "allow", "Action": "s3:GetObject", "Resource": "*"}, "Effect"),
    ],
)
def test_what_is_not_known_is_an_error_and_never_skipped(statement: dict, named: str) -> None:
    with pytest.raises(BadPolicy, match=named.replace("$", r"\$")):
        policy(statement)


@pytest.mark.parametrize(
    ("tenant", "prefix", "expected"),
    [
        ("acme", "jobs/acme/1", True),
        ("acme", "jobs/acme/", True),
        ("acme", "jobs/other/1", False),
        ("acme", "jobs/acm", False),
        ("acme", None, False),
        (None, "jobs/acme/1", False),
        (None, "jobs//1", False),
        ("*", "jobs/acme/1", False),
    ],
)
def test_a_condition_may_name_a_tag_of_the_caller_as_resources_do(
    tenant: str | None, prefix: str | None, expected: bool
) -> None:
    condition = {"StringLike": {"s3:prefix": ["work/x/*", "jobs/${aws:PrincipalTag/tenant}/*"]}}
    tags = {} if tenant is None else {"aws:principaltag/tenant": (tenant,)}
    asked = {} if prefix is None else {"s3:prefix": (prefix,)}

    assert (
        is_allowed(role(allow("s3:ListBucket", BUCKET, Condition=condition)), "s3:ListBucket", BUCKET, **tags, **asked)
        is expected
    )


def test_used_rights_name_the_statement_and_the_pattern_that_allowed() -> None:
    used: list[Right] = []
    who = role(allow(["s3:GetObject", "s3:PutObject"], [f"{BUCKET}/a/*", f"{BUCKET}/b/*"], Sid="Read"))

    decide(who, Question("s3:GetObject", f"{BUCKET}/b/1"), observe=used.append)

    assert used == [Right("worker", "worker", "Read", "s3:GetObject", f"{BUCKET}/b/*")]


TAGGED = "aws:principaltag/tenant"
OF_TENANT = f"{BUCKET}/jobs/${{aws:PrincipalTag/tenant}}/*"


@pytest.mark.parametrize(
    ("key", "tag", "expected"),
    [
        ("jobs/acme/1", ("acme",), True),
        ("jobs/acme/", ("acme",), True),
        ("jobs/acme2/1", ("acme",), False),
        ("jobs/other/acme/1", ("acme",), False),
        ("jobs/acme/1", (), False),
        ("jobs/acme/1", ("*",), False),
        ("jobs/acme/1", ("acm?",), False),
        ("jobs//1", ("",), True),
    ],
)
def test_a_resource_may_hold_the_callers_tag(key: str, tag: tuple[str, ...], expected: bool) -> None:
    who = role(allow("s3:GetObject", OF_TENANT))

    assert is_allowed(who, "s3:GetObject", f"{BUCKET}/{key}", **({TAGGED: tag} if tag else {})) is expected


def test_what_a_not_resource_with_a_tag_leaves_open_is_open_to_those_with_the_tag_only() -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": OF_TENANT}

    assert is_allowed(role(statement), "s3:GetObject", f"{BUCKET}/a", **{TAGGED: ("acme",)})
    assert not is_allowed(role(statement), "s3:GetObject", f"{BUCKET}/a")


def test_a_used_right_is_told_by_the_pattern_of_its_policy_not_by_the_tenant() -> None:
    used: list[Right] = []
    question = Question("s3:GetObject", f"{BUCKET}/jobs/acme/1", {TAGGED: ("acme",)})

    decide(role(allow("s3:GetObject", OF_TENANT)), question, (), used.append)

    assert [each.resource for each in used] == [OF_TENANT]
