"""The only reader of the environment: one class a function, every field set in template.yaml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lambent.domain.vcpus import whole_vcpus
from lambent.errors import Misconfigured

if TYPE_CHECKING:
    from lambent.domain.lanes import Lanes

S = TypeVar("S", bound=msgspec.Struct)


class _Settings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    table_name: str


class ModelSettings(_Settings, frozen=True, kw_only=True, rename=str.upper):
    """Where versions lie, and which public keys' signatures are asked for: none if ``model_public_keys`` is empty."""

    models_bucket: str
    model_public_keys: str


class OriginSettings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """Whose pages may call the API: origins with commas between them, ``*`` for all, empty for none."""

    allowed_origins: str

    @property
    def origins(self) -> frozenset[str]:
        """Return the origins."""
        return _names(self.allowed_origins)


class CallerSettings(_Settings, frozen=True, kw_only=True, rename=str.upper):
    """Who calls over HTTP. ``api_key_id`` is the stack's own key, which belongs to ``default_tenant``."""

    api_key_id: str
    default_tenant: str


class AroundSettings(CallerSettings, frozen=True, kw_only=True, rename=str.upper):
    """What stands around a prediction over HTTP: jobs, uploads, answers too large to be returned."""

    data_bucket: str
    job_retention_days: int
    max_upload_bytes: int
    max_answer_bytes: int


class PredictSettings(AroundSettings, frozen=True, kw_only=True, rename=str.upper):
    """HTTP data plane. ``label_ttl_s``: for how long a label's target is remembered.

    ``preload_models``: names with commas between them, to load before the first request.
    """

    models_bucket: str
    model_public_keys: str
    infer_queue_url: str
    model_cache_bytes: int
    label_ttl_s: float
    interpreter_threads: int
    aws_lambda_function_memory_size: int
    max_body_bytes: int
    preload_models: str

    @property
    def threads(self) -> int:
        """Return how many threads an interpreter gets."""
        return self.interpreter_threads or whole_vcpus(self.aws_lambda_function_memory_size)

    @property
    def models_to_preload(self) -> list[str]:
        """Return the names."""
        return [name for name in self.preload_models.split(",") if name]


class JobsSettings(AroundSettings, frozen=True, kw_only=True, rename=str.upper):
    """HTTP jobs, uploads and registry reads, with the cards of versions."""

    models_bucket: str
    model_public_keys: str
    batch_queue_url: str
    infer_queue_url: str
    webhook_trusted_hosts: str

    @property
    def trusted_hosts(self) -> frozenset[str]:
        """Return the hosts that webhooks may reach by http and whatever their addresses."""
        return _names(self.webhook_trusted_hosts)


class SortSettings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """Upload events into their tenants' groups. ``max_receive_count``: as for ``PreprocessSettings``."""

    max_receive_count: int
    preprocess_queue_url: str


class PreprocessSettings(ModelSettings, frozen=True, kw_only=True, rename=str.upper):
    """Uploads into tensors, or into jobs.

    ``max_receive_count``, here and below: how often its queue gives out a message before it is a dead letter.
    ``record_limit_s``, also below: seconds that one record may be computed in a process of its own, and a quarter of
    them in the function's.
    """

    max_receive_count: int
    record_limit_s: float
    data_bucket: str
    infer_queue_url: str
    preprocess_queue_url: str
    label_ttl_s: float
    max_upload_bytes: int
    batch_queue_url: str
    upload_dead_letter_queue_url: str
    job_retention_days: int
    aws_lambda_function_memory_size: int


class InferSettings(ModelSettings, frozen=True, kw_only=True, rename=str.upper):
    """Queue into results."""

    max_receive_count: int
    record_limit_s: float
    data_bucket: str
    job_topic_arn: str
    infer_queue_url: str
    infer_dead_letter_queue_url: str
    notify_queue_url: str
    model_cache_bytes: int
    label_ttl_s: float
    interpreter_threads: int
    checkpoint_items: int
    aws_lambda_function_memory_size: int

    @property
    def threads(self) -> int:
        """Return how many threads an interpreter gets."""
        return self.interpreter_threads or whole_vcpus(self.aws_lambda_function_memory_size)


class DispatchSettings(ModelSettings, frozen=True, kw_only=True, rename=str.upper):
    """Batch requests into jobs. Without a GPU lane ``batch_job_queue`` and ``batch_job_definition`` are empty.

    ``stack_name``: what jobs on AWS Batch are tagged with, by which the stack's roles may stop them.
    """

    max_receive_count: int
    data_bucket: str
    infer_queue_url: str
    batch_dead_letter_queue_url: str
    job_topic_arn: str
    notify_queue_url: str
    batch_job_queue: str
    batch_job_definition: str
    stack_name: str
    job_retention_days: int
    webhook_trusted_hosts: str

    @property
    def trusted_hosts(self) -> frozenset[str]:
        """Return the hosts that webhooks may reach by http and whatever their addresses."""
        return _names(self.webhook_trusted_hosts)


