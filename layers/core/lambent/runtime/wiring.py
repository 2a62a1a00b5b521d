"""The one composition root: settings and adapters into services, each made once a process, when first asked for.

Imports stand inside the functions so that a function loads only what its own services need.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lambent.adapters.clients import client, table
from lambent.adapters.s3 import S3ObjectStore
from lambent.runtime.clock import SystemClock
from lambent.runtime.settings import (
    DispatchSettings,
    InferSettings,
    JobEventsSettings,
    JobsSettings,
    PredictSettings,
    PreprocessSettings,
    SweepSettings,
    WorkerSettings,
    load_settings,
)

if TYPE_CHECKING:
    from lambent.ports import InterpreterLoader, Queue, Registry
    from lambent.services.describe import DescribeService
    from lambent.services.dispatch import DispatchService
    from lambent.services.finish_job import JobFinisher
    from lambent.services.identify import IdentifyService
    from lambent.services.infer import InferService
    from lambent.services.ingest import IngestService
    from lambent.services.load_model import ModelCache, ModelResolver
    from lambent.services.predict import PredictService
    from lambent.services.run_shard import ShardService
    from lambent.services.show_job import ShowJobService
    from lambent.services.submit_job import SubmitService
    from lambent.services.sweep import SweepService
    from lambent.services.track import TrackService

_CPU_BATCH = 16
_CLOCK = SystemClock()


@cache
def predict_settings() -> PredictSettings:
    """Return the settings of PredictFunction."""
    return load_settings(PredictSettings)


@cache
def predict_service() -> PredictService:
    """Return PredictFunction's service."""
    from lambent.services.predict import PredictService

    settings = predict_settings()
    return PredictService(
        _resolver(settings.table_name, settings.label_ttl_s),
        _models(
            settings.table_name,
            settings.models_bucket,
            _lite_loader(settings.interpreter_threads),
            capacity_bytes=settings.model_cache_bytes,
        ),
    )


@cache
def describe_service(table_name: str) -> DescribeService:
    """Return registry reads on a table."""
    from lambent.services.describe import DescribeService

    return DescribeService(_registry(table_name))


@cache
def jobs_settings() -> JobsSettings:
    """Return the settings of JobsFunction."""
    return load_settings(JobsSettings)


@cache
def identify_service() -> IdentifyService:
    """Return JobsFunction's caller identification."""
    from lambent.adapters.dynamodb_registry import DynamoRegistry
    from lambent.services.identify import IdentifyService

    settings = jobs_settings()
    directory = DynamoRegistry(table(settings.table_name))
    return IdentifyService(directory, own_key_id=settings.api_key_id, default_tenant=settings.default_tenant)


@cache
def submit_service() -> SubmitService:
    """Return JobsFunction's job submission."""
    settings = jobs_settings()
    return _submit(settings.table_name, settings.batch_queue_url, settings.job_retention_days)


@cache
def show_job_service() -> ShowJobService:
    """Return JobsFunction's job reads."""
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.services.show_job import ShowJobService

    return ShowJobService(DynamoJobStore(table(jobs_settings().table_name)))


@cache
def ingest_service() -> IngestService:
    """Return PreprocessFunction's service."""
    from lambent.services.ingest import IngestService
    from lambent.services.load_model import VersionFiles

    settings = load_settings(PreprocessSettings)
    return IngestService(
        data=_data(settings.data_bucket),
        resolver=_resolver(settings.table_name, settings.label_ttl_s),
        files=VersionFiles(_registry(settings.table_name), _model_store(settings.models_bucket)),
        queue=_queue(settings.infer_queue_url),
        max_upload_bytes=settings.max_upload_bytes,
    )


@cache
def infer_settings() -> InferSettings:
    """Return the settings of InferFunction."""
    return load_settings(InferSettings)


@cache
def infer_service() -> InferService:
    """Return InferFunction's service for uploads."""
    from lambent.services.infer import InferService

    return InferService(data=_data(infer_settings().data_bucket), models=_infer_models())


@cache
def shard_service() -> ShardService:
    """Return InferFunction's service for shards of CPU-lane jobs."""
    settings = infer_settings()
    return _shards(settings.table_name, settings.data_bucket, _infer_models(), batch_size=_CPU_BATCH)


@cache
def infer_finisher() -> JobFinisher:
    """Return InferFunction's job finisher."""
    settings = infer_settings()
    return _finisher(settings.table_name, settings.data_bucket, settings.job_topic_arn)


