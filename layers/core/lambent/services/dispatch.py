"""Door 3: a batch request becomes a planned job on one of the two lanes."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from lambent.contracts.batch_request import BatchRequest
from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import Plan
from lambent.domain.answer_size import result_bytes_an_item
from lambent.domain.job import Job
from lambent.domain.job_states import JobState, states_before
from lambent.domain.model import ModelChoice, digest
from lambent.domain.names import check_name, job_key
from lambent.domain.webhook_url import check_notification
from lambent.errors import EnvelopeInvalid, JobIdReused, LambentError, LaneUnavailable, OutputExists
from lambent.ports import Clock, Isolation, JobRunner, JobStore, ObjectStore
from lambent.services.finish_job import JobFinisher
from lambent.services.keep_request import keep_request
from lambent.services.load_model import ModelResolver
from lambent.services.plan import BatchPlanner
from lambent.services.read_items import read_items
from lambent.services.read_plan import PLAN_FILE, read_plan
from lambent.services.send_shards import ShardSender
from lambent.services.spool_items import ItemSpool
from lambent.services.submit_job import check_deadline, new_job
from lambent.services.version_files import VersionFiles


class DispatchService:
    """Batch requests of all tenants. ``runner`` is None where the stack has no GPU lane."""

    def __init__(
        self,
        *,
        data: ObjectStore,
        jobs: JobStore,
        resolver: ModelResolver,
        files: VersionFiles,
        isolation: Isolation,
        runner: JobRunner | None,
        finisher: JobFinisher,
        shards: ShardSender,
        clock: Clock,
        planner: BatchPlanner,
        retention_days: int,
        trusted_hosts: Collection[str] = frozenset(),
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._resolver = resolver
        self._files = files
        self._isolation = isolation
        self._runner = runner
        self._finisher = finisher
        self._shards = shards
        self._clock = clock
        self._planner = planner
        self._retention_days = retention_days
        self._trusted_hosts = trusted_hosts

    def dispatch(self, tenant: str | None, body: str) -> Job:
        """Accept, plan and start one batch; every step can be repeated after a crash at any point.

        Parameters
        ----------
        tenant   from the message's envelope, never from its body
        body     JSON of a BatchRequest

        Returns
        -------
        Job   as recorded when it was accepted; a request that cannot run is recorded as FAILED, with its reason

        Raises
        ------
        EnvelopeInvalid, JobIdReused   the message belongs to no job; it goes to the dead-letter queue with the reason
        Unavailable                    and any other retryable error; the message must be delivered again
        """
        request = _read_envelope(tenant, body)
        job = self._accept(str(tenant), request, body)
        if job.state.is_terminal:
            if job.is_open:
                self._finisher.settle(job)
            return job
        try:
            self._start(job, request)
        except LambentError as error:
            if not error.is_final:
                raise
            self._finisher.fail(job, error)
        return job

    def is_planned(self, tenant: str | None, body: str) -> bool:
        """Return whether an attempt before came as far as the job's plan; raises EnvelopeInvalid, Unavailable."""
        request = _read_envelope(tenant, body)
        job = self._jobs.head(str(tenant), request.id)
        return job is not None and job.state is not JobState.QUEUED

    def give_up(self, tenant: str | None, body: str, error: LambentError) -> None:
        """Record a request that is not delivered again as a failed job; a planned one goes on, by the sweep's help.

        Raises
        ------
        EnvelopeInvalid, JobIdReused   it belongs to no job
        Unavailable
        """
        job = self._accept(str(tenant), _read_envelope(tenant, body), body)
        if job.state is JobState.QUEUED:
            self._finisher.fail(job, error)

    def _accept(self, tenant: str, request: BatchRequest, body: str) -> Job:
        job = new_job(tenant, request, clock=self._clock, retention_days=self._retention_days)
        job = keep_request(self._data, job, request, body=body)
        if self._jobs.create(job):
            return job
        known = self._jobs.get(tenant, request.id)
        if known is None or known.request_sha256 != job.request_sha256:
            raise JobIdReused("This job id was used for a different request; choose a new id.", field="id")
        return known

    def _start(self, job: Job, request: BatchRequest) -> None:
        if job.state is JobState.QUEUED:
            check_deadline(request.deadline_s, now_s=self._clock.epoch_s())
            check_notification(request.notification, trusted_hosts=self._trusted_hosts)
            plan = self._record_plan(job, request)
        else:
            # A planned job keeps its plan: the manifest may have changed since, and parts may be written already.
            plan = read_plan(self._data, job.tenant, job.job_id)
        planned = self._jobs.get(job.tenant, job.job_id)
        if planned is None or planned.state.is_terminal:
            return  # it was cancelled meanwhile
        if planned.deadline_s is not None and self._clock.epoch_s() >= planned.deadline_s:
            self._finisher.expire(planned)
        elif plan.lane == "gpu":
            self._submit(job, plan)
        else:
            start = self._shards.start if not planned.heals else self._shards.revive
            start(planned)

    def _record_plan(self, job: Job, request: BatchRequest) -> Plan:
        """Plan the job, unless another dispatcher of the same request was first: then its plan counts."""
        plan = self._plan(job, request)
        # Written before the job is PLANNED, so that whoever sees a planned job finds its plan.
        if not self._data.write_once(
            job_key(job.tenant, job.job_id, PLAN_FILE), msgspec.json.encode(plan), content_type="application/json"
        ):
            plan = read_plan(self._data, job.tenant, job.job_id)
            if plan.accepted_at != job.created_at:
                raise OutputExists(
                    "The outputs of an older job of this id still lie where this job's would; choose another id.",
                    field="id",
                )
        self._jobs.transition(
            job.tenant,
            job.job_id,
            JobState.PLANNED,
            allowed=states_before(JobState.PLANNED),
            at=self._clock.now(),
            version=plan.version,
            lane=plan.lane,
            total=plan.total,
            shards=plan.shards,
            why=plan.why,
            concurrency=plan.concurrency,
            estimate=msgspec.to_builtins(plan.estimate),
        )
        return plan

    def _plan(self, job: Job, request: BatchRequest) -> Plan:
        # One version for the whole job, whatever becomes of its label meanwhile: the job's id is its routing key.
        target = self._resolver.target(ModelChoice(request.model, request.version, request.label), lambda: job.job_id)
        manifest = self._files.manifest(target.ref)
        contract = self._files.contract(target.ref)
        notes: list[str] = []
        with ItemSpool() as spool:
            spool.add_all(
                read_items(
                    self._data,
                    request.input,
                    tenant=job.tenant,
                    contract=contract,
                    isolation=self._isolation,
                    tell=notes.append,
                )
            )
            planned = self._planner.plan(
                request,
                target.ref,
                manifest,
                tenant=job.tenant,
                items=len(spool),
                objects=spool.objects,
                item_result_bytes=result_bytes_an_item(contract),
            )
            taken = planned.taken
            offsets = spool.offsets(taken.shard_items)
            spool.upload(self._data, job_key(job.tenant, job.job_id, spool.file_name))
            return Plan(
                tenant=job.tenant,
                job_id=job.job_id,
                model=target.ref.name,
                version=target.ref.version,
                lane=taken.lane,
                total=len(spool),
                shards=len(offsets) - 1,
                shard_items=taken.shard_items,
                items_file=spool.file_name,
                offsets=offsets,
                concurrency=self._planner.max_concurrency,
                output=request.output_options,
                accepted_at=job.created_at,
                expires_at_s=job.expires_at_s,
                deadline_s=request.deadline_s,
                why="; ".join([planned.why, *notes]),
                is_canary=target.is_canary,
                estimate=planned.estimate,
            )

    def _submit(self, job: Job, plan: Plan) -> None:
        if self._runner is None:
            raise LaneUnavailable("The GPU lane was taken away after this job was planned for it.", field="lane")
        # Tenant and id joined by a dash would let two tenants meet in one name.
        name = f"lambent-{digest(f'{job.tenant}/{job.job_id}/{job.created_at}'.encode())[:40]}"
        # A crash between SubmitJob and the next line must not start the job twice.
        batch_job_id = self._runner.find(name) or self._runner.submit(
            name, shards=plan.shards, parameters={"tenant": job.tenant, "job_id": job.job_id}
        )
        self._jobs.set_batch_job(job.tenant, job.job_id, batch_job_id)
        known = self._jobs.head(job.tenant, job.job_id)
        if known is not None and (known.batch_job_id != batch_job_id or known.state.is_terminal):
            # AWS Batch lists a new job after a while only, so a second one may have been started after a crash; or the
            # job was cancelled, and closed, before there was anything to stop.
            self._runner.terminate(batch_job_id, reason="lambent: another one runs this job, or nobody waits for it")


def _read_envelope(tenant: str | None, body: str) -> BatchRequest:
    if tenant is None:
        raise EnvelopeInvalid("The message has no attribute 'tenant'; senders must set it.", field="tenant")
    try:
        check_name(tenant, what="tenant")
        return decode_json(body, BatchRequest, what="batch request")
    except LambentError as exc:
        raise EnvelopeInvalid(f"The message is not a batch request. {exc.detail}", field=exc.field) from exc
