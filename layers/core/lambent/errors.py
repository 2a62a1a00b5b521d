"""Every error that Lambent raises on purpose.

LambentError
├── InvalidInput                 the caller must change the request; never retried
│   ├── AuthInvalid              auth_invalid
│   ├── JsonInvalid              json_invalid
│   ├── JsonTooComplex           json_too_complex
│   ├── NameInvalid              name_invalid
│   ├── RequestInvalid           request_invalid
│   ├── PayloadTooLarge          payload_too_large
│   ├── RequestMalformed         request_malformed
│   ├── MediaTypeUnsupported     media_type_unsupported
│   ├── NotAcceptable            not_acceptable
│   ├── ContentCodingInvalid     content_encoding_invalid
│   ├── FieldNotAllowed          field_not_allowed
│   ├── CursorInvalid            cursor_invalid
│   ├── UrlRefused               callback_url_refused
│   ├── ForbiddenAction          forbidden_action
│   ├── IdempotencyMismatch      idempotency_mismatch
│   ├── TensorNameUnknown        tensor_name_unknown
│   ├── TensorShapeMismatch      tensor_shape_mismatch
│   ├── TensorDtypeMismatch      tensor_dtype_mismatch
│   ├── OutputNotJson            output_not_json
│   ├── ColumnInvalid            column_invalid
│   ├── TextInvalid              text_invalid
│   ├── ImageFormatUnsupported   image_format_unsupported
│   ├── ImageCorrupt             image_corrupt
│   ├── ImageTooLargeDecoded     image_too_large_decoded
│   ├── UploadKeyInvalid         upload_key_invalid
│   ├── SourceEmpty              source_empty
│   ├── SourceChanged            source_changed
│   ├── ChecksumMismatch         checksum_mismatch
│   ├── EnvelopeInvalid          envelope_invalid
│   ├── ManifestInvalid          manifest_invalid
│   ├── JobIdReused              job_id_reused
│   ├── OutputExists             output_exists
│   ├── DeadlineExceeded         deadline_exceeded
│   ├── NothingFailed            nothing_failed
│   ├── ProcessingCrashed        processing_crashed: the process that works on this input does not survive it
│   └── LaneUnavailable          lane_unavailable
├── NotFound                     what was named does not exist, or not for this caller
│   ├── RouteNotFound            route_not_found
│   ├── ModelNotFound            model_not_found
│   ├── CardNotFound             card_not_found
│   ├── JobNotFound              job_not_found
│   ├── UploadNotFound           upload_not_found
│   ├── ResultNotFound           result_not_found
│   └── SourceGone               source_gone
├── Conflict                     somebody else was first
│   ├── VersionImmutable         version_immutable
│   ├── VersionRetired           version_retired
│   ├── VersionInUse             version_in_use
│   ├── AliasConflict            alias_conflict
│   ├── JobHasEnded              job_has_ended
│   ├── PriorityFixed            priority_fixed
│   └── InProgress               in_progress
├── ShardFailed                  shard_failed: an item's shard ended without results; a retry may help
├── ProcessingGaveUp             processing_gave_up: its queue has given it up; `lambent dlq` has it
├── Unavailable                  a dependency failed; retrying helps
│   └── Interrupted              interrupted
├── MemoryExhausted              memory_exhausted
├── ModelNotReady                model_not_ready
├── BrokenArtifact               a model version cannot be served
│   ├── ModelIntegrityFailed     model_integrity_failed
│   │   └── ModelSignatureInvalid model_signature_invalid
│   ├── ModelFormatRefused       model_format_refused
│   ├── ModelContractMismatch    model_contract_mismatch
│   ├── ModelOperatorUnsupported model_operator_unsupported
│   └── ModelLoadFailed          model_load_failed
└── Misconfigured                the deployment is wrong, not the request
    ├── WorkerUnfit              worker_unfit
    ├── EventUnknown             event_unknown
    └── EventForeign             event_foreign

``is_final`` errors are an outcome: the same input meets them again, so a queue records them and moves on. All others
make it deliver again, and in the end they lie in the dead-letter queue.

``code`` is part of the interface and never changes; ``detail`` says what, where, the limit, what was got and how to
fix it, and never holds a path, a bucket, an ARN or content of the request. HTTP statuses live in
``runtime.http_errors`` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

_INTEGER_BITS = 63


class LambentError(Exception):
    """Base of the tree.

    Parameters
    ----------
    detail : str     one or two sentences for the caller
    field : str      where in the input, e.g. ``inputs[0].shape``
    limit, got       what was allowed and what came, as JSON values
    errors           further findings of the same kind, at most 20, as JSON objects
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    is_retryable: ClassVar[bool] = False
    is_final: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        limit: Any = None,
        got: Any = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.limit = limit
        self.got = got
        self.errors = errors

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-able fields; ``error`` repeats the detail for Open Inference Protocol clients."""
        body: dict[str, Any] = {
            "error": self.detail,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "field": self.field,
            "limit": _encodable(self.limit),
            "got": _encodable(self.got),
            "retryable": self.is_retryable,
        }
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def _encodable(value: Any) -> Any:
    """Return what is told of a request's value as JSON that every encoder takes: integers of at most 64 bits."""
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        return f"an integer of {value.bit_length()} bits"
    return value