class LaneSettings(_Settings, frozen=True, kw_only=True, rename=str.upper):
    """What the planner has to know of both lanes. ``infer_…`` and ``queue_concurrency`` are the CPU lane's.

    Without a GPU lane ``batch_job_queue`` is empty, and the other settings of it say nothing.
    """

    aws_region: str
    architecture: str
    infer_memory_mib: int
    infer_timeout_s: float
    queue_concurrency: int
    interpreter_threads: int
    shard_items: int
    batch_job_queue: str
    batch_timeout_s: float
    gpu_instance_types: str
    gpu_max_vcpus: int
    worker_vcpus: int

    @property
    def lanes(self) -> Lanes:
        """Return the lanes as the planner takes them."""
        from lambent.domain.lanes import CpuLane, GpuLane, Lanes  # the functions that plan nothing load no planner
        from lambent.domain.shard_window import places_of_a_tenant

        cpu = CpuLane(
            memory_mib=self.infer_memory_mib,
            architecture=self.architecture,
            timeout_s=self.infer_timeout_s,
            max_concurrency=places_of_a_tenant(self.queue_concurrency),
            threads=self.interpreter_threads or whole_vcpus(self.infer_memory_mib),
        )
        gpu = GpuLane(
            instance_types=tuple(self.gpu_instance_types.split(",")),
            worker_vcpus=self.worker_vcpus,
            max_hosts=max(1, self.gpu_max_vcpus // self.worker_vcpus),
            timeout_s=self.batch_timeout_s,
        )
        return Lanes(
            cpu=cpu, gpu=gpu if self.batch_job_queue else None, shard_items=self.shard_items, region=self.aws_region
        )


class JobEventsSettings(_Settings, frozen=True, kw_only=True, rename=str.upper):
    """AWS Batch state changes into job records."""

    data_bucket: str
    job_topic_arn: str
    notify_queue_url: str


class SweepSettings(_Settings, frozen=True, kw_only=True, rename=str.upper):
    """Healing. ``job_stuck_after_s``: how long an open job may show no sign of life.

    ``…_dead_letter_queue_url``: the queues that are read; the GPU lane's is empty without one.
    """

    data_bucket: str
    job_topic_arn: str
    notify_queue_url: str
    batch_queue_url: str
    infer_queue_url: str
    job_stuck_after_s: int
    job_retention_days: int
    upload_dead_letter_queue_url: str
    infer_dead_letter_queue_url: str
    batch_dead_letter_queue_url: str
    notify_dead_letter_queue_url: str
    job_events_dead_letter_queue_url: str

    @property
    def dead_letter_queue_urls(self) -> dict[str, str]:
        """Return the addresses of the dead-letter queues that there are, by the names of their queues."""
        from lambent.domain.dead_letters import BATCH, INFER, JOB_EVENTS, NOTIFY, UPLOAD

        urls = {
            UPLOAD: self.upload_dead_letter_queue_url,
            INFER: self.infer_dead_letter_queue_url,
            BATCH: self.batch_dead_letter_queue_url,
            NOTIFY: self.notify_dead_letter_queue_url,
            JOB_EVENTS: self.job_events_dead_letter_queue_url,
        }
        return {name: url for name, url in urls.items() if url}


class NotifySettings(_Settings, frozen=True, kw_only=True, rename=str.upper):
    """Webhooks. ``webhook_trusted_hosts``: names with commas between them; empty on AWS."""

    max_receive_count: int
    notify_queue_url: str
    notify_dead_letter_queue_url: str
    webhook_trusted_hosts: str

    @property
    def trusted_hosts(self) -> frozenset[str]:
        """Return the hosts that webhooks may reach by http and whatever their addresses."""
        return _names(self.webhook_trusted_hosts)


class WorkerSettings(ModelSettings, frozen=True, kw_only=True, rename=str.upper):
    """The batch worker's container. Array index and attempt are AWS Batch's own variables; single jobs have no index.

    ``worker_batch_size`` is the most items in a batch, ``checkpoint_items`` after how many results are saved,
    ``worker_needs_gpu`` whether a job ends at once where its backend sees none, ``worker_stall_s`` after how many
    seconds without a sign of life an item in hand counts as one that never ends.
    """

    data_bucket: str
    worker_batch_size: int
    checkpoint_items: int
    keras_backend: str
    worker_needs_gpu: bool
    worker_stall_s: float
    aws_batch_job_array_index: int = 0
    aws_batch_job_attempt: int = 1


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """``tenant_role_arn``: the role by whose sessions a function reaches one tenant's objects at a time.

    Empty for functions that reach the data bucket by their own roles.
    """

    tenant_role_arn: str = ""


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """The jobs of `lambent train --remote` and `evaluate --remote`, in the worker's container."""

    data_bucket: str
    tenant_role_arn: str
    keras_backend: str
    worker_needs_gpu: bool


def _names(text: str) -> frozenset[str]:
    """Return names that stand with commas between them."""
    return frozenset(name for name in text.split(",") if name)


def load_settings(type_: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read ``type_`` from the environment.

    Raises
    ------
    Misconfigured   a variable is missing or not of its type; the text names the variable
    """
    try:
        return msgspec.convert(dict(os.environ if environ is None else environ), type=type_, strict=False)
    except msgspec.ValidationError as exc:
        raise Misconfigured(f"{type_.__name__}: {exc}") from exc


def log_level() -> str:
    """Return the lowest level to log, INFO where nobody says one; Powertools reads the same variable."""
    return os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO")


def extensions_address() -> str | None:
    """Return host and port of Lambda's own API, which a function that runs elsewhere does not have."""
    return os.environ.get("AWS_LAMBDA_RUNTIME_API")
