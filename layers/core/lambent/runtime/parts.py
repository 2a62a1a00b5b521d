"""Building blocks that several services share; `wiring` puts them together.

Imports stand inside the functions so that a function loads only what its own services need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambent.adapters.clients import client, table, tenant_s3
from lambent.adapters.s3 import S3ObjectStore
from lambent.runtime.audit import AuditLog
from lambent.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambent.adapters.batch import BatchJobRunner
    from lambent.adapters.sqs import SqsQueue
    from lambent.ports import (
        InterpreterLoader,
        IsolatedComputing,
        Isolation,
        JobStore,
        LinkMaker,
        Registry,
        Rehearsal,
        ThroughputStore,
    )
    from lambent.runtime.settings import (
        DispatchSettings,
        InferSettings,
        JobEventsSettings,
        JobsSettings,
        ModelSettings,
        PredictSettings,
        SweepSettings,
        WorkerSettings,
    )
    from lambent.services.check_signature import SignatureCheck
    from lambent.services.finish_job import JobFinisher
    from lambent.services.isolated_models import IsolatedModels
    from lambent.services.load_model import ModelCache, ModelResolver, Models, ServedModel
    from lambent.services.plan import BatchPlanner
    from lambent.services.prepare_items import PreparingLimits
    from lambent.services.run_shard import ShardService
    from lambent.services.send_shards import ShardSender
    from lambent.services.version_files import VersionFiles
    from lambent.services.webhook_secret import WebhookSecretService

CLOCK = SystemClock()
AUDIT = AuditLog()


def registry(table_name: str) -> Registry:
    """Return the registry on a table."""
    from lambent.adapters.dynamodb_registry import DynamoRegistry

    return DynamoRegistry(table(table_name))


def resolver(table_name: str, label_ttl_s: float) -> ModelResolver:
    """Return names and labels to versions."""
    from lambent.services.load_model import ModelResolver

    return ModelResolver(registry(table_name), CLOCK, label_ttl_s=label_ttl_s)


def version_files(settings: ModelSettings | PredictSettings | JobsSettings) -> VersionFiles:
    """Return the verified files of versions; of signed ones only, where the stack pins keys."""
    from lambent.services.version_files import VersionFiles

    signatures = signature_check(settings.model_public_keys) if settings.model_public_keys else None
    return VersionFiles(registry(settings.table_name), model_store(settings.models_bucket), AUDIT, signatures)


def signature_check(public_keys: str) -> SignatureCheck:
    """Return the check against the pinned keys; raises Misconfigured."""
    # OpenSSL takes 30 ms to import: for stacks that pin a key only.
    from lambent.adapters.p256 import P256Verifier
    from lambent.services.check_signature import SignatureCheck

    return SignatureCheck(P256Verifier(public_keys))


def models(
    settings: ModelSettings | PredictSettings,
    loader: InterpreterLoader,
    *,
    capacity_bytes: int,
    rehearsal: Rehearsal | None = None,
    apart: InterpreterLoader | None = None,
) -> ModelCache:
    """Return a cache of loaded versions."""
    from lambent.services.load_model import ModelCache

    return ModelCache(
        version_files(settings), loader, CLOCK, capacity_bytes=capacity_bytes, rehearsal=rehearsal, apart=apart
    )


def rehearsal(*, timeout_s: float, memory_mib: int) -> Rehearsal:
    """Return where a model may end a process of a function that has this much memory."""
    from lambent.adapters.sacrificial_child import ForkedRehearsal

    return ForkedRehearsal(timeout_s=timeout_s, memory_bytes=memory_mib << 20)


def isolation(*, timeout_s: float) -> Isolation:
    """Return where tables are read that may end their reader, within the memory and storage that functions have."""
    from lambent.adapters.sacrificial_child import ForkedIsolation

    return ForkedIsolation(timeout_s=timeout_s, memory_bytes=256 << 20, file_bytes=512 << 20)


def computing(*, limit_s: Callable[[], float], memory_mib: int) -> IsolatedComputing:
    """Return where an input is worked on that may end a process of a function that has this much memory."""
    from lambent.adapters.sacrificial_child import ForkedComputing

    return ForkedComputing(limit_s=limit_s, memory_bytes=memory_mib << 20)


def isolated_models(
    settings: InferSettings,
    computing: IsolatedComputing,
    *,
    others: ModelCache,
    allow_s: Callable[[float], object] = lambda _: None,
) -> IsolatedModels:
    """Return versions as .tflite files that each call loads into a process of its own.

    Where ``others``, which are loaded here, leave less than half of the memory to it, they make room.
    """
    from lambent.adapters.forked_child import resident_bytes
    from lambent.services.isolated_models import IsolatedModels

    loader = isolated_loader(settings.threads, computing)
    cache = models(settings, loader, capacity_bytes=settings.model_cache_bytes)
    half_bytes = settings.aws_lambda_function_memory_size << 19

    def make_room() -> None:
        if resident_bytes() > half_bytes:
            others.drop()

    return IsolatedModels(cache, computing, make_room=make_room, allow_s=allow_s)


def isolated_loader(threads: int, computing: IsolatedComputing) -> InterpreterLoader:
    """Return the loader of .tflite files that each call loads into a process of its own."""
    from lambent.adapters.isolated_interpreter import IsolatedLoader
    from lambent.adapters.litert import PLATFORM

    return IsolatedLoader(lite_loader(threads), computing, platform=PLATFORM)


def lite_loader(threads: int) -> InterpreterLoader:
    """Return the loader of .tflite files."""
    from lambent.adapters.litert import LiteInterpreterLoader

    return LiteInterpreterLoader(threads=threads)


def shards(
    settings: InferSettings | WorkerSettings,
    models: Models,
    *,
    batch_size: int,
    limits: PreparingLimits,
    is_compiled: bool = False,
    find_size: Callable[[ServedModel, int], int] | None = None,
    tries_alone: bool = False,
) -> ShardService:
    """Return the service that runs shards."""
    from lambent.services.run_shard import ShardService
    from lambent.services.shard_attempt import CheckpointRule

    return ShardService(
        data=data(settings.data_bucket),
        jobs=jobs(settings.table_name),
        models=models,
        clock=CLOCK,
        batch_size=batch_size,
        find_size=find_size,
        is_compiled=is_compiled,
        limits=limits,
        rule=CheckpointRule(items=settings.checkpoint_items),
        tries_alone=tries_alone,
    )


def runner(*, job_queue: str = "", job_definition: str = "", stack_name: str = "") -> BatchJobRunner:
    """Return the GPU lane's container service; without names it can look after jobs and stop them, not start any."""
    from lambent.adapters.batch import BatchJobRunner

    return BatchJobRunner(client("batch"), job_queue=job_queue, job_definition=job_definition, stack_name=stack_name)


