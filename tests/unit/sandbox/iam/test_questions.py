"""Which rights requests need: actions, resources and keys, by service."""

import io
import json

import pytest

from lambent_toolkit.sandbox.iam.caller import Caller, caller_of
from lambent_toolkit.sandbox.iam.errors import Unjudged
from lambent_toolkit.sandbox.iam.question import Call
from lambent_toolkit.sandbox.iam.questions import questions_of_call
from lambent_toolkit.sandbox.iam.questions_dynamodb import questions_of_dynamodb
from lambent_toolkit.sandbox.iam.questions_s3 import S3Request, questions_of_s3
from lambent_toolkit.sandbox.iam.requests import read_call, read_s3, s3_questions

AWS = "us-east-1:123456789012"
TABLE = f"arn:aws:dynamodb:{AWS}:table/T"
JOBS = f"arn:aws:sqs:{AWS}:jobs"


@pytest.mark.parametrize(
    ("method", "key", "query", "headers", "expected"),
    [
        ("GET", "a", "", {}, ["s3:GetObject a"]),
        ("HEAD", "a", "", {}, ["s3:GetObject a"]),
        ("PUT", "a", "", {}, ["s3:PutObject a"]),
        ("PUT", "a", "x-id=PutObject", {"if-none-match": "*"}, ["s3:PutObject a"]),
        ("DELETE", "a", "", {}, ["s3:DeleteObject a"]),
        ("GET", "a", "versionId=1", {}, ["s3:GetObjectVersion a"]),
        ("DELETE", "a", "versionId=1", {}, ["s3:DeleteObjectVersion a"]),
        ("POST", "a", "uploads", {}, ["s3:PutObject a"]),
        ("PUT", "a", "partNumber=1&uploadId=2", {}, ["s3:PutObject a"]),
        ("POST", "a", "uploadId=2", {}, ["s3:PutObject a"]),
        ("DELETE", "a", "uploadId=2", {}, ["s3:AbortMultipartUpload a"]),
        ("GET", "a", "uploadId=2", {}, ["s3:ListMultipartUploadParts a"]),
        ("PUT", "a", "", {"x-amz-copy-source": "/other/b%20c"}, ["s3:PutObject a", "s3:GetObject other/b c"]),
        ("PUT", "a", "", {"if-match": "etag"}, ["s3:PutObject a", "s3:GetObject a"]),
        ("DELETE", "a", "", {"if-match": "etag"}, ["s3:DeleteObject a", "s3:GetObject a"]),
        ("GET", "a", "", {"if-match": "etag"}, ["s3:GetObject a"]),
        ("PUT", "a", "", {"x-amz-tagging": "x=y"}, ["s3:PutObject a", "s3:PutObjectTagging a"]),
        ("GET", "a", "tagging", {}, ["s3:GetObjectTagging a"]),
        ("GET", "", "list-type=2&prefix=p", {}, ["s3:ListBucket "]),
        ("GET", "", "", {}, ["s3:ListBucket "]),
        ("HEAD", "", "", {}, ["s3:ListBucket "]),
        ("GET", "", "versions", {}, ["s3:ListBucketVersions "]),
        ("GET", "", "policy", {}, ["s3:GetBucketPolicy "]),
        ("PUT", "", "policy", {}, ["s3:PutBucketPolicy "]),
    ],
)
def test_requests_of_s3_need_rights_by_other_names(
    method: str, key: str, query: str, headers: dict[str, str], expected: list[str]
) -> None:
    pairs = {each.partition("=")[0]: each.partition("=")[2] for each in query.split("&") if each}

    asked = questions_of_s3(S3Request(method, "data", key, pairs, headers))

    def shown(resource: str) -> str:
        return resource.removeprefix("arn:aws:s3:::").removeprefix("data").lstrip("/")

    assert [f"{each.action} {shown(each.resource)}" for each in asked] == expected


def test_a_write_on_the_condition_that_there_is_nothing_says_so() -> None:
    on_condition, plain, read = (
        questions_of_s3(S3Request(method, "data", "a", {}, headers))[0].context
        for method, headers in (("PUT", {"if-none-match": "*"}), ("PUT", {}), ("GET", {"if-none-match": "*"}))
    )

    assert (on_condition, plain, read) == ({"s3:if-none-match": ("*",)}, {}, {})


