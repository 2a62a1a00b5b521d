"""Small real things for tests: contracts, pictures, published versions, services on fakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import boto3
import msgspec
import numpy as np
from PIL import Image

from lambent.contracts.batch_request import BatchInput, BatchRequest
from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    Limits,
    ModelContract,
    NumericColumn,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.domain.lanes import CpuLane, GpuLane, Lanes
from lambent.domain.model import GOLDEN_FILES, LIVE, ModelRef
from lambent.domain.preprocessing import make_preprocessor
from lambent.ports import JobCatalogue, Rehearsal, Signer
from lambent.services.advance_job import JobAdvancer
from lambent.services.announce_job import JobAnnouncer
from lambent.services.check_signature import SignatureCheck
from lambent.services.dispatch import DispatchService
from lambent.services.finish_job import JobFinisher
from lambent.services.golden import GoldenVectors
from lambent.services.ingest_batch import UploadedBatches
from lambent.services.load_model import ModelCache, ModelResolver
from lambent.services.plan import BatchPlanner
from lambent.services.publish import publish_version
from lambent.services.receipt import ReceiptService
from lambent.services.run_shard import ShardService
from lambent.services.send_shards import ShardSender
from lambent.services.set_label import set_label
from lambent.services.submit_job import SubmitService
from lambent.services.version_files import VersionFiles
from lambent_toolkit.fakes import (
    FakeAudit,
    FakeClock,
    FakeGrantStore,
    FakeInterpreterLoader,
    FakeIsolation,
    FakeJobCatalogue,
    FakeJobRunner,
    FakeJobStore,
    FakeNotifier,
    FakeObjectStore,
    FakeQueue,
    FakeRegistry,
    FakeThroughputStore,
)

TENANT = "acme"
# What functions that plan batches read of the environment.
LANE_VARIABLES = {
    "AWS_REGION": "eu-west-1",
    "STACK_NAME": "lambent",
    "ARCHITECTURE": "x86_64",
    "INFER_MEMORY_MIB": "1769",
    "INFER_TIMEOUT_S": "120",
    "QUEUE_CONCURRENCY": "10",
    "INTERPRETER_THREADS": "0",
    "SHARD_ITEMS": "2",
    "BATCH_JOB_QUEUE": "",
    "BATCH_TIMEOUT_S": "3600",
    "GPU_INSTANCE_TYPES": "g4dn.xlarge,g5.xlarge",
    "GPU_MAX_VCPUS": "64",
    "WORKER_VCPUS": "4",
}


def contract(**changes: object) -> ModelContract:
    """Return a contract of a model that tells dark from bright 2 x 2 pictures."""
    fields = {
        "name": "shade",
        "inputs": (TensorSpec(name="image", datatype="FP32", shape=(-1, 2, 2, 1)),),
        "outputs": (TensorSpec(name="scores", datatype="FP32", shape=(-1, 2)),),
        "preprocessing": ImagePreprocessing(height=2, width=2, channels=1),
        "postprocessing": Classification(labels=("dark", "bright")),
        "limits": Limits(max_input_bytes=10_000, max_pixels=10_000, max_rows=8),
        **changes,
    }
    return ModelContract(**fields)


def tell_shade(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Score brightness: the mean of the pixels."""
    bright = inputs["image"].mean(axis=(1, 2, 3))
    return {"scores": np.stack([1 - bright, bright], axis=1).astype(np.float32)}


def golden_vectors(
    declared: ModelContract,
    answer: Callable[..., dict[str, np.ndarray]],
    assets: Mapping[str, bytes] | None = None,
) -> GoldenVectors:
    """Return golden vectors of two items of the contract's kind, for a model that answers as ``answer`` does."""
    if isinstance(declared.preprocessing, TensorPreprocessing):
        tensors = {spec.name: _ones(spec) for spec in declared.inputs}
        return GoldenVectors([], tensors, answer(tensors))
    raw = _raw_items(declared)
    preprocessor = make_preprocessor(declared, assets or {})
    tensors = preprocessor.collate([preprocessor.prepare(item) for item in raw])
    return GoldenVectors(raw, tensors, answer(tensors))