class InvalidInput(LambentError):
    """The caller must change the request."""

    code = "invalid_input"
    title = "Invalid input"
    is_final = True


class AuthInvalid(InvalidInput):
    """The caller's key is not one of this stack's tenants."""

    code = "auth_invalid"
    title = "Not authorised"


class JsonInvalid(InvalidInput):
    """A body or line is not JSON."""

    code = "json_invalid"
    title = "Not valid JSON"


class JsonTooComplex(InvalidInput):
    """JSON is nested deeper than any request needs."""

    code = "json_too_complex"
    title = "JSON is too complex"


class NameInvalid(InvalidInput):
    """A model, tenant or job name breaks the naming rule."""

    code = "name_invalid"
    title = "Name not allowed"


class RequestInvalid(InvalidInput):
    """JSON is well formed, but fields are missing or of the wrong type."""

    code = "request_invalid"
    title = "Request does not match its schema"


class PayloadTooLarge(InvalidInput):
    """More bytes than the door takes."""

    code = "payload_too_large"
    title = "Payload too large"
    # The request that takes the same bytes by the upload door, and a grant where the caller is known.
    upload: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the error's fields, and how to upload instead where that helps."""
        return super().to_dict() | ({"upload": self.upload} if self.upload is not None else {})


class RequestMalformed(InvalidInput):
    """The request contradicts itself before anybody looks at its content."""

    code = "request_malformed"
    title = "Malformed request"


class MediaTypeUnsupported(InvalidInput):
    """The content type is not one that this model takes."""

    code = "media_type_unsupported"
    title = "Media type not supported"


class NotAcceptable(InvalidInput):
    """The Accept header rules out every form that the answer has."""

    code = "not_acceptable"
    title = "No acceptable form of the answer"


class ContentCodingInvalid(InvalidInput):
    """A body that is not compressed the way its Content-Encoding says."""

    code = "content_encoding_invalid"
    title = "Content encoding not valid"


class FieldNotAllowed(InvalidInput):
    """A field or parameter that this request does not have, or that only the service may set."""

    code = "field_not_allowed"
    title = "Field not allowed"


class CursorInvalid(InvalidInput):
    """A page cursor that this API did not make, or a page size over the limit."""

    code = "cursor_invalid"
    title = "Page cursor not valid"


class UrlRefused(InvalidInput):
    """An address that the service will not read from or call."""

    code = "callback_url_refused"
    title = "Address refused"


class ForbiddenAction(InvalidInput):
    """The caller's key lacks the scope that the action needs."""

    code = "forbidden_action"
    title = "Action not allowed"


class IdempotencyMismatch(InvalidInput):
    """The Idempotency-Key belongs to an earlier, different request."""

    code = "idempotency_mismatch"
    title = "Idempotency key already used"


class TensorNameUnknown(InvalidInput):
    """A tensor that the model does not have, or one missing that it needs."""

    code = "tensor_name_unknown"
    title = "Tensor name unknown"


class TensorShapeMismatch(InvalidInput):
    """Shape and data, or shape and contract, do not agree."""

    code = "tensor_shape_mismatch"
    title = "Tensor shape does not match"


class TensorDtypeMismatch(InvalidInput):
    """Datatype is not the contract's, or a value does not fit it."""

    code = "tensor_dtype_mismatch"
    title = "Tensor datatype does not match"


