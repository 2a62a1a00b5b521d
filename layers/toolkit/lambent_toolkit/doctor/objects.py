"""Objects of the data bucket, put there and taken away by a check."""

from __future__ import annotations

from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.stacks.errors import RightMissing, telling_aws_errors


class DataObjects:
    """The data bucket of a stack; methods may raise StackError."""

    def __init__(self, patient: Patient) -> None:
        self._client = patient.client("s3")
        self._bucket = patient.stack.buckets["data"]

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        """Write an object."""
        with telling_aws_errors():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def first(self, *keys: str) -> bytes | None:
        """Return the body of the first of these objects that is there."""
        for key in keys:
            with telling_aws_errors():
                try:
                    return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
                except self._client.exceptions.NoSuchKey:
                    continue
        return None

    def remove(self, *keys: str) -> str:
        """Remove objects; return an empty text, or what stays because the right is missing, for what is told."""
        try:
            for key in keys:
                with telling_aws_errors():
                    self._client.delete_object(Bucket=self._bucket, Key=key)
        except RightMissing:
            return f"; {keys[0]} stays until it expires, since these credentials may not delete"
        return ""
