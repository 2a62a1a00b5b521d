"""Who is refused at the storage, and in which words: AWS's, in the wire format of each service."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from made_policies import Caller, make_caller

from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S

MACHINERY = Path(__file__).parent / "fixtures" / "machinery"
ACCOUNT = "us-east-1:123456789012"


@pytest.fixture(scope="module")
def nobody(stack: LocalStack) -> Iterator[Caller]:
    """Return a user without any policy."""
    with make_caller(stack.info, "nobody") as caller:
        yield caller


@pytest.fixture(scope="module")
def reader(stack: LocalStack) -> Iterator[Caller]:
    """Return a user who may read one prefix of the data bucket, by a managed policy, and nothing else."""
    resource = f"arn:aws:s3:::{stack.info.buckets['data']}/read/*"
    policy = {"Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}]}
    with make_caller(stack.info, "reader", policy) as caller:
        yield caller


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


CALLS: dict[str, tuple[str, int, str, str, Callable[[Caller, Any], Any]]] = {
    "s3": ("AccessDenied", 403, "s3:GetObject", '"arn:aws:s3:::{data}/a"',
           lambda who, info: who.client("s3").get_object(Bucket=info.buckets["data"], Key="a")),
    "dynamodb": ("AccessDeniedException", 400, "dynamodb:GetItem", f"arn:aws:dynamodb:{ACCOUNT}:table/{{table}}",
                 lambda who, info: who.client("dynamodb").get_item(
                     TableName=info.table, Key={"pk": {"S": "a"}, "sk": {"S": "x"}})),
    "sqs": ("AccessDenied", 403, "sqs:sendmessage", f"arn:aws:sqs:{ACCOUNT}:{{queue}}",
            lambda who, info: who.client("sqs").send_message(QueueUrl=info.queues["infer"], MessageBody="{}")),
    "sns": ("AuthorizationError", 403, "SNS:Publish", "{topic}",
            lambda who, info: who.client("sns").publish(TopicArn=info.topic, Message="x")),
    "events": ("AccessDeniedException", 400, "events:PutEvents", f"arn:aws:events:{ACCOUNT}:event-bus/default",
               lambda who, _info: who.client("events").put_events(
                   Entries=[{"Source": "x", "DetailType": "x", "Detail": "{}"}])),
    "batch": ("AccessDeniedException", 403, "batch:DescribeJobs", "*",
              lambda who, _info: who.client("batch").describe_jobs(jobs=["a"])),
    "lambda": ("AccessDeniedException", 403, "lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:{{sweep}}",
               lambda who, info: who.client("lambda").invoke(FunctionName=info.functions["sweep"])),
    "logs": ("AccessDeniedException", 400, "logs:GetLogEvents", f"arn:aws:logs:{ACCOUNT}:log-group:g:log-stream:s",
             lambda who, _info: who.client("logs").get_log_events(logGroupName="g", logStreamName="s")),
    "cloudwatch": ("AccessDenied", 403, "cloudwatch:PutMetricData", "*",
                   lambda who, _info: who.client("cloudwatch").put_metric_data(
                       Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}])),
    "iam": ("AccessDenied", 403, "iam:CreateUser", "*", lambda who, _info: who.client("iam").create_user(UserName="x")),
}  # fmt: skip


@pytest.mark.parametrize("service", CALLS)
def test_a_missing_right_is_told_in_the_service_s_own_words(stack: LocalStack, nobody: Caller, service: str) -> None:
    code, status, action, resource, call = CALLS[service]
    info = stack.info
    names = {"data": info.buckets["data"], "table": info.table, "topic": info.topic, "sweep": info.functions["sweep"]}

    told = refusal(lambda: call(nobody, info))

    where = resource.format(**names, queue=info.queues["infer"].rpartition("/")[2])
    assert told[:2] == (code, status)
    assert told[2] == (
        f"User: arn:aws:iam::123456789012:user/{nobody.name} is not authorized to perform: {action} on resource: "
        f"{where} because no identity-based policy allows the {action} action"
    )


def test_a_managed_policy_gives_a_user_what_it_says_and_no_more(stack: LocalStack, reader: Caller) -> None:
    bucket = stack.info.buckets["data"]
    for key in ("read/a", "other/a"):
        stack.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    s3 = reader.client("s3")

    assert s3.get_object(Bucket=bucket, Key="read/a")["Body"].read() == b"x"
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="other/a"))[0] == "AccessDenied"
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="read/a", Body=b"y"))[0] == "AccessDenied"


def test_who_may_not_list_a_bucket_does_not_learn_what_is_missing(stack: LocalStack, reader: Caller) -> None:
    bucket, s3 = stack.info.buckets["data"], reader.client("s3")

    told = refusal(lambda: s3.get_object(Bucket=bucket, Key="read/missing"))
    head = refusal(lambda: s3.head_object(Bucket=bucket, Key="read/missing"))

    assert told[:2] == ("AccessDenied", 403)
    assert "s3:ListBucket" in told[2]
    assert head[:2] == ("403", 403)
    assert refusal(lambda: stack.client("s3").get_object(Bucket=bucket, Key="read/missing"))[0] == "NoSuchKey"


def test_a_browser_asks_before_it_sends_and_needs_no_credentials_for_that(stack: LocalStack) -> None:
    url = f"{stack.info.endpoint}/{stack.info.buckets['data']}/inbox/a"
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}

    assert httpx.options(url, headers=asks, timeout=PATIENCE_S).status_code in {200, 403}
    assert httpx.get(url, headers=asks, timeout=PATIENCE_S).status_code == 403


@pytest.mark.parametrize("body", [b"<Delete>", b"", b"<Delete><Object/></Delete>"])
def test_what_cannot_be_read_is_not_judged_and_not_done(stack: LocalStack, reader: Caller, body: bytes) -> None:
    bucket, s3 = stack.info.buckets["data"], reader.client("s3")
    url = s3.generate_presigned_url("delete_objects", Params={"Bucket": bucket, "Delete": {"Objects": []}})

    answer = httpx.post(url, content=body, timeout=PATIENCE_S)

    assert (answer.status_code, "cannot judge" in answer.text) == (501, True)


def test_a_link_has_the_rights_of_its_signer_when_it_is_used(stack: LocalStack, reader: Caller) -> None:
    bucket, admin = stack.info.buckets["data"], stack.client("s3")
    admin.put_object(Bucket=bucket, Key="read/b", Body=b"x")
    admin.put_object(Bucket=bucket, Key="other/b", Body=b"x")
    s3 = reader.client("s3")

    def link(key: str) -> str:
        return str(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))

    assert httpx.get(link("read/b"), timeout=PATIENCE_S).status_code == 200
    assert httpx.get(link("other/b"), timeout=PATIENCE_S).status_code == 403
    assert "AccessDenied" in httpx.get(link("other/b"), timeout=PATIENCE_S).text


@pytest.mark.parametrize(
    ("version", "status", "said"),
    [
        ("s3", 400, "The authorization mechanism you have provided is not supported"),
        ("s3v4", 403, "user/{name} is not authorized to perform: s3:PutObject"),
    ],
)
def test_a_form_has_the_rights_of_its_signer(
    stack: LocalStack, nobody: Caller, version: str, status: int, said: str
) -> None:
    form = nobody.client("s3", config=Config(signature_version=version)).generate_presigned_post(
        stack.info.buckets["data"], "inbox/x"
    )

    answer = httpx.post(form["url"], data=form["fields"], files={"file": b"x"}, timeout=PATIENCE_S)

    assert answer.status_code == status
    assert said.format(name=nobody.name) in answer.text


UNKNOWN = {"aws_access_key_id": "AKIAUNKNOWN", "aws_secret_access_key": "x", "aws_session_token": None}


@pytest.mark.parametrize(
    ("service", "code", "call"),
    [
        ("s3", "InvalidAccessKeyId", lambda client: client.list_buckets()),
        ("dynamodb", "UnrecognizedClientException", lambda client: client.list_tables()),
        ("sns", "InvalidClientTokenId", lambda client: client.list_topics()),
    ],
)
def test_an_unknown_access_key_is_nobody(stack: LocalStack, service: str, code: str, call: Any) -> None:
    assert refusal(lambda: call(stack.info.client(service, **UNKNOWN)))[0] == code


def test_who_does_not_sign_is_refused(stack: LocalStack) -> None:
    answer = httpx.get(f"{stack.info.endpoint}/{stack.info.buckets['data']}/read/a", timeout=PATIENCE_S)

    assert answer.status_code == 403
    assert "AccessDenied" in answer.text


def test_a_call_that_cannot_be_judged_is_refused_and_never_allowed(stack: LocalStack) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}
    with make_caller(stack.info, "everything", policy) as caller:
        client = caller.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))

        code, status, message = refusal(lambda: client.execute_statement(Statement="SELECT * FROM x"))

    assert (code, status) == ("NotImplemented", 501)
    assert "dynamodb:ExecuteStatement" in message


def test_credentials_of_a_role_may_do_what_the_role_may(stack: LocalStack) -> None:
    info = stack.info
    role = stack.client("iam").get_role(RoleName=info.resources["NotifyRole"])["Role"]
    session = stack.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    client = boto3.client(
        "dynamodb", endpoint_url=info.endpoint, region_name=info.region, aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"], aws_session_token=session["SessionToken"],
    )  # fmt: skip

    def get(key: str) -> Any:
        return client.get_item(TableName=info.table, Key={"pk": {"S": key}, "sk": {"S": "x"}})

    assert "Item" not in get("JOB#1")
    told = refusal(lambda: get("MODEL#1"))
    assert told[0] == "AccessDeniedException"
    assert f"assumed-role/{info.resources['NotifyRole']}/test" in told[2]


def test_a_service_delivers_only_where_the_queue_s_policy_lets_it(stack: LocalStack) -> None:
    sqs, sns = stack.client("sqs"), stack.client("sns")
    queue = sqs.create_queue(QueueName="judged-deliveries")["QueueUrl"]
    arn = f"arn:aws:sqs:{ACCOUNT}:judged-deliveries"
    topic = sns.create_topic(Name="judged-deliveries")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    allowing = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}  # fmt: skip

    sns.publish(TopicArn=topic, Message="refused")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [allowing]})})
    sns.publish(TopicArn=topic, Message="delivered")

    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert [each["Body"] for each in received] == ["delivered"]


def test_a_stack_that_enforces_nothing_lets_everyone_do_all(tmp_path: Path) -> None:
    with LocalStack(tmp_path, root=MACHINERY, is_iam_enforced=False) as running:
        buckets = running.info.client("s3", **UNKNOWN).list_buckets()["Buckets"]

    assert buckets
    assert not (tmp_path / "logs" / "rights.jsonl").exists()