def _raw_items(declared: ModelContract) -> list[bytes]:
    spec = declared.preprocessing
    if isinstance(spec, TextPreprocessing):
        return [b"good day", b"day"]
    if isinstance(spec, TabularPreprocessing):
        row = {
            column.name: column.mean if isinstance(column, NumericColumn) else column.vocabulary[0]
            for column in spec.columns
        }
        return [msgspec.json.encode(row)] * 2
    return [picture(0), picture(200)]


def _ones(spec: TensorSpec) -> np.ndarray:
    least = spec.min_shape or (1,) * len(spec.shape)
    shape = [max(2, fewest) if dim == -1 else dim for dim, fewest in zip(spec.shape, least, strict=True)]
    return np.ones(shape, dtype=DTYPE_BY_DATATYPE[spec.datatype])


def model_files(golden: GoldenVectors) -> dict[str, bytes]:
    """Return the files of both lanes, of which fakes make an interpreter, with the golden vectors of each."""
    return {
        "model.tflite": b"tflite",
        "model.keras": b"keras",
        **dict.fromkeys(GOLDEN_FILES.values(), golden.to_npz()),
    }


def picture(
    value: int | tuple[int, ...] = 255, *, mode: str = "L", size: tuple[int, int] = (4, 4), kind: str = "PNG"
) -> bytes:
    """Return an encoded picture of one colour."""
    buffer = BytesIO()
    Image.new(mode, size, value).save(buffer, format=kind)
    return buffer.getvalue()


def request(**changes: object) -> BatchRequest:
    """Return a batch request of TENANT."""
    fields = {
        "schema_version": 1,
        "id": "job-1",
        "model": "shade",
        "input": BatchInput(manifest_uri=f"s3://fake-bucket/inputs/{TENANT}/items.jsonl"),
        **changes,
    }
    return BatchRequest(**fields)


