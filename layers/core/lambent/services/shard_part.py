"""The part of a shard: written once, with the list of its errors before it, and read again to be reported."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from typing import BinaryIO, cast

from lambent.contracts.jobs import Plan
from lambent.contracts.lines import CONTENT_TYPE, decode_lines
from lambent.contracts.parts import GZIP_LEVEL, decode_part, encode_part, part_content_type, part_file
from lambent.domain.names import errors_file, job_key
from lambent.errors import SourceGone
from lambent.ports import ObjectStore
from lambent.services.result_lines import ResultLines, each_error, scratch_file, writing_scratch

_ANY_SIZE = 1 << 50


@dataclass(frozen=True)
class WrittenPart:
    """What lies in the store: how many items have a result in it and how many an error, its size and sha256."""

    done: int
    failed: int
    size_bytes: int
    sha256: str


class ShardPart:
    """The part of one shard; neither writing nor reading it holds it in memory."""

    def __init__(self, data: ObjectStore, plan: Plan, shard: int) -> None:
        self._data = data
        self._plan = plan
        self._key = job_key(plan.tenant, plan.job_id, part_file(shard, plan.output))
        self._errors_key = job_key(plan.tenant, plan.job_id, errors_file(shard))

    def written(self) -> WrittenPart | None:
        """Return what has been written, or None; raises Unavailable."""
        if self._data.etag(self._key) is None:
            return None
        with scratch_file() as file:
            with writing_scratch():
                downloaded = self._data.download(self._key, file, max_bytes=_ANY_SIZE)
            file.seek(0)
            with ResultLines() as lines:
                self._decode(file, lines)
                # Whoever lost the race for the part may have listed errors of its own.
                self.write_errors(lines)
                return WrittenPart(lines.done, lines.failed, downloaded.size_bytes, downloaded.sha256)

    def write_errors(self, lines: ResultLines) -> None:
        """Write the list of items that failed, if any did; raises Unavailable."""
        if not lines.failed:
            return
        with scratch_file() as errors:
            with writing_scratch():
                errors.writelines(each_error(lines.open()))
            errors.seek(0)
            self._data.write(self._errors_key, errors, content_type=CONTENT_TYPE)

    def write(self, lines: ResultLines) -> WrittenPart:
        """Write the part unless there is one; return the one that counts; raises Unavailable."""
        with self._encoded(lines) as file:
            sha256, size_bytes = file_digest(file, "sha256").hexdigest(), file.tell()  # type: ignore[arg-type]
            file.seek(0)
            if self._data.write_once(self._key, file, content_type=part_content_type(self._plan.output)):
                return WrittenPart(lines.done, lines.failed, size_bytes, sha256)
        found = self.written()
        if found is None:
            raise SourceGone("The part was written by another attempt and has been deleted since.")
        return found

    @contextmanager
    def _encoded(self, lines: ResultLines) -> Iterator[BinaryIO]:
        """Lend a file of the part's bytes, at its beginning."""
        if self._plan.output.format == "jsonl" and self._plan.output.compression == "none":
            yield lines.open()
            return
        with scratch_file() as file:
            with writing_scratch():
                self._encode(lines, file)
            file.seek(0)
            yield file

    def _encode(self, lines: ResultLines, file: BinaryIO) -> None:
        if self._plan.output.format == "parquet":
            file.write(encode_part(decode_lines(lines.open().read()), self._plan.output))
            return
        # Without name and time in its header, or the same results would have other bytes every second.
        with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed:
            shutil.copyfileobj(lines.open(), packed)

    def _decode(self, file: BinaryIO, lines: ResultLines) -> None:
        """Add a part's lines."""
        if self._plan.output.format == "parquet":
            lines.add(decode_part(file.read(), self._plan.output))
            return
        is_packed = self._plan.output.compression == "gzip"
        for line in cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb")) if is_packed else file:
            failed = sum(1 for _ in each_error([line]))
            lines.add_encoded(line, done=1 - failed, failed=failed)