class OutputNotJson(InvalidInput):
    """An output that JSON has no form for; the caller can ask for it as a binary tensor."""

    code = "output_not_json"
    title = "Output has no JSON form"


class ColumnInvalid(InvalidInput):
    """A table row with an unknown, missing or unusable column."""

    code = "column_invalid"
    title = "Column not valid"


class TextInvalid(InvalidInput):
    """A text that is empty, too long or not text."""

    code = "text_invalid"
    title = "Text not valid"


class ImageFormatUnsupported(InvalidInput):
    """Not a JPEG, PNG or WebP file."""

    code = "image_format_unsupported"
    title = "Not a supported image"


class ImageCorrupt(InvalidInput):
    """Starts like an image, but cannot be decoded to its end."""

    code = "image_corrupt"
    title = "Image cannot be decoded"


class ImageTooLargeDecoded(InvalidInput):
    """The header declares more pixels than the limit."""

    code = "image_too_large_decoded"
    title = "Image has too many pixels"


class UploadKeyInvalid(InvalidInput):
    """The object's key is not inbox/{tenant}/{model}/{name}."""

    code = "upload_key_invalid"
    title = "Upload key not allowed"


class SourceEmpty(InvalidInput):
    """The object has no bytes."""

    code = "source_empty"
    title = "Upload is empty"


class SourceChanged(InvalidInput):
    """The object was overwritten after the event was sent."""

    code = "source_changed"
    title = "Upload was overwritten"


class ChecksumMismatch(InvalidInput):
    """The content's sha256 is not the one that was announced."""

    code = "checksum_mismatch"
    title = "Checksum does not match"


class EnvelopeInvalid(InvalidInput):
    """A queue message that cannot be tied to a tenant and a job."""

    code = "envelope_invalid"
    title = "Message envelope not valid"


class ManifestInvalid(InvalidInput):
    """A batch manifest is missing, empty, too long or has bad lines."""

    code = "manifest_invalid"
    title = "Manifest not valid"


class JobIdReused(InvalidInput):
    """The job id belongs to an earlier, different request."""

    code = "job_id_reused"
    title = "Job id already used"


class LaneUnavailable(InvalidInput):
    """The lane asked for is not deployed, or the version has no file for it."""

    code = "lane_unavailable"
    title = "Lane not available"


class OutputExists(InvalidInput):
    """Where a job's outputs would lie, lie those of another."""

    code = "output_exists"
    title = "Output exists"


class DeadlineExceeded(InvalidInput):
    """A deadline has passed."""

    code = "deadline_exceeded"
    title = "Deadline exceeded"


class NothingFailed(InvalidInput):
    """A retry of a job in which nothing failed."""

    code = "nothing_failed"
    title = "Nothing to retry"


class ProcessingCrashed(InvalidInput):
    """The process that worked on this input died, hung or ran out of memory; so would the next one."""

    code = "processing_crashed"
    title = "Input ends its process"


class NotFound(LambentError):
    """What was named does not exist for this caller."""

    code = "not_found"
    title = "Not found"
    is_final = True


class RouteNotFound(NotFound):
    """No such path and method."""

    code = "route_not_found"
    title = "Route not found"


class ModelNotFound(NotFound):
    """No such model, version or label."""

    code = "model_not_found"
    title = "Model not found"


class CardNotFound(NotFound):
    """The version was published without a model card."""

    code = "card_not_found"
    title = "Model card not found"


class JobNotFound(NotFound):
    """No such job of this tenant."""

    code = "job_not_found"
    title = "Job not found"


class UploadNotFound(NotFound):
    """No such upload of this tenant."""

    code = "upload_not_found"
    title = "Upload not found"


class ResultNotFound(NotFound):
    """A job without a single answer, or one whose answer has expired."""

    code = "result_not_found"
    title = "Result not found"


class SourceGone(NotFound):
    """The object was deleted before it was read."""

    code = "source_gone"
    title = "Upload is gone"


class Conflict(LambentError):
    """Another writer was first."""

    code = "conflict"
    title = "Conflict"


class VersionImmutable(Conflict):
    """A published version is never written again."""

    code = "version_immutable"
    title = "Version is immutable"


class VersionRetired(Conflict):
    """A retired version is no longer to be used by a label."""

    code = "version_retired"
    title = "Version is retired"


class VersionInUse(Conflict):
    """A version that a label or an open job uses cannot be retired or removed."""

    code = "version_in_use"
    title = "Version is in use"


