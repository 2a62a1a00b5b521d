"""GET /jobs/{id}/errors: which items of a batch failed, where they stand in the input, and why."""

from __future__ import annotations

from lambent.contracts.job_views import ErrorPage
from lambent.contracts.lines import decode_lines
from lambent.contracts.paging import make_cursor, read_cursor, read_limit
from lambent.errors import ResultNotFound, SourceGone
from lambent.ports import JobStore, ObjectStore
from lambent.services.job_files import JobFiles, find_batch
from lambent.services.read_lines import LinePlace, check_line_fits, parse_place, read_whole_lines


class ShowErrorsService:
    """Reads errors of one tenant's batches."""

    def __init__(self, *, jobs: JobStore, data: ObjectStore, max_answer_bytes: int) -> None:
        self._jobs = jobs
        self._data = data
        # The lines are encoded anew, and stand in an array with a comma between them.
        self._max_bytes = max_answer_bytes // 2

    def page(self, tenant: str, job_id: str, *, limit: str | None, cursor: str | None) -> ErrorPage:
        """Return errors of finished shards, in the order of shards and items.

        Raises
        ------
        JobNotFound       no such job; another tenant's id answers exactly so
        ResultNotFound    the job is a call, or its errors have expired
        CursorInvalid     a limit out of its range, or a cursor that this list did not give
        PayloadTooLarge   the next error is longer than an answer
        Unavailable
        """
        files = JobFiles(find_batch(self._jobs, tenant, job_id), self._data)
        scope = f"{tenant}/jobs/{job_id}/errors"
        most = read_limit(limit)
        place = parse_place(read_cursor(cursor, scope)) if cursor is not None else LinePlace()
        lines, rest = self._read(files, place, most)
        next_cursor = make_cursor(str(rest), scope) if rest is not None else None
        return ErrorPage(state=files.job.state.value, errors=decode_lines(b"".join(lines)), next_cursor=next_cursor)

    def _read(self, files: JobFiles, place: LinePlace, most: int) -> tuple[list[bytes], LinePlace | None]:
        """Return at most so many lines from a place on, and where the next one is, if there is one."""
        found: list[bytes] = []
        left = self._max_bytes
        for shard in files.shards_with_errors:
            if shard < place.shard:
                continue
            begin = place.offset if shard == place.shard else 0
            if len(found) == most:
                return found, LinePlace(shard, begin)
            try:
                lines = read_whole_lines(self._data, files.errors_key(shard), begin, max_bytes=left)
            except SourceGone as exc:
                raise ResultNotFound("The errors of this job have expired.", field="id") from exc
            if not found:
                check_line_fits(lines, max_bytes=self._max_bytes)
            taken = lines.body.splitlines(keepends=True)[: most - len(found)]
            found += taken
            size_bytes = sum(map(len, taken))
            left -= size_bytes
            if size_bytes < len(lines.body) or not lines.is_end:
                return found, LinePlace(shard, begin + size_bytes)
        return found, None
