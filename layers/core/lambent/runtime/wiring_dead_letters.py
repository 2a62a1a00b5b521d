"""Composition of the reader of dead letters, in SweepFunction; see `wiring`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lambent.adapters.clients import client, table
from lambent.runtime import parts
from lambent.runtime.settings import SweepSettings, load_settings

if TYPE_CHECKING:
    from lambent.services.read_dead_letters import DeadLetterReader
    from lambent.services.record_dead_letter import Failers


@cache
def dead_letter_reader() -> DeadLetterReader:
    """Return SweepFunction's reader of dead letters."""
    from lambent.adapters.dynamodb_deaths import DynamoDeathLedger
    from lambent.adapters.sqs_dead_letters import SqsDeadLetters
    from lambent.services.read_dead_letters import DeadLetterReader
    from lambent.services.record_dead_letter import DeadLetterRecorder

    settings = load_settings(SweepSettings)
    return DeadLetterReader(
        queues=[SqsDeadLetters(client("sqs"), url, name=name) for name, url in settings.dead_letter_queue_urls.items()],
        ledger=DynamoDeathLedger(table(settings.table_name)),
        recorder=DeadLetterRecorder(
            data=parts.data(settings.data_bucket),
            jobs=parts.jobs(settings.table_name),
            failers=_failers(settings),
            clock=parts.CLOCK,
            bucket=settings.data_bucket,
            retention_days=settings.job_retention_days,
        ),
        clock=parts.CLOCK,
    )


def _failers(settings: SweepSettings) -> Failers:
    from lambent.services.advance_job import JobAdvancer
    from lambent.services.fail_call import CallFailer
    from lambent.services.fail_shard import ShardFailer
    from lambent.services.fail_upload import UploadFailer
    from lambent.services.record_dead_letter import Failers
    from lambent.services.track import TrackService

    data, jobs = parts.data(settings.data_bucket), parts.jobs(settings.table_name)
    finisher = parts.finisher(settings)
    advancer = JobAdvancer(
        jobs=jobs,
        shards=parts.shard_sender(settings.table_name, settings.infer_queue_url),
        finisher=finisher,
        clock=parts.CLOCK,
    )
    return Failers(
        uploads=UploadFailer(data=data, jobs=jobs),
        calls=CallFailer(data=data, finisher=finisher),
        shards=ShardFailer(data=data, jobs=jobs, advancer=advancer, clock=parts.CLOCK),
        finisher=finisher,
        track=TrackService(jobs=jobs, finisher=finisher, clock=parts.CLOCK),
    )
