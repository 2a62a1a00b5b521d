"""The product on the local stack: the demo model published, and ways to look at outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal

import boto3
import httpx
import msgspec
import pytest
from boto3.dynamodb.conditions import Key
from live_models import live_model

from builders import request
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.messages import ShardMessage
from lambent.contracts.model import Classification
from lambent.domain.job_states import JobState
from lambent.domain.model import GOLDEN_FILE, LIVE
from lambent.domain.names import job_key
from lambent.runtime.clock import SystemClock
from lambent.services.golden import GoldenVectors
from lambent.services.predict import Timings, predict_items
from lambent.services.show_job import view
from lambent.services.submit_job import new_job
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.demo_model import build_demo_model, publish_demo_model
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipe_cache import build_recipe, default_cache_dir, publish_recipe
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.sandbox import StackInfo
from patience import PATIENCE_S, wait_for

EVENT_TENANT = "demo"


@dataclass(frozen=True)
class Product:
    """A running stack with the digits model live."""

    info: StackInfo

    @cached_property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.info.url, headers={"x-api-key": self.info.api_key}, timeout=PATIENCE_S)

    @cached_property
    def s3(self) -> Any:
        return self.info.client("s3")

    @cached_property
    def sqs(self) -> Any:
        return self.info.client("sqs")

    @cached_property
    def table(self) -> Any:
        return boto3.resource(
            "dynamodb",
            endpoint_url=self.info.endpoint,
            region_name=self.info.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        ).Table(self.info.table)

    @property
    def data(self) -> str:
        return self.info.buckets["data"]

    @cached_property
    def pictures(self) -> list[tuple[bytes, str]]:
        """Test digits that the model has not seen: PNG bytes and label."""
        data = held_out(RECIPES["digits"])
        return list(zip(data.items, [str(number) for number in data.targets], strict=True))

    @cached_property
    def told(self) -> list[str]:
        """What the published file itself says of these pictures, right or wrong: the same at every door."""
        model = live_model(build_demo_model(default_cache_dir()))
        items = [model.preprocessor.prepare(png) for png, _ in self.pictures]
        return [answer.label for answer in predict_items(model, items, Timings(), top_k=1)]

    @property
    def seven(self) -> bytes:
        """A seven that the model reads as one."""
        known = zip(self.pictures, self.told, strict=True)
        return next(png for (png, label), told in known if label == told == "7")

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        answer = self.info.client("lambda").invoke(
            FunctionName=self.info.functions[function], Payload=json.dumps(event).encode()
        )
        payload = answer["Payload"].read()
        assert "FunctionError" not in answer, payload
        return json.loads(payload)

    def fail(self, function: str, event: dict[str, Any]) -> Any:
        """Return the error of an invocation that fails."""
        answer = self.info.client("lambda").invoke(
            FunctionName=self.info.functions[function], Payload=json.dumps(event).encode()
        )
        payload = answer["Payload"].read()
        assert answer.get("FunctionError") == "Unhandled", payload
        return json.loads(payload)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.data, Key=key, Body=body)

    def read(self, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=self.data, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.data, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def wait_for_json(self, key: str) -> dict[str, Any]:
        return json.loads(wait_for(lambda: self.read(key), what=key))

    def job(self, job_id: str, tenant: str = EVENT_TENANT) -> dict[str, Any] | None:
        found = DynamoJobStore(self.table).get(tenant, job_id)
        return msgspec.to_builtins(view(found)) if found else None

    def busy_s(self, job_id: str, tenant: str) -> float:
        """Return the seconds that a job's shards have recorded, all together."""
        found = DynamoJobStore(self.table).get(tenant, job_id)
        assert found is not None
        return sum(shard.busy_s for shard in found.progress)

    def batch_job_id(self, job_id: str, tenant: str) -> str:
        found = DynamoJobStore(self.table).get(tenant, job_id)
        assert found is not None
        assert found.batch_job_id is not None
        return found.batch_job_id

    def wait_for_job(self, job_id: str, tenant: str = EVENT_TENANT) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job = self.job(job_id, tenant)
            return job if job and JobState(job["state"]).is_terminal else None

        return wait_for(ended, what=f"job {job_id}")

    def wait_for_dead_letter(self, queue: str, reason_code: str | None, *, body: str | None = None) -> str:
        """Take messages off a dead-letter queue until one has this reason, and this body if one is told; return it.

        Other tests leave messages there.
        """

        def receive() -> str | None:
            answer = self.sqs.receive_message(
                QueueUrl=self.info.queues[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.info.queues[queue], ReceiptHandle=message["ReceiptHandle"])
                reason = message.get("MessageAttributes", {}).get("reason_code", {}).get("StringValue")
                if reason == reason_code and body in (None, message["Body"]):
                    return str(message["Body"])
            return None

        return wait_for(receive, what=f"a message in {queue}")

    def publish_as(self, name: str, *, label: str | None = LIVE) -> str:
        """Publish the demo model under a name of its own: no other test's jobs have shown how fast that one is."""
        artifact = build_demo_model(default_cache_dir())
        declared = msgspec.structs.replace(artifact.contract, name=name)
        publisher = Publisher(self.info)
        ref = publisher.publish(Artifact(declared, artifact.report, artifact.files)).ref
        if label is not None:
            publisher.set_label(name, label, ref.version)
        return name

    def send_batch(self, body: str, *, tenant: str | None) -> None:
        attributes = {"tenant": {"DataType": "String", "StringValue": tenant}} if tenant else {}
        self.sqs.send_message(QueueUrl=self.info.queues["batch"], MessageBody=body, MessageAttributes=attributes)

    def wait_for_status(self, path: str, status: int, **request: Any) -> httpx.Response:
        """Post until every answer of ten in a row has this status: labels are remembered for a while."""

        def answers() -> httpx.Response | None:
            got = [self.http.post(path, **request) for _ in range(10)]
            return got[-1] if all(answer.status_code == status for answer in got) else None

        return wait_for(answers, what=f"status {status} of {path}")

    def put_batch(self, tenant: str, name: str, pictures: list[bytes]) -> str:
        """Write pictures and their manifest; return the manifest's address. Ids are i0000, i0001 and so on."""
        lines = []
        for index, png in enumerate(pictures):
            key = f"inputs/{tenant}/{name}/{index:04d}.png"
            self.put(key, png)
            lines.append(json.dumps({"id": f"i{index:04d}", "uri": f"s3://{self.data}/{key}"}))
        self.put(f"inputs/{tenant}/{name}.jsonl", "\n".join(lines).encode())
        return f"s3://{self.data}/inputs/{tenant}/{name}.jsonl"

    def end_job(self, job_id: str, **changes: object) -> None:
        """Record a job of EVENT_TENANT that has failed, of which nobody was told."""
        wanted = request(id=job_id, model="digits", input=BatchInput(manifest_uri="s3://x/y"), **changes)
        job = new_job(EVENT_TENANT, wanted, clock=SystemClock(), retention_days=1)
        jobs = DynamoJobStore(self.table)
        jobs.create(job)
        jobs.transition(EVENT_TENANT, job_id, JobState.FAILED, allowed=[JobState.QUEUED], at=job.updated_at)
        jobs.close(EVENT_TENANT, job_id)

    def plan_gpu_job(self, job_id: str) -> None:
        """Record a planned GPU-lane job of one item that nobody has submitted."""
        self.plan_job(EVENT_TENANT, job_id, [ShardItem(id="a", key="inputs/demo/a.png", line=1)], lane="gpu")

    def plan_job(
        self,
        tenant: str,
        job_id: str,
        items: list[ShardItem],
        *,
        lane: Literal["cpu", "gpu"],
        shard_items: int = 1,
        model: str = "digits",
    ) -> None:
        """Record a planned job of a model's first version, of which no shard runs before a test sends it."""
        rows = self.table.query(KeyConditionExpression=Key("pk").eq(f"JOB#{tenant}#{job_id}"))["Items"]
        for row in rows:
            self.table.delete_item(Key={"pk": row["pk"], "sk": row["sk"]})
        for key in self.keys(f"jobs/{tenant}/{job_id}/"):
            self.s3.delete_object(Bucket=self.data, Key=key)
        wanted = request(id=job_id, model=model, input=BatchInput(manifest_uri="s3://x/y"))
        job = new_job(tenant, wanted, clock=SystemClock(), retention_days=1)
        jobs = DynamoJobStore(self.table)
        jobs.create(job)
        lines = [msgspec.json.encode(item) + b"\n" for item in items]
        shards = [b"".join(lines[first : first + shard_items]) for first in range(0, len(lines), shard_items)]
        plan = Plan(
            tenant=tenant,
            job_id=job_id,
            model=model,
            version=1,
            lane=lane,
            total=len(items),
            shards=len(shards),
            shard_items=shard_items,
            items_file="items.jsonl",
            offsets=[0, *accumulate(len(shard) for shard in shards)],
            concurrency=1,
            output=wanted.output_options,
            accepted_at=job.created_at,
            expires_at_s=job.expires_at_s,
            why="test",
        )
        self.put(job_key(tenant, job_id, "plan.json"), msgspec.json.encode(plan))
        self.put(job_key(tenant, job_id, plan.items_file), b"".join(shards))
        jobs.transition(
            tenant,
            job_id,
            JobState.PLANNED,
            allowed=[JobState.QUEUED],
            at=job.updated_at,
            version=1,
            lane=lane,
            total=len(items),
            shards=len(shards),
        )
        # All of them are claimed, so that the end of one sends no other.
        while lane == "cpu" and jobs.claim_shard(tenant, job_id) is not None:
            continue

    def send_shard(self, tenant: str, job_id: str, shard: int) -> None:
        message = ShardMessage(tenant=tenant, job_id=job_id, shard=shard)
        self.sqs.send_message(QueueUrl=self.info.queues["infer"], MessageBody=msgspec.json.encode(message).decode())


@dataclass(frozen=True)
class Served:
    """A recipe's model, live; its golden vectors are unseen items, with the labels that they got where it was made."""

    product: Product
    artifact: Artifact

    @cached_property
    def golden(self) -> GoldenVectors:
        return GoldenVectors.from_npz(self.artifact.files[GOLDEN_FILE])

    @cached_property
    def labels(self) -> list[str]:
        spec = self.artifact.contract.postprocessing
        assert isinstance(spec, Classification)
        return [spec.labels[best] for best in self.golden.outputs["scores"].argmax(axis=1)]

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.product.http.post(path, **request)


@pytest.fixture(scope="session")
def product(stack: Any) -> Product:
    publish_demo_model(stack.info)
    product = Product(stack.info)
    product.table.put_item(Item={"pk": "APIKEY#event-key-id", "sk": "TENANT", "tenant": EVENT_TENANT})
    return product


@pytest.fixture(scope="session")
def as_product() -> Callable[[StackInfo], Product]:
    """Return how to look at another stack of the product."""
    return Product


@pytest.fixture(scope="session")
def language(product: Product) -> Served:
    return serve_recipe(product, "language")


@pytest.fixture(scope="session")
def wine(product: Product) -> Served:
    return serve_recipe(product, "wine")


def serve_recipe(product: Product, name: str) -> Served:
    publish_recipe(product.info, name)
    return Served(product, build_recipe(name, default_cache_dir()))
