"""What a person sends: pictures, texts or table rows in; labels or a number out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambent.contracts.media import MediaAnswer, Usage
from lambent.contracts.media_requests import MediaItems, read_json_items
from lambent.contracts.media_types import CSV, JSON, MULTIPART, TEXT, choose_media_type, read_media_type
from lambent.contracts.model import (
    ImagePreprocessing,
    ModelContract,
    Preprocessing,
    TabularPreprocessing,
    TextPreprocessing,
)
from lambent.contracts.schema_errors import shown_name
from lambent.domain.answer_size import check_json_answer
from lambent.domain.call import Call, CallAnswer
from lambent.domain.preprocessing import prepare_all
from lambent.errors import FieldNotAllowed, ImageFormatUnsupported, RequestInvalid
from lambent.services.predict import PredictService, Timings, predict_items

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array
    from lambent.services.load_model import ServedModel

TOP_K = "top_k"
_DEFAULT_TOP_K = 1
_MAX_TOP_K = 100
_KIND_BY_TYPE = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP"}
# What each kind of model takes, the usual type first.
ACCEPTED_TYPES: dict[type[Preprocessing], tuple[str, ...]] = {
    ImagePreprocessing: (*_KIND_BY_TYPE, MULTIPART, JSON),
    TextPreprocessing: (TEXT, JSON),
    TabularPreprocessing: (CSV, JSON),
}


def answer_predict(call: Call, predict: PredictService, timings: Timings) -> CallAnswer:
    """Answer POST /models/{model}/predict: one item or several, as JSON or as CSV."""
    top_k = _top_k(call.query)
    answer_type = choose_media_type(call.headers.get("accept"), (JSON, CSV))
    served = predict.model(call.choice, timings)
    with timings.step("decode"):
        sent = read_items(call, served.contract)
    with timings.step("preprocess"):
        prepared = _prepare(sent, served)
    check_json_answer(served.contract, len(prepared))
    predictions = predict_items(served, prepared, timings, top_k=top_k)
    with timings.step("encode"):
        usage = Usage(items=len(prepared), input_bytes=len(call.body))
        answer = MediaAnswer(served.ref.name, str(served.ref.version), predictions, usage)
        body, content_type = _encode(answer, answer_type)
    return CallAnswer(body, content_type, served.ref, {"Vary": "Accept"})


def _encode(answer: MediaAnswer, media_type: str) -> tuple[bytes, str]:
    from lambent.contracts import media_answers

    if media_type == CSV:
        return media_answers.encode_csv(answer), media_answers.CSV_CONTENT_TYPE
    return media_answers.encode_json(answer), JSON


def read_items(call: Call, contract: ModelContract) -> MediaItems:
    """Return the raw items of a call's body.

    Raises
    ------
    MediaTypeUnsupported     a type that this kind of model does not take
    ImageFormatUnsupported   a picture of another format than its declared type
    InvalidInput             as the body's form demands, see `lambent.contracts.media_requests`, `tables`, `multipart`
    """
    content_type = call.headers.get("content-type", "")
    media_type = read_media_type(content_type, ACCEPTED_TYPES.get(type(contract.preprocessing), ()))
    if media_type == JSON:
        return read_json_items(call.body, contract)
    if media_type == CSV:
        return _table(call.body, contract)
    if media_type == MULTIPART:
        return _files(call.body, content_type, contract)
    if media_type in _KIND_BY_TYPE:
        _check_declared(call.body, media_type, field="image")
    return MediaItems([call.body])


def _table(body: bytes, contract: ModelContract) -> MediaItems:
    from lambent.contracts.tables import ROWS, read_rows

    columns = contract.preprocessing.columns if isinstance(contract.preprocessing, TabularPreprocessing) else ()
    return MediaItems(read_rows(body, columns, max_rows=contract.limits.max_rows), ROWS)


def _files(body: bytes, content_type: str, contract: ModelContract) -> MediaItems:
    from lambent.contracts.multipart import read_files

    files = read_files(body, content_type, max_files=contract.limits.max_rows)
    for index, file in enumerate(files):
        _check_declared(file.body, file.media_type, field=f"images[{index}]")
    return MediaItems([file.body for file in files], "images")


def _check_declared(body: bytes, media_type: str, *, field: str) -> None:
    """Hold a picture to its declared type; one that is no picture at all is the preprocessing's to refuse."""
    from lambent.domain.preprocessing.image_kinds import ACCEPTED_KINDS, image_kind

    declared, kind = _KIND_BY_TYPE.get(media_type), image_kind(body)
    if declared is not None and kind in ACCEPTED_KINDS and kind != declared:
        raise ImageFormatUnsupported(
            f"The picture is declared as {media_type}, but it is a {kind}; declare what it is.",
            field=field,
            limit=declared,
            got=kind,
        )


def _prepare(sent: MediaItems, served: ServedModel) -> list[Mapping[str, Array]]:
    if sent.field is None:
        return [served.preprocessor.prepare(sent.items[0])]
    return [*prepare_all(served.preprocessor, sent.items, field=sent.field)]


def _top_k(query: Mapping[str, str]) -> int:
    for name in query:
        if name != TOP_K:
            raise FieldNotAllowed(
                f"The only query parameter is {TOP_K}; leave the others out.", field=shown_name(name), limit=[TOP_K]
            )
    text = query.get(TOP_K, str(_DEFAULT_TOP_K))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _MAX_TOP_K:
        raise RequestInvalid(f"{TOP_K} is a whole number from 1 to {_MAX_TOP_K}.", field=TOP_K, limit=_MAX_TOP_K)
    return int(text)
