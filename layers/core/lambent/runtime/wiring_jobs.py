"""Composition of what stands around the data plane: calls for later, uploads, stored answers; see `wiring`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lambent.adapters.clients import client, table
from lambent.runtime import parts
from lambent.runtime.settings import AroundSettings, JobEventsSettings, LaneSettings, PredictSettings, load_settings
from lambent.runtime.wiring import (
    call_service_of_queue,
    infer_finisher,
    infer_settings,
    isolated_call_service_of_queue,
    jobs_settings,
)

if TYPE_CHECKING:
    from lambent.services.answer_call import CallService
    from lambent.services.answer_later import AnswerLaterService
    from lambent.services.cancel_job import CancelJobService
    from lambent.services.grant_input import GrantInputService
    from lambent.services.grant_upload import GrantUploadService
    from lambent.services.keep_answer import KeepAnswerService
    from lambent.services.list_jobs import ListJobsService
    from lambent.services.note_block import NoteBlockService
    from lambent.services.quote_job import QuoteService
    from lambent.services.refer_answer import ReferAnswerService
    from lambent.services.retry_job import RetryJobService
    from lambent.services.run_call import RunCallService
    from lambent.services.set_priority import SetPriorityService
    from lambent.services.show_errors import ShowErrorsService
    from lambent.services.show_job import ShowJobService
    from lambent.services.show_parts import ShowPartsService
    from lambent.services.show_result import ShowResultService
    from lambent.services.show_upload import ShowUploadService
    from lambent.services.show_version import ShowVersionService
    from lambent.services.submit_job import SubmitService
    from lambent.services.why_waiting import WhyWaitingService


@cache
def submit_service() -> SubmitService:
    """Return JobsFunction's job submission."""
    from lambent.services.check_batch import SubmissionCheck
    from lambent.services.submit_job import SubmitService

    settings = jobs_settings()
    resolver, files = parts.resolver(settings.table_name, 0.0), parts.version_files(settings)
    return SubmitService(
        data=parts.data(settings.data_bucket),
        jobs=parts.jobs(settings.table_name),
        queue=parts.queue(settings.batch_queue_url),
        clock=parts.CLOCK,
        retention_days=settings.job_retention_days,
        trusted_hosts=settings.trusted_hosts,
        check=SubmissionCheck(resolver, files),
    )


@cache
def quote_service() -> QuoteService:
    """Return JobsFunction's quotes."""
    from lambent.services.quote_job import QuoteService

    settings = jobs_settings()
    return QuoteService(
        data=parts.data(settings.data_bucket),
        resolver=parts.resolver(settings.table_name, 0.0),
        files=parts.version_files(settings),
        isolation=parts.isolation(timeout_s=8.0),  # of the 15 s that JobsFunction has
        planner=parts.planner(settings),
        clock=parts.CLOCK,
        trusted_hosts=settings.trusted_hosts,
    )


@cache
def show_job_service() -> ShowJobService:
    """Return JobsFunction's job reads."""
    from lambent.services.show_job import ShowJobService

    return ShowJobService(parts.jobs(jobs_settings().table_name), why=_why_waiting_service(), clock=parts.CLOCK)


@cache
def list_jobs_service() -> ListJobsService:
    """Return JobsFunction's lists of jobs."""
    from lambent.adapters.dynamodb_job_list import DynamoJobCatalogue
    from lambent.services.list_jobs import ListJobsService

    return ListJobsService(DynamoJobCatalogue(table(jobs_settings().table_name)))


@cache
def _why_waiting_service() -> WhyWaitingService:
    from lambent.adapters.batch_lane import BatchLane
    from lambent.adapters.dynamodb_blocks import DynamoBlockStore
    from lambent.adapters.sqs import SqsQueue
    from lambent.services.why_waiting import WhyWaitingService

    settings, lanes = jobs_settings(), load_settings(LaneSettings)
    # Most requests need no client of AWS Batch, which takes a while to make.
    lane = BatchLane(lambda: client("batch"), job_queue=lanes.batch_job_queue) if lanes.batch_job_queue else None
    return WhyWaitingService(
        batches=SqsQueue(client("sqs"), settings.batch_queue_url),
        calls=SqsQueue(client("sqs"), settings.infer_queue_url),
        lane=lane,
        blocks=DynamoBlockStore(table(settings.table_name)),
        clock=parts.CLOCK,
        cpu_concurrency=lanes.queue_concurrency,
    )


@cache
def note_block_service() -> NoteBlockService:
    """Return JobEventsFunction's memory of a blocked queue."""
    from lambent.adapters.dynamodb_blocks import DynamoBlockStore
    from lambent.services.note_block import NoteBlockService

    return NoteBlockService(
        blocks=DynamoBlockStore(table(load_settings(JobEventsSettings).table_name)), clock=parts.CLOCK
    )


@cache
def cancel_job_service() -> CancelJobService:
    """Return JobsFunction's cancellation."""
    from lambent.services.cancel_job import CancelJobService
    from lambent.services.send_job import JobSender

    settings = jobs_settings()
    return CancelJobService(
        jobs=parts.jobs(settings.table_name),
        sender=JobSender(
            batches=parts.queue(settings.batch_queue_url),
            calls=parts.queue(settings.infer_queue_url),
            data=parts.data(settings.data_bucket),
        ),
        runner=parts.runner(),
        clock=parts.CLOCK,
    )


