"""A page of events as AWS sends them, and some that nobody sends: most are foreign to every function that gets them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

BUCKET = "data"
KEY = "inbox/acme/shade/a b+c é.png"


def s3(key: str = KEY, name: str = "ObjectCreated:Put", bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    """Return an S3 event of one record."""
    thing = {"key": quote_plus(key), "size": 3, "eTag": "d41d8", "sequencer": "0A1B2C"}
    entity = {"bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}, "object": thing}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name, "s3": entity, **changes}
    return {"Records": [record]}


def rule(key: str = KEY, kind: str = "Object Created", bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    """Return what EventBridge makes of an S3 event; the key is as it is."""
    detail = {
        "version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 3, "etag": "d41d8"},
        "reason": "PutObject", "requester": "1",
    }  # fmt: skip
    return bridged("aws.s3", kind, detail) | changes


def bridged(source: str, kind: str, detail: Any) -> dict[str, Any]:
    """Return an event of EventBridge."""
    return {
        "version": "0", "id": "1", "detail-type": kind, "source": source, "account": "1", "region": "eu-west-1",
        "time": "2026-11-29T00:00:00Z", "resources": [], "detail": detail,
    }  # fmt: skip


def topic(message: Any, kind: str = "Notification") -> dict[str, Any]:
    """Return the envelope in which SNS puts a message into a queue."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "Type": kind, "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Subject": "Amazon S3 Notification",
        "Message": text, "Timestamp": "2026-11-29T00:00:00.000Z", "SignatureVersion": "1",
    }  # fmt: skip


def sqs(*bodies: Any, attributes: Any = None) -> dict[str, Any]:
    """Return messages of SQS; a body that is no text is JSON."""
    return {
        "Records": [
            {
                "messageId": str(place), "receiptHandle": "r", "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps(body), "messageAttributes": attributes or {},
                "attributes": {"ApproximateReceiveCount": "1"}, "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q",
            }
            for place, body in enumerate(bodies)
        ]
    }  # fmt: skip


def attribute(data_type: str, **value: Any) -> dict[str, Any]:
    """Return the message attribute tenant, as Lambda gets it."""
    return {"tenant": {"dataType": data_type, "stringListValues": [], "binaryListValues": [], **value}}


def rest(**changes: Any) -> dict[str, Any]:
    """Return a request of a REST API, which no route is for."""
    context = {"requestId": "r", "path": "/dev/nowhere", "stage": "dev", "identity": {"apiKeyId": "own-key"}}
    return {
        "resource": "/nowhere", "path": "/nowhere", "httpMethod": "GET", "headers": None, "multiValueHeaders": None,
        "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None,
        "requestContext": context, "body": None, "isBase64Encoded": False, **changes,
    }  # fmt: skip


_BATCH = {"jobId": "j", "status": "RUNNING", "parameters": {"tenant": "acme", "job_id": "j"}, "arrayProperties": {}}
_HTTP = {"http": {"method": "GET", "path": "/v2", "sourceIp": "1.1.1.1"}, "requestId": "r", "stage": "$default"}
_ALARM = {"alarmName": "a", "state": {"value": "ALARM"}}
_DEEP: Any = {}
for _ in range(200):
    _DEEP = {"Records": [_DEEP]}

