"""The one composition root: settings and adapters into services, each made once a process, when first asked for.

Imports stand inside the functions so that a function loads only what its own services need.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from lambent.adapters.clients import table
from lambent.domain.vcpus import whole_vcpus
from lambent.runtime import parts
from lambent.runtime.record_time import RECORD_TIME
from lambent.runtime.settings import (
    CallerSettings,
    DispatchSettings,
    InferSettings,
    JobEventsSettings,
    JobsSettings,
    OriginSettings,
    PredictSettings,
    PreprocessSettings,
    SortSettings,
    SweepSettings,
    WorkerSettings,
    load_settings,
)
from lambent.runtime.stall_watch import STALL_WATCH

if TYPE_CHECKING:
    from lambent.adapters.sqs import SqsQueue
    from lambent.ports import IsolatedComputing, Queue
    from lambent.services.advance_job import JobAdvancer
    from lambent.services.answer_call import CallService
    from lambent.services.describe import DescribeService
    from lambent.services.describe_tfs import DescribeTfsService
    from lambent.services.dispatch import DispatchService
    from lambent.services.finish_job import JobFinisher
    from lambent.services.identify import IdentifyService
    from lambent.services.infer import InferService
    from lambent.services.ingest import IngestService
    from lambent.services.isolated_models import IsolatedModels
    from lambent.services.load_model import ModelCache, ModelResolver
    from lambent.services.predict import PredictService
    from lambent.services.repository import RepositoryService
    from lambent.services.run_shard import ShardService
    from lambent.services.send_shards import ShardSender
    from lambent.services.sort_uploads import SortUploadsService
    from lambent.services.sweep import SweepService
    from lambent.services.track import TrackService
    from lambent.services.watched_models import WatchedModels

_CPU_BATCH = 16
# S3 answers after 20 to 100 ms, a model after a few.
_CPU_FETCHERS = 16
# The function loads once more what was rehearsed: less than half of its timeout (29 s and 120 s in template.yaml).
_PREDICT_REHEARSAL_S = 12.0
_INFER_REHEARSAL_S = 50.0
# What a record may take at its first receive, of what it may in a process of its own: an environment that is never
# given back costs more than to begin anew what would have ended.
_FIRST_RECEIVE = 0.25
# What an item of a shard may take in a process of its own: within the function's 120 s there is time for several.
SHARD_ITEM_S = 30.0


@cache
def predict_settings() -> PredictSettings:
    """Return the settings of PredictFunction."""
    return load_settings(PredictSettings)


@cache
def allowed_origins() -> frozenset[str]:
    """Return whose pages may call the API; asked for with every answer."""
    return load_settings(OriginSettings).origins


@cache
def predict_service() -> PredictService:
    """Return PredictFunction's service."""
    from lambent.services.predict import PredictService

    return PredictService(_predict_resolver(), _predict_models())


@cache
def repository_service() -> RepositoryService:
    """Return PredictFunction's say in what is served."""
    from lambent.services.repository import RepositoryService

    registry = parts.registry(predict_settings().table_name)
    return RepositoryService(registry, _predict_resolver(), _predict_models(), parts.CLOCK)


@cache
def call_service() -> CallService:
    """Return PredictFunction's data plane."""
    from lambent.services.answer_call import CallService

    return CallService(predict_service())


@cache
def describe_service(table_name: str) -> DescribeService:
    """Return registry reads on a table."""
    from lambent.services.describe import DescribeService

    return DescribeService(parts.registry(table_name))


@cache
def describe_tfs_service() -> DescribeTfsService:
    """Return PredictFunction's status and metadata in TensorFlow Serving's words."""
    from lambent.services.describe_tfs import DescribeTfsService

    return DescribeTfsService(describe_service(predict_settings().table_name), predict_service())


@cache
def jobs_settings() -> JobsSettings:
    """Return the settings of JobsFunction."""
    return load_settings(JobsSettings)


