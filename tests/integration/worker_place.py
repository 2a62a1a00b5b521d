"""What a batch worker needs around it: storage that several processes see, a version with a Keras model, a job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import boto3
import msgspec
import numpy as np
from moto.s3.models import S3Backend
from moto.server import ThreadedMotoServer

from builders import TENANT, contract, create_table, golden_vectors, picture, request
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.s3 import S3ObjectStore
from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.model import ModelContract
from lambent.domain.job_states import JobState
from lambent.domain.names import checkpoints_prefix, job_key
from lambent.runtime.clock import SystemClock
from lambent.services.publish import publish_version
from lambent.services.spool_items import ItemSpool
from lambent.services.submit_job import new_job
from patience import PATIENCE_S, wait_for

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "functions/batch_worker/main.py"
REGION = "eu-west-1"
CHECKPOINT_ITEMS = 8
CLOCK = SystemClock()


@dataclass(frozen=True)
class Place:
    """A moto server with buckets, a table and the model ``shade@1``."""

    endpoint: str
    data: S3ObjectStore
    jobs: DynamoJobStore

    def plan(self, job_id: str, *, items: int) -> None:
        """Record a GPU-lane job of one shard, of which every 50th item is no picture."""
        wanted = request(id=job_id, lane="gpu")
        job = new_job(TENANT, wanted, clock=CLOCK, retention_days=1)
        self.jobs.create(job)
        with ItemSpool() as spool:
            spool.add_all(
                ShardItem(id=f"i{index:05d}", line=index + 1, data=picture(index % 256) if index % 50 else b"broken")
                for index in range(items)
            )
            spool.upload(self.data, job_key(TENANT, job_id, spool.file_name))
            plan = Plan(
                tenant=TENANT,
                job_id=job_id,
                model="shade",
                version=1,
                lane="gpu",
                total=items,
                shards=1,
                shard_items=items,
                items_file=spool.file_name,
                offsets=spool.offsets(items),
                concurrency=1,
                output=wanted.output_options,
                accepted_at=job.created_at,
                expires_at_s=job.expires_at_s,
                why="test",
            )
        self.data.write(job_key(TENANT, job_id, "plan.json"), msgspec.json.encode(plan), content_type="text/plain")
        planned = {"total": items, "shards": 1, "lane": "gpu", "version": 1}
        self.jobs.transition(TENANT, job_id, JobState.PLANNED, allowed=[JobState.QUEUED], at=CLOCK.now(), **planned)

    def start(
        self, job_id: str, *, backend: str = "tensorflow", needs_gpu: bool = False, program: Path = WORKER
    ) -> subprocess.Popen[bytes]:
        """Start the worker's real entry point, or another ``program``, on the job's shard."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "layers/core"),
            "TABLE_NAME": "table",
            "MODELS_BUCKET": "models",
            "DATA_BUCKET": "data",
            "MODEL_PUBLIC_KEYS": "",
            "WORKER_BATCH_SIZE": "8",
            "CHECKPOINT_ITEMS": str(CHECKPOINT_ITEMS),
            "KERAS_BACKEND": backend,
            "WORKER_NEEDS_GPU": str(needs_gpu).lower(),
            "WORKER_STALL_S": "600",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_PLATFORMS": "cpu",
            **AWS,
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        return subprocess.Popen(
            [sys.executable, str(program), "--tenant", TENANT, "--job-id", job_id], env=environment, cwd=ROOT
        )

    def checkpoints(self, job_id: str) -> list[str]:
        """Return the names of the shard's checkpoints."""
        prefix = checkpoints_prefix(TENANT, job_id, 0)
        return [found.key.removeprefix(prefix) for found in self.data.listing(prefix) if found.key.endswith(".jsonl")]

    @contextmanager
    def held(self, job_id: str, worker: subprocess.Popen[bytes], *, at: int) -> Iterator[None]:
        """Let a worker wait while it writes its checkpoint of this number, counted from 1, until the block ends."""
        prefix = checkpoints_prefix(TENANT, job_id, 0)
        put, written, is_held, is_over = S3Backend.put_object, [], Event(), Event()

        def put_or_wait(backend: S3Backend, bucket: str, key: str, *more: Any, **named: Any) -> Any:
            if key.startswith(prefix) and key.endswith(".jsonl"):
                written.append(key)
                if len(written) == at:
                    is_held.set()
                    assert is_over.wait(PATIENCE_S)
            return put(backend, bucket, key, *more, **named)

        def looked() -> bool:
            assert worker.poll() is None, "the worker ended before it could be stopped"
            return is_held.is_set()

        with patch.object(S3Backend, "put_object", put_or_wait):
            try:
                wait_for(looked, what=f"checkpoint {at}")
                yield
            finally:
                is_over.set()
            wait_for(lambda: written[at - 1].removeprefix(prefix) in self.checkpoints(job_id), what="its writing")

    def part(self, job_id: str) -> bytes:
        """Return the shard's part; raises SourceGone."""
        return self.data.read(job_key(TENANT, job_id, "part-00000.jsonl")).body


AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION}


@contextmanager
def worker_place() -> Iterator[Place]:
    """Run the storage and publish the model."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    try:
        with patch.dict(os.environ, {**AWS, "AWS_ENDPOINT_URL": f"http://localhost:{port}"}):
            yield _furnish(f"http://localhost:{port}")
    finally:
        server.stop()


def _furnish(endpoint: str) -> Place:
    s3 = boto3.client("s3")
    for bucket in ("models", "data"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    create_table("table")
    table = DynamoTable(boto3.client("dynamodb"), "table")
    declared, model = _model()
    publish_version(
        {"model.keras": model, "golden.keras.npz": golden_vectors(declared, _mean).to_npz()},
        declared,
        store=S3ObjectStore(s3, "models", what="model store"),
        registry=DynamoRegistry(table),
        clock=CLOCK,
    )
    return Place(endpoint, S3ObjectStore(s3, "data", what="data store"), DynamoJobStore(table))


def _mean(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    bright = inputs["image"].mean(axis=(1, 2, 3))
    return {"scores": np.stack([1 - bright, bright], axis=1).astype(np.float32)}


def _model() -> tuple[ModelContract, bytes]:
    """Return a contract and a .keras file that tells dark from bright by a convolution."""
    import keras
    from keras.saving import save_model

    image = keras.Input((2, 2, 1), name="image")
    mean = keras.layers.Flatten()(keras.layers.Conv2D(1, 2, use_bias=False, name="mean")(image))
    scores = keras.layers.Dense(2, name="scores")(mean)
    model = keras.Model(image, scores)
    model.get_layer("mean").set_weights([np.full((2, 2, 1, 1), 0.25, np.float32)])
    model.get_layer("scores").set_weights([np.array([[-1.0, 1.0]], np.float32), np.array([1.0, 0.0], np.float32)])
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"shade-{os.getpid()}.keras"
    save_model(model, path)
    try:
        return contract(), path.read_bytes()
    finally:
        path.unlink()