# What a function may be invoked with.
EVENTS: dict[str, Any] = {
    "S3": s3(),
    "S3 test event": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET, "RequestId": "1"},
    "EventBridge: object created": rule(),
    "EventBridge: schedule": bridged("aws.events", "Scheduled Event", {}),
    "EventBridge Scheduler": bridged("aws.scheduler", "Scheduled Event", "{}"),
    "EventBridge: batch job": bridged("aws.batch", "Batch Job State Change", _BATCH),
    "EventBridge: batch queue": bridged(
        "aws.batch", "Batch Job Queue Blocked", {"jobId": "j", "status": "RUNNABLE", "statusReason": "CAPACITY"}
    ),
    "EventBridge: another of batch": bridged("aws.batch", "Batch Compute Environment State Change", _BATCH),
    "EventBridge: batch job without status": bridged("aws.batch", "Batch Job State Change", {"jobId": "j"}),
    "EventBridge: batch job of a new status": bridged("aws.batch", "Batch Job State Change", _BATCH | {"status": "X"}),
    "EventBridge: batch job of another type": bridged("aws.batch", "Batch Job State Change", _BATCH | {"jobId": 7}),
    "EventBridge: batch job, tenant of another type": bridged(
        "aws.batch", "Batch Job State Change", _BATCH | {"parameters": {"tenant": 1, "job_id": "j"}}
    ),
    "EventBridge: batch job without detail": bridged("aws.batch", "Batch Job State Change", None),
    "EventBridge: of an application": bridged("acme.orders", "Order", {"id": 1}),
    "EventBridge: alarm": bridged("aws.cloudwatch", "CloudWatch Alarm State Change", _ALARM),
    "SNS": {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": json.dumps(s3())}}]},
    "SNS envelope": topic(s3()),
    "Kinesis": {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "e30=", "partitionKey": "1"}}]},
    "DynamoDB": {"Records": [{"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": {}}}]},
    "API Gateway REST": rest(),
    "API Gateway REST, headers of another type": rest(headers=["a"]),
    "API Gateway REST, header without text": rest(headers={"a": None}),
    "API Gateway REST, no resource": rest(resource=None),
    "API Gateway REST, a parameter less": rest(resource="/models/{model}", pathParameters={"version": "1"}),
    "API Gateway REST, key of another type": rest(requestContext={"identity": {"apiKeyId": 7}}),
    "API Gateway REST, context of another type": rest(requestContext="r"),
    "API Gateway REST, body of another type": rest(body={"a": 1}),
    "API Gateway REST, path of another type": rest(path=None),
    "API Gateway REST, parameters of another type": rest(pathParameters=["a"]),
    "API Gateway REST, query of another type": rest(queryStringParameters={"a": 1}),
    "HTTP API": {"version": "2.0", "routeKey": "$default", "rawPath": "/v2", "requestContext": _HTTP},
    "function URL": {"version": "2.0", "rawPath": "/", "requestContext": _HTTP | {"domainName": "x.lambda-url"}},
    "load balancer": {"requestContext": {"elb": {"targetGroupArn": "a"}}, "httpMethod": "GET", "path": "/", "body": ""},
    "WebSocket": {"requestContext": {"connectionId": "c", "routeKey": "$default"}, "body": "{}"},
    "authorizer": {"type": "REQUEST", "methodArn": "arn:aws:execute-api:1", "resource": "/", "httpMethod": "GET"},
    "CloudWatch alarm": {"source": "aws.cloudwatch", "alarmArn": "a", "accountId": "1", "alarmData": _ALARM},
    "CloudWatch logs": {"awslogs": {"data": "H4sI"}},
    "Cognito": {"version": "1", "triggerSource": "PreSignUp_SignUp", "userPoolId": "p", "request": {}, "response": {}},
    "custom resource": {"RequestType": "Delete", "ResponseURL": "https://example.com", "StackId": "s"},
    "{}": {},
    "[]": [],
    "list of an S3 event": [s3()],
    "null": None,
    "true": True,
    "number": 7,
    "text": "event",
    "text of an S3 event": json.dumps(s3()),
    "deep": _DEEP,
    "many fields": {f"field-{place}": place for place in range(100)},
    "no records": {"Records": []},
    "records: null": {"Records": None},
    "records: a text": {"Records": "S3"},
    "records: an object": {"Records": s3()["Records"][0]},
    "records: numbers": {"Records": [1, 2]},
    "records: of no service": {"Records": [{}]},
    "records: SQS and S3": {"Records": [*sqs(s3())["Records"], *s3()["Records"]]},
    "SQS without body": {"Records": [{**sqs("")["Records"][0], "body": None}]},
    "SQS without id": {"Records": [{**sqs("")["Records"][0], "messageId": None}]},
    "SQS, attributes of another type": {"Records": [{**sqs("")["Records"][0], "attributes": []}]},
}

