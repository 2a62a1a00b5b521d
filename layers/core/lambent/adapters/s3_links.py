"""LinkMaker on Amazon S3: presigned requests, signed by the function's own role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambent.adapters.aws_errors import translate

_WHAT = "data store"


class S3Links:
    """Links to one bucket; the client must sign by Signature Version 4."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read_link(self, key: str, *, content_type: str, content_encoding: str | None, expires_s: int) -> str:
        """Return the address of an object, answered with these header fields."""
        parameters = {"Bucket": self._bucket, "Key": key, "ResponseContentType": content_type}
        if content_encoding is not None:
            parameters["ResponseContentEncoding"] = content_encoding
        with translate(_WHAT):
            return str(self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s))

    def upload_form(
        self, key: str, *, fields: Mapping[str, str], size_range: tuple[int, int], expires_s: int
    ) -> tuple[str, dict[str, str]]:
        """Return address and fields of a form for one object: this key, these fields, a size in this range."""
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", *size_range])
        with translate(_WHAT):
            form = self._client.generate_presigned_post(
                self._bucket, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=expires_s
            )
        return form["url"], form["fields"]