def test_an_access_list_in_header_fields_needs_the_right_to_set_one() -> None:
    grant = {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}

    asked = questions_of_s3(S3Request("PUT", "data", "a", {}, grant))

    assert [each.action for each in asked] == ["s3:PutObject", "s3:PutObjectAcl"]


def test_a_key_that_begins_with_a_slash_keeps_it() -> None:
    environ = request("PUT", "//inbox/a", host="data.s3.us-east-1.amazonaws.com:80")

    assert read_s3(environ).key == "/inbox/a"


@pytest.mark.parametrize("condition", ["#p-k = :a", ":a = pk", "(pk) = (:a)", "begins_with(pk, :a)", ""])
def test_a_query_whose_partition_is_not_found_is_an_error(condition: str) -> None:
    parameters = {
        "TableName": "T",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": {":a": {"S": "x"}},
    }

    with pytest.raises(Unjudged, match="Query"):
        questions_of_dynamodb("Query", parameters, lambda _table, _index: "pk")


def test_no_shorter_name_stands_for_a_value_of_a_query() -> None:
    values = {":a-b": {"S": "asked"}, ":a": {"S": "other"}}
    parameters = {"TableName": "T", "KeyConditionExpression": "pk = :a-b", "ExpressionAttributeValues": values}

    (asked,) = questions_of_dynamodb("Query", parameters, lambda _table, _index: "pk")

    assert asked.context == {"dynamodb:leadingkeys": ("asked",)}


def test_a_call_with_two_operations_is_an_error() -> None:
    environ = {**request("POST", "/", x_amz_target="SNS.Publish"), "QUERY_STRING": "Action=ListTopics"}

    with pytest.raises(Unjudged, match="two operations"):
        read_call(environ, Caller("AKIA", "sns"))


def test_a_form_that_names_another_object_in_its_address_is_an_error() -> None:
    environ = {**request("POST", "/data/models/a"), "QUERY_STRING": "uploads"}
    caller = Caller("AKIA", "s3", form_key="inbox/a")

    with pytest.raises(Unjudged, match="form"):
        list(s3_questions(environ, caller, read_s3(environ)))


def test_the_prefix_of_a_listing_is_a_condition_key() -> None:
    (asked,) = questions_of_s3(S3Request("GET", "data", "", {"list-type": "2", "prefix": "jobs/"}, {}))

    assert asked.context == {"s3:prefix": ("jobs/",)}


@pytest.mark.parametrize(
    ("method", "key", "query"),
    [
        ("GET", "a", "torrent"),
        ("PATCH", "a", ""),
        ("PUT", "", "replication"),
        # Two questions in one: judged as the first of them, and answered as the other.
        ("GET", "", "list-type=2&policy"),
        ("GET", "", "list-type=2&versions"),
        ("PUT", "a", "uploadId=1&tagging"),
        ("GET", "a", "partNumber=1&acl"),
    ],
)
def test_a_request_of_s3_that_is_not_known_is_an_error(method: str, key: str, query: str) -> None:
    with pytest.raises(Unjudged):
        questions_of_s3(S3Request(method, "data", key, {query: ""} if query else {}, {}))


def test_bucket_and_key_are_read_from_the_path_or_from_a_regional_host() -> None:
    by_path = read_s3({"REQUEST_METHOD": "GET", "HTTP_HOST": "127.0.0.1:5000", "PATH_INFO": "/data/a/b"})
    by_host = read_s3({"REQUEST_METHOD": "GET", "HTTP_HOST": "data.s3.eu-west-1.amazonaws.com", "PATH_INFO": "/a/b"})

    assert (by_path.bucket, by_path.key) == (by_host.bucket, by_host.key) == ("data", "a/b")


def test_every_object_of_a_multiple_deletion_is_asked_for() -> None:
    body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"
    environ = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}

    asked = s3_questions(environ, Caller("k", "s3"), S3Request("POST", "data", "", {"delete": ""}, {}))

    assert [(each.action, each.resource) for each in asked] == [
        ("s3:DeleteObject", "arn:aws:s3:::data/a"),
        ("s3:DeleteObjectVersion", "arn:aws:s3:::data/b"),
    ]
    assert environ["wsgi.input"].read() == body  # for the service itself