class AliasConflict(Conflict):
    """The label moved since it was read."""

    code = "alias_conflict"
    title = "Label was changed by somebody else"


class JobHasEnded(Conflict):
    """The job cannot be changed any more."""

    code = "job_has_ended"
    title = "Job has ended"


class PriorityFixed(Conflict):
    """The job's lane takes no change of priority."""

    code = "priority_fixed"
    title = "Priority is fixed"


class InProgress(Conflict):
    """The same request is being worked on at this moment."""

    code = "in_progress"
    title = "Already in progress"
    is_retryable = True


class ShardFailed(LambentError):
    """The outcome of items whose shard ended without results: its process was killed, or gave up."""

    code = "shard_failed"
    title = "Shard failed"
    is_retryable = True
    is_final = True


class ProcessingGaveUp(LambentError):
    """The outcome of work whose message lies in a dead-letter queue without one: every attempt broke off."""

    code = "processing_gave_up"
    title = "Processing gave up"
    is_final = True


class Unavailable(LambentError):
    """A dependency failed or throttled; the same request may succeed later."""

    code = "unavailable"
    title = "Temporarily unavailable"
    is_retryable = True


class Interrupted(Unavailable):
    """The host stops before the work is done; what is finished is kept, and the work goes on elsewhere."""

    code = "interrupted"
    title = "Interrupted"
    gained = 0  # items that this attempt has finished


class MemoryExhausted(LambentError):
    """The host or its accelerator has too little memory for this input."""

    code = "memory_exhausted"
    title = "Not enough memory"
    is_final = True


class ModelNotReady(LambentError):
    """An operator has unloaded the model; it answers again once it is loaded."""

    code = "model_not_ready"
    title = "Model is not ready"
    is_final = True


class BrokenArtifact(LambentError):
    """A model version cannot be served."""

    code = "model_broken"
    title = "Model version cannot be served"
    is_final = True


class ModelIntegrityFailed(BrokenArtifact):
    """A file's sha256 or size is not the manifest's."""

    code = "model_integrity_failed"
    title = "Model failed its integrity check"


class ModelSignatureInvalid(ModelIntegrityFailed):
    """No key that the stack pins signed the version's manifest."""

    code = "model_signature_invalid"
    title = "Model is not signed by a known key"


class ModelFormatRefused(BrokenArtifact):
    """Not a TFLite flat buffer, or files that this release cannot read."""

    code = "model_format_refused"
    title = "Model format refused"


class ModelContractMismatch(BrokenArtifact):
    """The file's tensors or answers are not what the contract declares."""

    code = "model_contract_mismatch"
    title = "Model does not match its contract"


class ModelOperatorUnsupported(BrokenArtifact):
    """The interpreter is older than an operator that the file uses."""

    code = "model_operator_unsupported"
    title = "Model needs a newer interpreter"


class ModelLoadFailed(BrokenArtifact):
    """The interpreter refused the file."""

    code = "model_load_failed"
    title = "Model cannot be loaded"


class Misconfigured(LambentError):
    """The deployment is wrong: a setting is missing or unusable."""

    code = "misconfigured"
    title = "Service is misconfigured"


class WorkerUnfit(Misconfigured):
    """The worker's image or host lacks what its job was promised: a GPU, or the backend; so does the next one."""

    code = "worker_unfit"
    title = "Worker cannot run its job"
    is_final = True


class EventUnknown(Misconfigured):
    """An event of a form that its function does not take: something is wired to the wrong place."""

    code = "event_unknown"
    title = "Event of an unknown form"
    is_final = True


class EventForeign(Misconfigured):
    """An event of a known form that tells of what is not this stack's: another bucket, or nothing that was uploaded."""

    code = "event_foreign"
    title = "Event is not of this stack's uploads"
    is_final = True


def restore_error(fields: dict[str, Any]) -> LambentError:
    """Return the error that `LambentError.to_dict` made these fields of; one of an unknown code is the base's."""
    classes = {found.code: found for found in _subclasses(LambentError)}
    return classes.get(fields["code"], LambentError)(
        fields["detail"],
        field=fields.get("field"),
        limit=fields.get("limit"),
        got=fields.get("got"),
        errors=fields.get("errors"),
    )


def _subclasses(parent: type[LambentError]) -> Iterator[type[LambentError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)