@cache
def identify_service() -> IdentifyService:
    """Return the caller identification of the functions behind HTTP."""
    from lambent.adapters.dynamodb_registry import DynamoRegistry
    from lambent.services.identify import IdentifyService

    settings = load_settings(CallerSettings)
    return IdentifyService(
        DynamoRegistry(table(settings.table_name)),
        parts.CLOCK,
        own_key_id=settings.api_key_id,
        default_tenant=settings.default_tenant,
    )


@cache
def preprocess_settings() -> PreprocessSettings:
    """Return the settings of PreprocessFunction."""
    return load_settings(PreprocessSettings)


@cache
def ingest_service() -> IngestService:
    """Return PreprocessFunction's service."""
    return _ingest_service(None)


@cache
def isolated_ingest_service() -> IngestService:
    """Return PreprocessFunction's service for uploads that may end the process which preprocesses them."""
    settings = preprocess_settings()
    limit_s = partial(RECORD_TIME.limit_s, settings.record_limit_s)
    return _ingest_service(parts.computing(limit_s=limit_s, memory_mib=settings.aws_lambda_function_memory_size))


def _ingest_service(computing: IsolatedComputing | None) -> IngestService:
    from lambent.adapters.dynamodb_grants import DynamoGrantStore
    from lambent.services.ingest import IngestService
    from lambent.services.ingest_batch import UploadedBatches
    from lambent.services.submit_job import SubmitService

    settings = preprocess_settings()
    submit = SubmitService(
        data=parts.data(settings.data_bucket),
        jobs=parts.jobs(settings.table_name),
        queue=parts.queue(settings.batch_queue_url),
        clock=parts.CLOCK,
        retention_days=settings.job_retention_days,
    )
    return IngestService(
        data=parts.data(settings.data_bucket),
        grants=DynamoGrantStore(table(settings.table_name)),
        resolver=parts.resolver(settings.table_name, settings.label_ttl_s),
        files=parts.version_files(settings),
        queue=parts.queue(settings.infer_queue_url),
        batches=UploadedBatches(data=parts.data(settings.data_bucket), submit=submit),
        max_upload_bytes=settings.max_upload_bytes,
        computing=computing,
        watch=STALL_WATCH,
        limit_s=settings.record_limit_s * _FIRST_RECEIVE,
    )


@cache
def preprocess_queue() -> SqsQueue:
    """Return the queue of PreprocessFunction's own messages."""
    return parts.queue(preprocess_settings().preprocess_queue_url)


@cache
def sort_settings() -> SortSettings:
    """Return the settings of SortFunction."""
    return load_settings(SortSettings)


@cache
def sort_uploads_service() -> SortUploadsService:
    """Return SortFunction's service."""
    from lambent.services.sort_uploads import SortUploadsService

    return SortUploadsService(parts.queue(sort_settings().preprocess_queue_url))


@cache
def upload_dead_letters() -> Queue:
    """Return where PreprocessFunction puts events that are none of its uploads."""
    return parts.queue(preprocess_settings().upload_dead_letter_queue_url)


@cache
def infer_settings() -> InferSettings:
    """Return the settings of InferFunction."""
    return load_settings(InferSettings)


@cache
def infer_service() -> InferService:
    """Return InferFunction's service for uploads."""
    from lambent.services.infer import InferService

    return InferService(data=parts.data(infer_settings().data_bucket), models=_watched_infer_models())


@cache
def isolated_infer_service() -> InferService:
    """Return InferFunction's service for uploads that may end the process which infers them."""
    from lambent.services.infer import InferService

    return InferService(data=parts.data(infer_settings().data_bucket), models=isolated_infer_models())


@cache
def shard_service() -> ShardService:
    """Return InferFunction's service for shards of CPU-lane jobs."""
    settings = infer_settings()
    from lambent.services.prepare_items import PreparingLimits

    return parts.shards(
        settings,
        _watched_infer_models(),
        batch_size=_CPU_BATCH,
        limits=PreparingLimits(threads=_CPU_FETCHERS, decoders=whole_vcpus(settings.aws_lambda_function_memory_size)),
    )