_ENTITY = s3()["Records"][0]["s3"]
# What a queue's message may hold, besides all of the above as JSON.
BODIES: dict[str, Any] = {
    "S3 through SNS": topic(s3()),
    "EventBridge through SNS": topic(rule()),
    "S3 test event through SNS": topic(EVENTS["S3 test event"]),
    "S3, two objects": {"Records": [*s3()["Records"], *s3("inbox/acme/shade/two.png")["Records"]]},
    "S3, multipart": s3(name="ObjectCreated:CompleteMultipartUpload"),
    "S3, no etag": s3(s3={"bucket": {"name": BUCKET}, "object": {"key": quote_plus(KEY)}}),
    "S3, another bucket": s3(bucket="others"),
    "S3 through SNS, another bucket": topic(s3(bucket="others")),
    "EventBridge, another bucket": rule(bucket="others"),
    "S3, a result of ours": s3("results/acme/shade/a.png.json"),
    "EventBridge, a result of ours": rule("results/acme/shade/a.png.json"),
    "S3, removed": s3(name="ObjectRemoved:Delete"),
    "S3, expired": s3(name="LifecycleExpiration:Delete"),
    "S3, restored": s3(name="ObjectRestore:Completed"),
    "S3, lost": s3(name="ReducedRedundancyLostObject"),
    "S3, tagged": s3(name="ObjectTagging:Put"),
    "S3, kind of a text like ours": s3(name="ObjectCreatedLater:Put"),
    "S3, kind that is no name": s3(name="<b>\u0000"),
    "EventBridge, deleted": rule(kind="Object Deleted"),
    "EventBridge, tagged": rule(kind="Object Tags Added"),
    "S3, one of ours, one of others": {"Records": [*s3(bucket="others")["Records"], *s3()["Records"]]},
    "S3, one of ours, one of no form": {"Records": [*s3()["Records"], {"s3": 7}, None]},
    "S3, no kind": {"Records": [{"eventSource": "aws:s3", "s3": _ENTITY}]},
    "S3, key of another type": s3(s3={"bucket": {"name": BUCKET}, "object": {"key": 7}}),
    "S3, no bucket": s3(s3={"object": {"key": quote_plus(KEY)}}),
    "EventBridge, no detail": {key: value for key, value in rule().items() if key != "detail"},
    "EventBridge through SNS, twice": topic(topic(rule())),
    "SNS through EventBridge": bridged("acme.uploads", "Forwarded", topic(s3())),
    "SNS through EventBridge, another bucket": bridged("acme.uploads", "Forwarded", topic(s3(bucket="others"))),
    "SNS through EventBridge, twice": bridged("acme.uploads", "Forwarded", bridged("acme", "Forwarded", topic(s3()))),
    "S3, a later form": s3(eventVersion="2.9"),
    "S3, form of another major number": s3(eventVersion="3.0"),
    "S3, form that is no number": s3(eventVersion="latest\u0007"),
    "S3, one of ours, one of another form": {"Records": [*s3()["Records"], *s3(eventVersion="3.0")["Records"]]},
    "EventBridge, detail of another form": rule(detail=rule()["detail"] | {"version": "1"}),
    "SNS subscription": topic("Confirm", kind="SubscriptionConfirmation"),
    "SNS, a text": topic("hello"),
    "SNS, message of another type": {**topic(s3()), "Message": s3()},
    "CloudWatch alarm through SNS": topic({"AlarmName": "a", "NewStateValue": "ALARM"}),
    "not JSON": "hello",
    "nothing": "",
    "half of an event": json.dumps(s3())[:-9],
    "deeper than anybody reads": "[" * 5_000 + "]" * 5_000,
    "one key twice": '{"Event": "s3:TestEvent", "Event": "x"}',
    "test event with records": {"Event": "s3:TestEvent", "Records": []},
    "control characters": '"\\u0000\\u0007"',
}