def schema(table: str, index: str | None) -> str:
    return {None: "PK", "Open": "OPEN"}[index]


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("GetItem", {"TableName": "T", "Key": {"PK": {"S": "a"}, "SK": {"S": "b"}}}, [("GetItem", TABLE, ("a",))]),
        ("PutItem", {"TableName": "T", "Item": {"PK": {"S": "a"}}}, [("PutItem", TABLE, ("a",))]),
        ("UpdateItem", {"TableName": TABLE, "Key": {"PK": {"N": "1"}}}, [("UpdateItem", TABLE, ("1",))]),
        (
            "Query",
            {
                "TableName": "T",
                "KeyConditionExpression": "#p = :p AND begins_with(SK, :s)",
                "ExpressionAttributeNames": {"#p": "PK"},
                "ExpressionAttributeValues": {":p": {"S": "JOB#1"}, ":s": {"S": "x"}},
            },
            [("Query", TABLE, ("JOB#1",))],
        ),
        (
            "Query",
            {
                "TableName": "T",
                "IndexName": "Open",
                "KeyConditionExpression": "OPEN=:p",
                "ExpressionAttributeValues": {":p": {"S": "1"}},
            },
            [("Query", f"{TABLE}/index/Open", ("1",))],
        ),
        (
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "T", "Item": {"PK": {"S": "a"}}}},
                    {"ConditionCheck": {"TableName": "T", "Key": {"PK": {"S": "b"}}}},
                ]
            },
            [("PutItem", TABLE, ("a",)), ("ConditionCheckItem", TABLE, ("b",))],
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"T": {"Keys": [{"PK": {"S": "a"}}, {"PK": {"S": "b"}}]}}},
            [("BatchGetItem", TABLE, ("a", "b"))],
        ),
        (
            "BatchWriteItem",
            {
                "RequestItems": {
                    "T": [{"PutRequest": {"Item": {"PK": {"S": "a"}}}}, {"DeleteRequest": {"Key": {"PK": {"S": "b"}}}}]
                }
            },
            [("BatchWriteItem", TABLE, ("a", "b"))],
        ),
    ],
)
def test_calls_of_dynamodb_tell_the_partition_keys_that_they_touch(
    operation: str, parameters: dict, expected: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    asked = questions_of_dynamodb(operation, parameters, schema)

    assert [
        (each.action.removeprefix("dynamodb:"), each.resource, each.context["dynamodb:leadingkeys"]) for each in asked
    ] == expected


@pytest.mark.parametrize("operation", ["ExecuteStatement", "ExportTableToPointInTime"])
def test_a_call_of_dynamodb_that_is_not_known_is_an_error(operation: str) -> None:
    with pytest.raises(Unjudged):
        questions_of_dynamodb(operation, {"TableName": "T"}, schema)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("sqs", "SendMessageBatch", {"QueueUrl": "http://x/1/jobs"}, [("sqs:SendMessage", JOBS)]),
        ("sqs", "DeleteMessageBatch", {"QueueUrl": "http://x/1/jobs"}, [("sqs:DeleteMessage", JOBS)]),
        ("sns", "Publish", {"TopicArn": "arn:t"}, [("sns:Publish", "arn:t")]),
        ("events", "PutEvents", {"Entries": [{}]}, [("events:PutEvents", f"arn:aws:events:{AWS}:event-bus/default")]),
        (
            "batch",
            "SubmitJob",
            {"jobQueue": "q", "jobDefinition": "d:1", "tags": {"a": "b"}},
            [
                ("batch:SubmitJob", f"arn:aws:batch:{AWS}:job-queue/q"),
                ("batch:SubmitJob", f"arn:aws:batch:{AWS}:job-definition/d:1"),
                ("batch:TagResource", f"arn:aws:batch:{AWS}:job/*"),
            ],
        ),
        ("batch", "TerminateJob", {"jobId": "1"}, [("batch:TerminateJob", f"arn:aws:batch:{AWS}:job/1")]),
        ("batch", "DescribeJobs", {"jobs": ["1"]}, [("batch:DescribeJobs", "*")]),
        (
            "logs",
            "GetLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            [("logs:GetLogEvents", f"arn:aws:logs:{AWS}:log-group:g:log-stream:s")],
        ),
        ("lambda", "Invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", f"arn:aws:lambda:{AWS}:function:f")]),
        ("monitoring", "PutMetricData", {}, [("cloudwatch:PutMetricData", "*")]),
    ],
)
def test_calls_name_their_action_and_their_resources(
    service: str, operation: str, parameters: dict, expected: list[tuple[str, str]]
) -> None:
    asked = questions_of_call(Call(service, operation, parameters))

    assert [(each.action, each.resource) for each in asked] == expected