@cache
def isolated_shard_service() -> ShardService:
    """Return the same for shards that an item has ended a process of: each is tried in a process of its own."""
    settings = infer_settings()
    from lambent.services.prepare_items import PreparingLimits

    memory_mib = settings.aws_lambda_function_memory_size
    computing = parts.computing(limit_s=lambda: SHARD_ITEM_S, memory_mib=memory_mib)
    return parts.shards(
        settings,
        parts.isolated_models(settings, computing, others=_infer_models()),
        batch_size=_CPU_BATCH,
        # One child at a time beside the model's, whose memory is the function's own.
        limits=PreparingLimits(threads=_CPU_FETCHERS, decoders=1),
        tries_alone=True,
    )


@cache
def call_service_of_queue() -> CallService:
    """Return InferFunction's data plane, for stored calls."""
    from lambent.services.answer_call import CallService
    from lambent.services.predict import PredictService

    settings = infer_settings()
    resolver = parts.resolver(settings.table_name, settings.label_ttl_s)
    return CallService(PredictService(resolver, _watched_infer_models()))


@cache
def isolated_call_service_of_queue() -> CallService:
    """Return InferFunction's data plane, for stored calls that may end the process which answers them."""
    from lambent.services.answer_call import CallService
    from lambent.services.predict import PredictService

    settings = infer_settings()
    resolver = parts.resolver(settings.table_name, settings.label_ttl_s)
    return CallService(PredictService(resolver, isolated_infer_models()))


@cache
def infer_queue() -> SqsQueue:
    """Return the queue of InferFunction's own messages."""
    return parts.queue(infer_settings().infer_queue_url)


@cache
def infer_dead_letters() -> Queue:
    """Return where InferFunction puts messages that it cannot read, or that belong to nothing."""
    return parts.queue(infer_settings().infer_dead_letter_queue_url)


@cache
def infer_finisher() -> JobFinisher:
    """Return InferFunction's job finisher."""
    settings = infer_settings()
    return parts.finisher(settings)


@cache
def infer_shard_sender() -> ShardSender:
    """Return what InferFunction puts shards on its queue with."""
    settings = infer_settings()
    return parts.shard_sender(settings.table_name, settings.infer_queue_url)


@cache
def job_advancer() -> JobAdvancer:
    """Return InferFunction's view of what comes after a shard."""
    from lambent.services.advance_job import JobAdvancer

    settings = infer_settings()
    return JobAdvancer(
        jobs=parts.jobs(settings.table_name),
        shards=infer_shard_sender(),
        finisher=infer_finisher(),
        clock=parts.CLOCK,
    )


@cache
def dispatch_settings() -> DispatchSettings:
    """Return the settings of DispatchFunction."""
    return load_settings(DispatchSettings)


@cache
def dispatch_service() -> DispatchService:
    """Return DispatchFunction's service."""
    from lambent.services.dispatch import DispatchService

    settings = dispatch_settings()
    runner = parts.runner(
        job_queue=settings.batch_job_queue,
        job_definition=settings.batch_job_definition,
        stack_name=settings.stack_name,
    )
    return DispatchService(
        data=parts.data(settings.data_bucket),
        jobs=parts.jobs(settings.table_name),
        resolver=parts.resolver(settings.table_name, 0.0),
        files=parts.version_files(settings),
        isolation=parts.isolation(timeout_s=120.0),  # of the 300 s that DispatchFunction has
        runner=runner if settings.batch_job_queue else None,
        finisher=parts.finisher(settings, can_stop=True),
        shards=parts.shard_sender(settings.table_name, settings.infer_queue_url),
        clock=parts.CLOCK,
        planner=parts.planner(settings),
        retention_days=settings.job_retention_days,
        trusted_hosts=settings.trusted_hosts,
    )


@cache
def batch_dead_letters() -> Queue:
    """Return where DispatchFunction puts messages that belong to no job."""
    return parts.queue(dispatch_settings().batch_dead_letter_queue_url)