@dataclass
class World:
    """All fakes of a stack, and services on them."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeObjectStore = field(default_factory=FakeObjectStore)
    data: FakeObjectStore = field(default_factory=FakeObjectStore)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    grants: FakeGrantStore = field(default_factory=FakeGrantStore)
    jobs: FakeJobStore = field(default_factory=FakeJobStore)
    catalogue: JobCatalogue | None = None  # of ``jobs``, unless a test has a store of another kind
    throughputs: FakeThroughputStore = field(default_factory=FakeThroughputStore)
    infer_queue: FakeQueue = field(default_factory=FakeQueue)
    batch_queue: FakeQueue = field(default_factory=FakeQueue)
    runner: FakeJobRunner = field(default_factory=FakeJobRunner)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    bus: FakeNotifier = field(default_factory=FakeNotifier)
    notify_queue: FakeQueue = field(default_factory=FakeQueue)
    audit: FakeAudit = field(default_factory=FakeAudit)
    signer: Signer | None = None
    rehearsal: Rehearsal | None = None
    signatures: SignatureCheck | None = None
    loader: FakeInterpreterLoader = field(default_factory=lambda: FakeInterpreterLoader(tell_shade))

    def publish(self, *, assets: Mapping[str, bytes] | None = None, **changes: object) -> ModelRef:
        """Publish a version with both lanes' files, golden vectors and ``assets``, and point ``live`` to it."""
        declared = contract(**changes)
        files = {**model_files(golden_vectors(declared, self.loader.answer, assets)), **(assets or {})}
        record = publish_version(
            files, declared, store=self.store, registry=self.registry, clock=self.clock, signer=self.signer
        )
        set_label(record.ref.name, LIVE, record.ref.version, registry=self.registry, clock=self.clock)
        return record.ref

    @property
    def files(self) -> VersionFiles:
        return VersionFiles(self.registry, self.store, self.audit, self.signatures)

    def resolver(self, label_ttl_s: float = 3.0) -> ModelResolver:
        return ModelResolver(self.registry, self.clock, label_ttl_s=label_ttl_s)

    def models(self, capacity_bytes: int = 1_000_000) -> ModelCache:
        return ModelCache(self.files, self.loader, self.clock, capacity_bytes=capacity_bytes, rehearsal=self.rehearsal)

    @property
    def finisher(self) -> JobFinisher:
        announcer = JobAnnouncer(jobs=self.jobs, topic=self.notifier, bus=self.bus, webhooks=self.notify_queue)
        return JobFinisher(
            data=self.data,
            jobs=self.jobs,
            announcer=announcer,
            receipts=ReceiptService(throughputs=self.throughputs, clock=self.clock),
            clock=self.clock,
            runner=self.runner,
        )

    @property
    def shard_sender(self) -> ShardSender:
        catalogue = self.catalogue or FakeJobCatalogue(self.jobs)
        return ShardSender(jobs=self.jobs, catalogue=catalogue, queue=self.infer_queue)

    @property
    def advancer(self) -> JobAdvancer:
        return JobAdvancer(jobs=self.jobs, shards=self.shard_sender, finisher=self.finisher, clock=self.clock)

    def dispatcher(self, *, is_gpu_deployed: bool = True, shard_items: int = 2) -> DispatchService:
        return DispatchService(
            data=self.data,
            jobs=self.jobs,
            resolver=self.resolver(0.0),
            files=self.files,
            isolation=FakeIsolation(),
            runner=self.runner if is_gpu_deployed else None,
            finisher=self.finisher,
            shards=self.shard_sender,
            clock=self.clock,
            planner=self.planner(is_gpu_deployed=is_gpu_deployed, shard_items=shard_items),
            retention_days=30,
        )

    def planner(self, *, is_gpu_deployed: bool = True, shard_items: int = 2) -> BatchPlanner:
        return BatchPlanner(
            files=self.files,
            throughputs=self.throughputs,
            clock=self.clock,
            lanes=Lanes(
                cpu=CpuLane(memory_mib=1769, architecture="x86_64", timeout_s=120.0, max_concurrency=10, threads=1),
                gpu=GpuLane(("g4dn.xlarge",), worker_vcpus=4, max_hosts=16, timeout_s=3600.0)
                if is_gpu_deployed
                else None,
                shard_items=shard_items,
                region="us-east-1",
            ),
        )

    @property
    def submitter(self) -> SubmitService:
        return SubmitService(
            data=self.data, jobs=self.jobs, queue=self.batch_queue, clock=self.clock, retention_days=30
        )

    @property
    def uploaded_batches(self) -> UploadedBatches:
        return UploadedBatches(data=self.data, submit=self.submitter)

    def shards(self, batch_size: int = 2, **options: Any) -> ShardService:
        return ShardService(
            data=self.data, jobs=self.jobs, models=self.models(), clock=self.clock, batch_size=batch_size, **options
        )

    def put_items(self, *pictures: bytes) -> None:
        """Write pictures and their manifest as TENANT's inputs; ids are i0, i1 and so on."""
        lines = []
        for index, body in enumerate(pictures):
            key = f"inputs/{TENANT}/{index}.png"
            self.data.objects[key] = body
            lines.append(msgspec.json.encode({"id": f"i{index}", "uri": self.data.uri(key)}))
        self.data.objects[f"inputs/{TENANT}/items.jsonl"] = b"\n".join(lines)

    def dispatch(self, **changes: object) -> None:
        """Dispatch a request of TENANT."""
        self.dispatcher().dispatch(TENANT, msgspec.json.encode(request(**changes)).decode())


def create_table(name: str) -> None:
    """Create the product's table (keys and indexes as in template.yaml) with boto3's defaults, for moto."""
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    indexes = {
        "OpenJobs": [("open_pk", "HASH"), ("updated_at", "RANGE")],
        "TenantJobs": [("tenant_pk", "HASH"), ("created_at", "RANGE")],
    }
    listed = [
        "tenant", "job_id", "kind", "state", "model", "version", "lane", "total", "final_done", "final_failed",
        "updated_at",
    ]  # fmt: skip
    projections = {
        "OpenJobs": {"ProjectionType": "ALL"},
        "TenantJobs": {"ProjectionType": "INCLUDE", "NonKeyAttributes": listed},
    }
    named = [*keys, *(key for schema in indexes.values() for key in schema)]
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_key_schema(keys),
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute, _ in named],
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _key_schema(schema), "Projection": projections[index]}
            for index, schema in indexes.items()
        ],
    )


def _key_schema(keys: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"AttributeName": attribute, "KeyType": kind} for attribute, kind in keys]
