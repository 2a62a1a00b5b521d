"""A deployed stack that is well in all that the doctor looks at: moto where it can, told answers where it cannot."""

from __future__ import annotations

import functools
import json
from base64 import b64encode
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import boto3
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from builders import contract, create_table, golden_vectors, model_files, tell_shade
from lambent.domain.model import LIVE, Canary
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.modelkit.signing import FileSigner
from unit.doctor.aws_answers import ToldClient, Watched
from unit.doctor.http_door import HOST, KEY, LAYER_HOST, STAGE, HttpDoor

REGION, NAME, ACCOUNT = "eu-west-1", "shop", "123456789012"
NOW_S = 1_795_000_000.0  # 2026-11-18
FUNCTIONS = ("predict", "sort", "preprocess", "infer", "jobs", "dispatch", "notify", "sweep")
QUEUES = ("upload", "preprocess", "infer", "batch", "notify")
PARAMETERS = {
    "Stage": "dev",
    "Architecture": "x86_64",
    "Interpreter": "litert",
    "PythonVersion": "python3.12",
    "QueueConcurrency": "10",
    "GpuInstanceTypes": "g4dn.xlarge,g5.xlarge",
    "GpuMaxVcpus": "64",
    "WorkerVcpus": "4",
    "WorkerImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/lambent-worker:1",
    "AllowedOrigins": "https://shop.example",
    "AlarmEmail": "ada@shop.example",
    "MethodMetrics": "false",
}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
LAYER_IDS = ("CoreLayer", "NumericLayer", "TablesLayer")
_RULE = {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "inbox/"}]}}, "Events": ["s3:ObjectCreated:*"]}