@cache
def track_service() -> TrackService:
    """Return JobEventsFunction's service."""
    from lambent.services.track import TrackService

    settings = load_settings(JobEventsSettings)
    finisher = parts.finisher(settings)
    return TrackService(jobs=parts.jobs(settings.table_name), finisher=finisher, clock=parts.CLOCK)


@cache
def sweep_service() -> SweepService:
    """Return SweepFunction's service."""
    from lambent.services.send_job import JobSender
    from lambent.services.sweep import SweepService

    settings = load_settings(SweepSettings)
    return SweepService(
        jobs=parts.jobs(settings.table_name),
        sender=JobSender(
            batches=parts.queue(settings.batch_queue_url),
            calls=parts.queue(settings.infer_queue_url),
            data=parts.data(settings.data_bucket),
        ),
        runner=parts.runner(),
        finisher=parts.finisher(settings, can_stop=True),
        clock=parts.CLOCK,
        stuck_after_s=settings.job_stuck_after_s,
    )


def check_worker(settings: WorkerSettings) -> None:
    """Raise WorkerUnfit unless the batch worker's image and host have what its jobs were promised."""
    from lambent.adapters import worker_host

    worker_host.check_worker(settings.keras_backend, needs_gpu=settings.worker_needs_gpu)


def worker_shards(settings: WorkerSettings) -> ShardService:
    """Return the batch worker's service: shards on Keras.

    Nothing is rehearsed: the shard's process is one that may die. Its supervisor starts it anew, with what it knows.
    """
    from lambent.adapters.host import free_memory_bytes, processors, step_behind
    from lambent.adapters.worker_host import WorkerModelLoader
    from lambent.services.find_batch_size import BatchSizeFinder
    from lambent.services.prepare_items import PreparingLimits

    models = parts.models(settings, WorkerModelLoader(), capacity_bytes=0)
    return parts.shards(
        settings,
        models,
        batch_size=settings.worker_batch_size,
        find_size=BatchSizeFinder(free_memory_bytes).find,
        is_compiled=True,
        # A model's threads wait for the slowest of them: one that a decoder keeps off its processor holds up all.
        limits=PreparingLimits(
            threads=max(_CPU_FETCHERS, 2 * processors()), decoders=processors(), on_start=step_behind
        ),
    )


@cache
def _predict_resolver() -> ModelResolver:
    settings = predict_settings()
    return parts.resolver(settings.table_name, settings.label_ttl_s)


@cache
def _predict_models() -> ModelCache:
    return _lite_models(predict_settings(), rehearsal_s=_PREDICT_REHEARSAL_S)


@cache
def _infer_models() -> ModelCache:
    return _lite_models(infer_settings(), rehearsal_s=_INFER_REHEARSAL_S)


@cache
def _watched_infer_models() -> WatchedModels:
    from lambent.services.watched_models import WatchedModels

    limit_s = infer_settings().record_limit_s * _FIRST_RECEIVE
    return WatchedModels(_infer_models(), STALL_WATCH, limit_s=limit_s)


def _lite_models(settings: PredictSettings | InferSettings, *, rehearsal_s: float) -> ModelCache:
    """Return versions as .tflite files; what was never tried is tried in a child first, for so many seconds."""
    memory_mib = settings.aws_lambda_function_memory_size
    return parts.models(
        settings,
        parts.lite_loader(settings.threads),
        capacity_bytes=settings.model_cache_bytes,
        rehearsal=parts.rehearsal(timeout_s=rehearsal_s, memory_mib=memory_mib),
        apart=parts.isolated_loader(
            settings.threads, parts.computing(limit_s=lambda: rehearsal_s, memory_mib=memory_mib)
        ),
    )


@cache
def isolated_infer_models() -> IsolatedModels:
    """Return InferFunction's versions for what may end the process that works on it, each call in one of its own."""
    settings = infer_settings()
    limit_s = partial(RECORD_TIME.limit_s, settings.record_limit_s)
    computing = parts.computing(limit_s=limit_s, memory_mib=settings.aws_lambda_function_memory_size)
    return parts.isolated_models(settings, computing, others=_infer_models(), allow_s=RECORD_TIME.allow_s)
