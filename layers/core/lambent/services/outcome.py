"""The one visible outcome of an upload: a result object or an error object, never both."""

from __future__ import annotations

from typing import Any

import orjson

from lambent.errors import LambentError, SourceChanged, SourceGone
from lambent.ports import ObjectStore

_JSON = "application/json"


def write_result(data: ObjectStore, stem: str, result: dict[str, Any]) -> None:
    """Write ``{stem}.json``; an error object that an earlier upload of the same name left is removed.

    ``result`` may hold NumPy's arrays, which become lists.
    """
    data.write(f"{stem}.json", orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY), content_type=_JSON)
    data.delete(f"{stem}.error.json")


def has_result(data: ObjectStore, stem: str, *, source_etag: str) -> bool:
    """Return whether these bytes have a result; with an empty etag, whether there is one at all."""
    try:
        result = orjson.loads(data.read(f"{stem}.json").body)
    except SourceGone:
        return False
    return source_etag in ("", result.get("source_etag"))


def write_failure(data: ObjectStore, stem: str, error: LambentError, *, source_name: str, source_etag: str) -> None:
    """Write ``{stem}.error.json``, and remove the result that an earlier upload of the same name left.

    An upload that was overwritten or deleted meanwhile leaves any outcome alone: it is its successor's, or its own
    from an earlier delivery of the same event.
    """
    body = orjson.dumps({"source": source_name, "source_etag": source_etag, **error.to_dict()})
    if isinstance(error, SourceChanged | SourceGone):
        if data.etag(f"{stem}.json") is None:
            data.write_once(f"{stem}.error.json", body, content_type=_JSON)
        return
    data.write(f"{stem}.error.json", body, content_type=_JSON)
    data.delete(f"{stem}.json")