@cache
def retry_job_service() -> RetryJobService:
    """Return JobsFunction's retry of what failed."""
    from lambent.services.retry_job import RetryJobService

    return RetryJobService(jobs=parts.jobs(jobs_settings().table_name), submit=submit_service())


@cache
def set_priority_service() -> SetPriorityService:
    """Return JobsFunction's changes of priorities."""
    from lambent.services.set_priority import SetPriorityService

    settings = jobs_settings()
    shards = parts.shard_sender(settings.table_name, settings.infer_queue_url)
    return SetPriorityService(jobs=parts.jobs(settings.table_name), shards=shards, clock=parts.CLOCK)


@cache
def answer_later_service() -> AnswerLaterService:
    """Return PredictFunction's service for ``Prefer: respond-async``."""
    from lambent.services.answer_later import AnswerLaterService

    settings = load_settings(PredictSettings)
    return AnswerLaterService(
        data=parts.data(settings.data_bucket),
        jobs=parts.jobs(settings.table_name),
        queue=parts.queue(settings.infer_queue_url),
        resolver=parts.resolver(settings.table_name, settings.label_ttl_s),
        files=parts.version_files(settings),
        clock=parts.CLOCK,
        retention_days=settings.job_retention_days,
    )


@cache
def keep_answer_service() -> KeepAnswerService:
    """Return PredictFunction's service for calls that took longer than their door."""
    from lambent.services.keep_answer import KeepAnswerService

    settings = load_settings(PredictSettings)
    return KeepAnswerService(data=parts.data(settings.data_bucket), queue=parts.queue(settings.infer_queue_url))


@cache
def run_call_service() -> RunCallService:
    """Return InferFunction's service for stored calls."""
    return _run_calls(call_service_of_queue())


@cache
def isolated_run_call_service() -> RunCallService:
    """Return InferFunction's service for stored calls that may end the process which answers them."""
    return _run_calls(isolated_call_service_of_queue())


def _run_calls(calls: CallService) -> RunCallService:
    from lambent.services.run_call import RunCallService

    settings = infer_settings()
    return RunCallService(
        data=parts.data(settings.data_bucket),
        jobs=parts.jobs(settings.table_name),
        calls=calls,
        finisher=infer_finisher(),
        clock=parts.CLOCK,
    )


@cache
def refer_answer_service() -> ReferAnswerService:
    """Return the service of the functions behind HTTP for answers that are too large."""
    from lambent.services.refer_answer import ReferAnswerService

    settings = load_settings(AroundSettings)
    return ReferAnswerService(data=parts.data(settings.data_bucket), links=parts.links(settings.data_bucket))


@cache
def show_result_service() -> ShowResultService:
    """Return JobsFunction's reads of stored answers."""
    from lambent.services.show_result import ShowResultService

    settings = load_settings(AroundSettings)
    return ShowResultService(
        jobs=parts.jobs(settings.table_name),
        data=parts.data(settings.data_bucket),
        refer=refer_answer_service(),
        max_answer_bytes=settings.max_answer_bytes,
    )


@cache
def show_parts_service() -> ShowPartsService:
    """Return JobsFunction's reads of batch results."""
    from lambent.services.show_parts import ShowPartsService

    settings = load_settings(AroundSettings)
    return ShowPartsService(
        jobs=parts.jobs(settings.table_name),
        data=parts.data(settings.data_bucket),
        links=parts.links(settings.data_bucket),
        max_answer_bytes=settings.max_answer_bytes,
    )


@cache
def show_errors_service() -> ShowErrorsService:
    """Return JobsFunction's reads of failed items."""
    from lambent.services.show_errors import ShowErrorsService

    settings = load_settings(AroundSettings)
    return ShowErrorsService(
        jobs=parts.jobs(settings.table_name),
        data=parts.data(settings.data_bucket),
        max_answer_bytes=settings.max_answer_bytes,
    )


@cache
def grant_upload_service() -> GrantUploadService:
    """Return the upload grants of the functions behind HTTP."""
    from lambent.adapters.dynamodb_grants import DynamoGrantStore
    from lambent.services.grant_upload import GrantUploadService

    settings = load_settings(AroundSettings)
    return GrantUploadService(
        grants=DynamoGrantStore(table(settings.table_name)),
        links=parts.links(settings.data_bucket),
        registry=parts.registry(settings.table_name),
        clock=parts.CLOCK,
        max_upload_bytes=settings.max_upload_bytes,
        retention_days=settings.job_retention_days,
    )


@cache
def grant_input_service() -> GrantInputService:
    """Return JobsFunction's grants of batch inputs."""
    from lambent.services.grant_input import GrantInputService

    settings = jobs_settings()
    return GrantInputService(
        data=parts.data(settings.data_bucket), links=parts.links(settings.data_bucket), clock=parts.CLOCK
    )


@cache
def show_upload_service() -> ShowUploadService:
    """Return JobsFunction's reads of uploads."""
    from lambent.adapters.dynamodb_grants import DynamoGrantStore
    from lambent.services.show_upload import ShowUploadService

    settings = load_settings(AroundSettings)
    grants = DynamoGrantStore(table(settings.table_name))
    return ShowUploadService(grants=grants, data=parts.data(settings.data_bucket), clock=parts.CLOCK)


@cache
def show_version_service() -> ShowVersionService:
    """Return JobsFunction's reads of models, versions and their cards."""
    from lambent.services.show_version import ShowVersionService

    settings = jobs_settings()
    return ShowVersionService(parts.registry(settings.table_name), parts.version_files(settings))
