"""Whether a version can answer a batch at all: what would fail for every item is refused before the first one."""

from __future__ import annotations

from collections.abc import Iterator

from lambent.contracts.batch_request import BatchRequest, BatchSubmission, ManifestItem
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import ImagePreprocessing, ModelContract, TensorPreprocessing, TextPreprocessing
from lambent.domain.answer_size import check_json_size
from lambent.domain.model import ModelChoice
from lambent.errors import BrokenArtifact, ManifestInvalid, MediaTypeUnsupported, ModelNotReady, NotFound
from lambent.services.load_model import ModelResolver
from lambent.services.version_files import VersionFiles


class SubmissionCheck:
    """Looks at the version that a submission means now."""

    def __init__(self, resolver: ModelResolver, files: VersionFiles) -> None:
        self._resolver = resolver
        self._files = files

    def check(self, submission: BatchSubmission | BatchRequest) -> None:
        """Refuse a batch of which every item would fail; raises as `check_batch` and `check_kinds`, and Unavailable."""
        try:
            ref = self._resolver.resolve(ModelChoice(submission.model, submission.version, submission.label))
            contract = self._files.contract(ref)
        except (NotFound, ModelNotReady, BrokenArtifact):
            return  # the version may be there when the batch is planned; if not, the job ends with that reason
        check_batch(contract)
        items = submission.input.items
        if items and not any(_fits(item, contract) for item in items):
            raise _of_another_kind(contract)


def check_batch(contract: ModelContract) -> None:
    """Refuse a model that answers no item.

    Raises
    ------
    MediaTypeUnsupported   it takes tensors
    OutputNotJson          its outputs are the answer, and those of one item are too many numbers for a line
    """
    if isinstance(contract.preprocessing, TensorPreprocessing):
        raise MediaTypeUnsupported(
            "This model takes tensors only, and the items of a batch are pictures, texts or rows; use POST "
            "/v2/models/{model}/infer, with many rows in a call, or with Prefer: respond-async.",
            field="model",
        )
    check_json_size(contract)


def check_kinds(items: Iterator[ShardItem], contract: ModelContract) -> Iterator[ShardItem]:
    """Yield the items; raise ManifestInvalid behind the last one if there were some and none is of the model's kind."""
    is_any, is_fit = False, False
    for item in items:
        is_any, is_fit = True, is_fit or _fits(item, contract)
        yield item
    if is_any and not is_fit:
        raise _of_another_kind(contract)


def _fits(item: ShardItem | ManifestItem, contract: ModelContract) -> bool:
    """Return whether an item may be what the model takes; of an object that is to be fetched nobody knows yet."""
    content: dict[str, object] = {"text": item.text, "row": item.row}
    if isinstance(item, ManifestItem):
        address, content["picture"] = item.uri, item.image
    else:
        address, content["picture"] = item.key, item.data
    return address is not None or content[_kind(contract)] is not None


def _of_another_kind(contract: ModelContract) -> ManifestInvalid:
    kind = _kind(contract)
    return ManifestInvalid(
        f"Model {contract.name} takes a {kind} an item, and no item has one.", field="input", limit=kind
    )


def _kind(contract: ModelContract) -> str:
    if isinstance(contract.preprocessing, ImagePreprocessing):
        return "picture"
    return "text" if isinstance(contract.preprocessing, TextPreprocessing) else "row"