def public_parameter(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the value that pins a key in a stack."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(public).decode()


@functools.cache
def moto_client(service: str) -> Any:
    """Return a client, made once: moto stands behind each one that was made after it was imported."""
    return boto3.client(service, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


class Clock:
    """Time that passes with pauses only."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


class WellStack:
    """Has what `stacks.Stack` has, and everything behind it; within `moto.mock_aws` only."""

    name, region, is_local, api_key = NAME, REGION, False, KEY

    def __init__(self) -> None:
        self.clock = Clock()
        self.epoch_s = NOW_S
        self.url = f"{HOST}{STAGE}"
        self.parameters = dict(PARAMETERS)
        self.resources: dict[str, str] = {
            "BatchComputeEnvironment": "environment",
            "BatchJobQueue": "queue",
            **{f"{layer}0a1b2c3d4e": self.layer_arn(layer) for layer in LAYER_IDS},
        }
        self.functions = {name: f"{NAME}-{name}" for name in FUNCTIONS}
        self.buckets = {"models": f"{NAME}-models", "data": f"{NAME}-data"}
        self.table = "table"
        self.told = self._told()
        self._make()
        self.watched: dict[str, Any] = {
            "s3": Watched(self.moto("s3"), "put_object", self._put),
            "sqs": Watched(self.moto("sqs"), "send_message", self._sent),
        }
        self._publish()
        self.door = HttpDoor(contract(), canary=Canary(2, 3_000), epoch_s=NOW_S, stored=self._form_arrived)
        self.door.files = {f"/{layer}": self.layer_zip(layer) for layer in LAYER_IDS}

    def moto(self, service: str) -> Any:
        return moto_client(service)

    def client(self, service: str, **_: Any) -> Any:
        return self.told.get(service) or getattr(self, "watched", {}).get(service) or self.moto(service)

    def patient(self, **options: Any) -> Patient:
        return Patient(
            self,
            is_gpu=True,
            wait_s=1.0,
            gpu_wait_s=2.0,
            transport=httpx.MockTransport(self.door.answer),
            now_s=lambda: self.clock.now_s,
            epoch_s=lambda: self.epoch_s,
            pause=self.clock.pause,
            **options,
        )

    def facts(self) -> dict[str, str]:
        return {}

    # ------------------------------------------------------------------------------------------------- told by the test
    def layer_arn(self, layer: str) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{layer}:1"

    def layer_zip(self, layer: str, **changes: str) -> bytes:
        record = {"layer": layer, "python": "python3.12", "architecture": "x86_64", "interpreter": "", **changes}
        if layer == "NumericLayer":
            record = {"interpreter": "litert", **{name: text for name, text in record.items() if text}}
        buffer = BytesIO()
        with ZipFile(buffer, "w") as file:
            file.writestr(f"built/{layer}.json", json.dumps(record))
        return buffer.getvalue()

    def _told(self) -> dict[str, ToldClient]:
        environment = {
            "computeEnvironmentName": "environment",
            "computeEnvironmentArn": "arn",
            "status": "VALID",
            "state": "ENABLED",
            "computeResources": {"type": "SPOT", "maxvCpus": 64, "subnets": ["subnet-1", "subnet-2"]},
        }
        job_queue = {
            "jobQueueName": "queue",
            "jobQueueArn": "arn",
            "status": "VALID",
            "state": "ENABLED",
            "priority": 1,
            "computeEnvironmentOrder": [],
        }
        offerings = [
            {"InstanceType": kind, "LocationType": "availability-zone", "Location": f"{REGION}{zone}"}
            for kind, zone in (("g4dn.xlarge", "a"), ("g5.xlarge", "a"), ("g5.xlarge", "b"))
        ]
        subnets = [{"SubnetId": f"subnet-{zone}", "AvailabilityZone": f"{REGION}{zone}"} for zone in "ac"]
        image = {"imageSizeInBytes": 5_000_000_000, "imagePushedAt": datetime(2026, 11, 1, tzinfo=UTC)}
        return {
            "sts": ToldClient("sts", get_caller_identity={"Arn": f"arn:aws:iam::{ACCOUNT}:user/ada"}),
            "cloudformation": ToldClient("cloudformation", describe_stacks=lambda _: {"Stacks": [self._record()]}),
            "lambda": ToldClient(
                "lambda",
                get_account_settings={"AccountLimit": {"ConcurrentExecutions": 1000}},
                get_function_configuration=self._configuration,
                get_layer_version_by_arn=self._layer,
                get_function_recursion_config={"RecursiveLoop": "Allow"},
                list_event_source_mappings={"EventSourceMappings": self._mappings()},
            ),
            "service-quotas": ToldClient("service-quotas", get_service_quota={"Quota": {"Value": 8.0}}),
            "ec2": ToldClient(
                "ec2",
                describe_instance_type_offerings={"InstanceTypeOfferings": offerings},
                describe_subnets={"Subnets": subnets},
            ),
            "batch": ToldClient(
                "batch",
                describe_compute_environments={"computeEnvironments": [environment]},
                describe_job_queues={"jobQueues": [job_queue]},
            ),
            "ecr": ToldClient("ecr", describe_images={"imageDetails": [image]}),
        }

    def _record(self) -> dict[str, Any]:
        told = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        return {"StackName": NAME, "StackStatus": self.status, "CreationTime": datetime.now(UTC), "Parameters": told}

    status = "UPDATE_COMPLETE"

    def _configuration(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "FunctionName": request["FunctionName"],
            "Runtime": "python3.12",
            "Architectures": ["x86_64"],
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Environment": {"Variables": {"DEFAULT_TENANT": "default", "MODEL_PUBLIC_KEYS": self.public_keys}},
        }

    def _layer(self, request: dict[str, Any]) -> dict[str, Any]:
        layer = request["Arn"].split(":")[-2]
        return {
            "Content": {"Location": f"https://{LAYER_HOST}/{layer}?X-Amz-Signature=abc"},
            "CompatibleRuntimes": ["python3.12"],
            "CompatibleArchitectures": ["x86_64"],
        }

    def _mappings(self) -> list[dict[str, str]]:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-"
        fed = ("sort", "preprocess", "infer", "dispatch", "notify")
        return [{"FunctionArn": f"{arn}{name}", "State": "Enabled"} for name in fed]

    # ---------------------------------------------------------------------------------------------------- made in moto
    def _make(self) -> None:
        create_table(self.table)
        dynamodb = self.moto("dynamodb")
        ttl = {"Enabled": True, "AttributeName": "expires_at_s"}
        dynamodb.update_time_to_live(TableName=self.table, TimeToLiveSpecification=ttl)
        recovery = {"PointInTimeRecoveryEnabled": True}
        dynamodb.update_continuous_backups(TableName=self.table, PointInTimeRecoverySpecification=recovery)
        sqs = self.moto("sqs")
        names = [*QUEUES, *(f"{name}_dead_letter" for name in QUEUES)]
        self.queues = {name: sqs.create_queue(QueueName=f"{NAME}-{name}")["QueueUrl"] for name in names}
        self._make_buckets(sqs)
        self._make_api()
        self._make_alarms()
        for name in ("Predict", "Infer"):
            self.resources[f"{name}LogGroup"] = group = f"/lambent/{name.lower()}"
            logs = self.moto("logs")
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="s")
            logs.put_retention_policy(logGroupName=group, retentionInDays=30)

    def _make_buckets(self, sqs: Any) -> None:
        s3 = self.moto("s3")
        for bucket in self.buckets.values():
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            closed = dict.fromkeys(_BLOCKS, True)
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)
        models = self.buckets["models"]
        s3.put_bucket_versioning(Bucket=models, VersioningConfiguration={"Status": "Enabled"})
        rule = {"Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}
        s3.put_bucket_lifecycle_configuration(Bucket=models, LifecycleConfiguration={"Rules": [rule]})
        attributes = sqs.get_queue_attributes(QueueUrl=self.queues["upload"], AttributeNames=["QueueArn"])
        rules = [{"QueueArn": attributes["Attributes"]["QueueArn"], **_RULE}]
        told = {"QueueConfigurations": rules}
        s3.put_bucket_notification_configuration(Bucket=self.buckets["data"], NotificationConfiguration=told)
        self._taken("upload")  # S3's test message

    def _make_api(self) -> None:
        gateway = self.moto("apigateway")
        api = gateway.create_rest_api(name="api")["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
        gateway.create_deployment(restApiId=api, stageName="dev")
        limits = {"rateLimit": 50.0, "burstLimit": 100}
        plan = gateway.create_usage_plan(name="own", apiStages=[{"apiId": api, "stage": "dev"}], throttle=limits)["id"]
        self.api_key_id = gateway.create_api_key(name="own", enabled=True, value=KEY)["id"]
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=self.api_key_id, keyType="API_KEY")
        self.resources |= {"UsagePlan": plan, "ApiKey": self.api_key_id}

    def _make_alarms(self) -> None:
        sns = self.moto("sns")
        self.topic = sns.create_topic(Name="alarms")["TopicArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="email", Endpoint="ada@shop.example")
        self.resources["BatchDeadLetterAlarm"] = f"{NAME}-alarm"
        self.put_alarm(self.topic)

    def put_alarm(self, *actions: str) -> None:
        self.moto("cloudwatch").put_metric_alarm(
            AlarmName=f"{NAME}-alarm",
            AlarmActions=actions,
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=0,
        )

    def _publish(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.public_keys = public_parameter(key)
        publisher = Publisher(self, signer=FileSigner(key), by="ada")
        declared = contract()
        for _ in range(2):
            publisher.publish_files(model_files(golden_vectors(declared, tell_shade)), declared)
        publisher.set_label("shade", LIVE, 1)
        Rollout(self, by="ada").start_canary("shade", LIVE, 2, 3_000)

    # ----------------------------------------------------------------------------------------- what the functions would
    deaf: frozenset[str] = frozenset()  # doors behind which nobody works

    def _taken(self, queue: str) -> None:
        """Take everything out of a queue, into which moto puts what a bucket tells."""
        sqs, url = self.moto("sqs"), self.queues[queue]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _put(self, request: dict[str, Any]) -> None:
        key, body = request["Key"], request["Body"]
        self._taken("upload")
        if key.startswith("inbox/") and "upload" not in self.deaf:
            result = {"model": "shade", "version": "1", **self.door.prediction(body)}
            self._write(f"results/{key.removeprefix('inbox/')}.json", result)

    def _form_arrived(self, key: str, body: bytes) -> None:
        self.moto("s3").put_object(Bucket=self.buckets["data"], Key=key, Body=body)
        self._taken("upload")
        if key.startswith("inbox/") and "upload" not in self.deaf:
            result = {"model": "shade", "version": "1", **self.door.prediction(body)}
            self.door.uploads[key.split("/")[3]] |= {"state": "done", "result": result}

    def _sent(self, request: dict[str, Any]) -> None:
        self._taken("batch")
        job = json.loads(request["MessageBody"])
        if job["lane"] not in self.deaf:
            self._write(f"jobs/default/{job['id']}/manifest.json", {})
            self.door.finished.add(job["id"])

    def _write(self, key: str, value: dict[str, Any]) -> None:
        self.moto("s3").put_object(Bucket=self.buckets["data"], Key=key, Body=json.dumps(value).encode())
