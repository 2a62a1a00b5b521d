"""What a batch would take and cost, without running it."""

from __future__ import annotations

from collections.abc import Collection

from lambent.contracts.batch_request import BatchInput, BatchSubmission
from lambent.contracts.model import ModelContract
from lambent.contracts.quotes import Quote
from lambent.domain.answer_size import result_bytes_an_item
from lambent.domain.model import ModelChoice
from lambent.ports import Clock, Isolation, ObjectStore
from lambent.services.count_items import COUNTED_BYTES, MOST_LISTED, ItemCount, at_most, counted, rows_counted, sampled
from lambent.services.input_address import InputAddresses, format_of
from lambent.services.load_model import ModelResolver
from lambent.services.plan import BatchPlanner
from lambent.services.read_items import read_items
from lambent.services.submit_job import check_submission
from lambent.services.version_files import VersionFiles


class QuoteService:
    """Plans batches that nobody has submitted; it writes nothing."""

    def __init__(
        self,
        *,
        data: ObjectStore,
        resolver: ModelResolver,
        files: VersionFiles,
        isolation: Isolation,
        planner: BatchPlanner,
        clock: Clock,
        trusted_hosts: Collection[str] = frozenset(),
    ) -> None:
        self._data = data
        self._resolver = resolver
        self._files = files
        self._isolation = isolation
        self._planner = planner
        self._clock = clock
        self._trusted_hosts = trusted_hosts

    def quote(self, tenant: str, submission: BatchSubmission) -> Quote:
        """Return the plan of a batch as it would be made now, after the checks that a submission meets.

        A label that has a canary stands for its stable version.

        Raises
        ------
        NameInvalid, ModelNotFound, ModelNotReady, BrokenArtifact   the version cannot serve
        UrlRefused, RequestInvalid, DeadlineExceeded                the request cannot be submitted
        ManifestInvalid                                             its input is missing, or has bad items
        MediaTypeUnsupported, OutputNotJson                         the version can answer no item
        LaneUnavailable                                             no lane can run it
        Unavailable
        """
        check_submission(
            self._data, submission, tenant=tenant, now_s=self._clock.epoch_s(), trusted_hosts=self._trusted_hosts
        )
        ref = self._resolver.resolve(ModelChoice(submission.model, submission.version, submission.label))
        manifest = self._files.manifest(ref)
        contract = self._files.contract(ref)
        count = self._count(tenant, submission.input, contract)
        planned = self._planner.plan(
            submission,
            ref,
            manifest,
            tenant=tenant,
            items=count.items,
            objects=count.objects,
            item_result_bytes=result_bytes_an_item(contract),
        )
        taken = planned.taken
        is_array = taken.lane == "gpu" and taken.shards > 1
        return Quote(
            model=ref.name,
            version=str(ref.version),
            lane=taken.lane,
            total=count.items,
            is_total_exact=count.is_exact,
            counted=count.how,
            shards=taken.shards,
            shard_items=taken.shard_items,
            array_size=taken.shards if is_array else None,
            concurrency=taken.workers if taken.lane == "cpu" else None,
            why=planned.why,
            estimate=planned.estimate,
        )

    def _count(self, tenant: str, source: BatchInput, contract: ModelContract) -> ItemCount:
        items = read_items(self._data, source, tenant=tenant, contract=contract, isolation=self._isolation)
        if source.prefix is not None:
            return at_most(items, MOST_LISTED)
        uri = source.uri or source.manifest_uri
        if uri is not None and format_of(source) != "zip":  # a zip's directory is small
            key = InputAddresses(self._data, tenant).key_of(uri, field="input.uri", what="manifest")
            head = self._data.head(key)
            if head is not None and format_of(source) == "parquet":
                return rows_counted(self._data, key, head.size_bytes, contract)
            if head is not None and head.size_bytes > COUNTED_BYTES:
                return sampled(self._data, key, head.size_bytes, source, contract)
        return counted(items)