def shard_sender(table_name: str, queue_url: str) -> ShardSender:
    """Return what puts the shards of CPU-lane jobs on the queue."""
    from lambent.adapters.dynamodb_job_list import DynamoJobCatalogue
    from lambent.services.send_shards import ShardSender

    catalogue = DynamoJobCatalogue(table(table_name))
    return ShardSender(jobs=jobs(table_name), catalogue=catalogue, queue=queue(queue_url))


def finisher(
    settings: InferSettings | DispatchSettings | JobEventsSettings | SweepSettings, *, can_stop: bool = False
) -> JobFinisher:
    """Return what ends jobs, and tells of it; ``can_stop``: it stops what still runs of them, too."""
    from lambent.adapters.eventbridge import EventBridgeNotifier
    from lambent.adapters.sns import SnsNotifier
    from lambent.services.announce_job import JobAnnouncer
    from lambent.services.finish_job import JobFinisher
    from lambent.services.receipt import ReceiptService

    announcer = JobAnnouncer(
        jobs=jobs(settings.table_name),
        topic=SnsNotifier(client("sns"), settings.job_topic_arn),
        bus=EventBridgeNotifier(client("events")),
        webhooks=queue(settings.notify_queue_url),
    )
    return JobFinisher(
        data=data(settings.data_bucket),
        jobs=jobs(settings.table_name),
        announcer=announcer,
        receipts=ReceiptService(throughputs=throughputs(settings.table_name), clock=CLOCK),
        clock=CLOCK,
        runner=runner() if can_stop else None,
    )


def webhook_secrets(table_name: str) -> WebhookSecretService:
    """Return the secrets that sign webhooks."""
    from lambent.adapters.dynamodb_secrets import DynamoSecretStore
    from lambent.services.webhook_secret import WebhookSecretService

    return WebhookSecretService(DynamoSecretStore(table(table_name)), CLOCK)


def jobs(table_name: str) -> JobStore:
    """Return the job ledger on a table."""
    from lambent.adapters.dynamodb_jobs import DynamoJobStore

    return DynamoJobStore(table(table_name))


def throughputs(table_name: str) -> ThroughputStore:
    """Return what finished jobs have shown, on a table."""
    from lambent.adapters.dynamodb_throughput import DynamoThroughputStore

    return DynamoThroughputStore(table(table_name))


def planner(settings: ModelSettings | JobsSettings) -> BatchPlanner:
    """Return the planner of batches, which also reads the settings of both lanes."""
    from lambent.runtime.settings import LaneSettings, load_settings
    from lambent.services.plan import BatchPlanner

    return BatchPlanner(
        files=version_files(settings),
        throughputs=throughputs(settings.table_name),
        clock=CLOCK,
        lanes=load_settings(LaneSettings).lanes,
    )


def links(bucket: str) -> LinkMaker:
    """Return presigned requests to a bucket."""
    from lambent.adapters.s3_links import S3Links

    return S3Links(client("s3"), bucket)


def queue(url: str) -> SqsQueue:
    """Return a queue."""
    from lambent.adapters.sqs import SqsQueue

    return SqsQueue(client("sqs"), url)


def data(bucket: str) -> S3ObjectStore:
    """Return the data bucket: one tenant's objects at a time, where the function's own role reaches none."""
    from lambent.runtime.settings import TenantSettings, load_settings

    role_arn = load_settings(TenantSettings).tenant_role_arn
    return S3ObjectStore(tenant_s3(role_arn) if role_arn else client("s3"), bucket, what="data store")


def model_store(bucket: str) -> S3ObjectStore:
    """Return the models bucket."""
    return S3ObjectStore(client("s3"), bucket, what="model store")