def test_an_operation_whose_resources_are_not_known_is_an_error() -> None:
    with pytest.raises(Unjudged, match="sqs:CreateQueue"):
        questions_of_call(Call("sqs", "CreateQueue", {"QueueName": "q"}))


def request(method: str, path: str, body: bytes = b"", **headers: str) -> dict:
    fields = {"HTTP_" + name.upper(): value for name, value in headers.items()}
    sizes = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return {"REQUEST_METHOD": method, "PATH_INFO": path, **sizes, **fields}


@pytest.mark.parametrize(
    ("service", "environ", "operation"),
    [
        ("sqs", request("POST", "/", b"{}", x_amz_target="AmazonSQS.SendMessage"), "SendMessage"),
        ("sns", request("POST", "/", b"Action=Publish&TopicArn=t"), "Publish"),
        ("batch", request("POST", "/v1/submitjob", b"{}"), "SubmitJob"),
        ("lambda", request("POST", "/2015-03-31/functions/f/invocations", b"[1]"), "Invoke"),
        ("monitoring", request("POST", "/service/X/operation/PutMetricData"), "PutMetricData"),
        ("apigateway", request("GET", "/apikeys/1"), "GET"),
    ],
)
def test_operations_are_read_from_every_protocol(service: str, environ: dict, operation: str) -> None:
    assert read_call(environ, Caller("k", service)).operation == operation


SCOPE = "AKIA1/20260101/us-east-1/s3/aws4_request"
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\ninbox/a\r\n--x\r\nContent-Disposition: form-data;'
    b' name="x-amz-credential"\r\n\r\n' + SCOPE.encode() + b"\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (request("GET", "/", authorization=f"AWS4-HMAC-SHA256 Credential={SCOPE}, Signature=0"), Caller("AKIA1", "s3")),
        ({"QUERY_STRING": f"X-Amz-Credential={SCOPE}&X-Amz-Security-Token=t"}, Caller("AKIA1", "s3", "t")),
        ({"QUERY_STRING": "AWSAccessKeyId=AKIA1&Signature=s"}, Caller("AKIA1", "s3")),
        (request("GET", "/", authorization="AWS AKIA1:sig"), Caller("AKIA1", "s3")),
        (
            {**request("POST", "/data", FORM), "CONTENT_TYPE": "multipart/form-data; boundary=x"},
            Caller("AKIA1", "s3", None, "inbox/a"),
        ),
        ({}, Caller("", "s3")),
    ],
)
def test_the_signer_is_found_in_header_address_or_form(environ: dict, expected: Caller) -> None:
    assert caller_of(environ) == expected


def test_a_payload_that_is_no_object_reads_as_no_parameters() -> None:
    environ = request("POST", "/2015-03-31/functions/f/invocations", json.dumps([1]).encode())

    assert read_call(environ, Caller("k", "lambda")).parameters == {"FunctionName": "f"}


def test_to_take_a_role_with_tags_needs_the_right_to_set_them_too() -> None:
    role = "arn:aws:iam::123456789012:role/data"
    tags = {"Tags.member.1.Key": "tenant", "Tags.member.1.Value": "acme"}

    asked = questions_of_call(Call("sts", "AssumeRole", {"RoleArn": role, **tags}))
    plain = questions_of_call(Call("sts", "AssumeRole", {"RoleArn": role}))

    context = {"aws:requesttag/tenant": ("acme",), "aws:tagkeys": ("tenant",)}
    assert [(each.action, each.resource, each.context) for each in asked] == [
        ("sts:AssumeRole", role, context),
        ("sts:TagSession", role, context),
    ]
    assert [(each.action, each.resource, each.context) for each in plain] == [("sts:AssumeRole", role, {})]