@cache
def dispatch_service() -> DispatchService:
    """Return DispatchFunction's service."""
    from lambent.adapters.batch import BatchJobRunner
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.services.dispatch import DispatchService
    from lambent.services.load_model import VersionFiles

    settings = load_settings(DispatchSettings)
    runner = BatchJobRunner(
        client("batch"), job_queue=settings.batch_job_queue, job_definition=settings.batch_job_definition
    )
    return DispatchService(
        data=_data(settings.data_bucket),
        jobs=DynamoJobStore(table(settings.table_name)),
        resolver=_resolver(settings.table_name, 0.0),
        files=VersionFiles(_registry(settings.table_name), _model_store(settings.models_bucket)),
        infer_queue=_queue(settings.infer_queue_url),
        runner=runner if settings.batch_job_queue else None,
        finisher=_finisher(settings.table_name, settings.data_bucket, settings.job_topic_arn),
        clock=_CLOCK,
        shard_items=settings.shard_items,
        retention_days=settings.job_retention_days,
    )


@cache
def batch_dead_letters() -> Queue:
    """Return where DispatchFunction puts messages that belong to no job."""
    return _queue(load_settings(DispatchSettings).batch_dead_letter_queue_url)


@cache
def track_service() -> TrackService:
    """Return JobEventsFunction's service."""
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.services.track import TrackService

    settings = load_settings(JobEventsSettings)
    finisher = _finisher(settings.table_name, settings.data_bucket, settings.job_topic_arn)
    return TrackService(jobs=DynamoJobStore(table(settings.table_name)), finisher=finisher, clock=_CLOCK)


@cache
def sweep_service() -> SweepService:
    """Return SweepFunction's service."""
    from lambent.adapters.batch import BatchJobRunner
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.services.sweep import SweepService

    settings = load_settings(SweepSettings)
    return SweepService(
        jobs=DynamoJobStore(table(settings.table_name)),
        submit=_submit(settings.table_name, settings.batch_queue_url, retention_days=0),
        runner=BatchJobRunner(client("batch"), job_queue="", job_definition=""),
        finisher=_finisher(settings.table_name, settings.data_bucket, settings.job_topic_arn),
        clock=_CLOCK,
        stuck_after_s=settings.job_stuck_after_s,
    )


def worker_shards(settings: WorkerSettings) -> ShardService:
    """Return the batch worker's service: shards on Keras."""
    from lambent.adapters.keras_model import KerasInterpreterLoader

    models = _models(settings.table_name, settings.models_bucket, KerasInterpreterLoader(), capacity_bytes=0)
    return _shards(settings.table_name, settings.data_bucket, models, batch_size=settings.worker_batch_size)


def _registry(table_name: str) -> Registry:
    from lambent.adapters.dynamodb_registry import DynamoRegistry

    return DynamoRegistry(table(table_name))


def _resolver(table_name: str, label_ttl_s: float) -> ModelResolver:
    from lambent.services.load_model import ModelResolver

    return ModelResolver(_registry(table_name), _CLOCK, label_ttl_s=label_ttl_s)


def _models(table_name: str, bucket: str, loader: InterpreterLoader, *, capacity_bytes: int) -> ModelCache:
    from lambent.services.load_model import ModelCache, VersionFiles

    return ModelCache(VersionFiles(_registry(table_name), _model_store(bucket)), loader, capacity_bytes=capacity_bytes)


@cache
def _infer_models() -> ModelCache:
    settings = infer_settings()
    loader = _lite_loader(settings.interpreter_threads)
    return _models(settings.table_name, settings.models_bucket, loader, capacity_bytes=settings.model_cache_bytes)


def _lite_loader(threads: int) -> InterpreterLoader:
    from lambent.adapters.litert import LiteInterpreterLoader

    return LiteInterpreterLoader(threads=threads)


def _shards(table_name: str, bucket: str, models: ModelCache, *, batch_size: int) -> ShardService:
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.services.run_shard import ShardService

    jobs = DynamoJobStore(table(table_name))
    return ShardService(data=_data(bucket), jobs=jobs, models=models, clock=_CLOCK, batch_size=batch_size)


def _submit(table_name: str, queue_url: str, retention_days: int) -> SubmitService:
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.services.submit_job import SubmitService

    jobs = DynamoJobStore(table(table_name))
    return SubmitService(jobs=jobs, queue=_queue(queue_url), clock=_CLOCK, retention_days=retention_days)


def _finisher(table_name: str, bucket: str, topic_arn: str) -> JobFinisher:
    from lambent.adapters.dynamodb_jobs import DynamoJobStore
    from lambent.adapters.sns import SnsNotifier
    from lambent.services.finish_job import JobFinisher

    jobs = DynamoJobStore(table(table_name))
    notifier = SnsNotifier(client("sns"), topic_arn)
    return JobFinisher(data=_data(bucket), jobs=jobs, notifier=notifier, clock=_CLOCK)


def _queue(url: str) -> Queue:
    from lambent.adapters.sqs import SqsQueue

    return SqsQueue(client("sqs"), url)


def _data(bucket: str) -> S3ObjectStore:
    return S3ObjectStore(client("s3"), bucket, what="data store")


def _model_store(bucket: str) -> S3ObjectStore:
    return S3ObjectStore(client("s3"), bucket, what="model store")
