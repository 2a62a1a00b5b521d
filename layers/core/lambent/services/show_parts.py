"""GET /jobs/{id}/results: the finished parts of a batch, as addresses or as the results themselves."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.contracts.job_views import PartView, ResultPage
from lambent.contracts.paging import make_cursor, read_cursor, read_limit
from lambent.errors import NotAcceptable, ResultNotFound, SourceGone
from lambent.ports import JobStore, LinkMaker, ObjectStore
from lambent.services.job_files import JobFiles, find_batch
from lambent.services.read_lines import LinePlace, check_line_fits, parse_place, read_whole_lines
from lambent.services.refer_answer import LINK_S


@dataclass(frozen=True)
class ResultLines:
    """Results as JSON Lines; ``next_cursor`` is None after the last one of a job that has ended."""

    body: bytes
    state: str
    next_cursor: str | None


class ShowPartsService:
    """Reads results of one tenant's batches."""

    def __init__(self, *, jobs: JobStore, data: ObjectStore, links: LinkMaker, max_answer_bytes: int) -> None:
        self._jobs = jobs
        self._data = data
        self._links = links
        self._max_answer_bytes = max_answer_bytes

    def page(self, tenant: str, job_id: str, *, limit: str | None, cursor: str | None) -> ResultPage:
        """Return addresses of finished parts, in the order of their shards.

        Raises
        ------
        JobNotFound      no such job; another tenant's id answers exactly so
        ResultNotFound   the job is a call
        CursorInvalid    a limit out of its range, or a cursor that this list did not give
        Unavailable
        """
        files = JobFiles(find_batch(self._jobs, tenant, job_id), self._data)
        scope = f"{tenant}/jobs/{job_id}/parts"
        most = read_limit(limit)
        first = parse_place(read_cursor(cursor, scope)).shard if cursor is not None else 0
        rest = [shard for shard in files.shards_with_part if shard >= first]
        return ResultPage(
            state=files.job.state.value,
            expires_s=LINK_S,
            parts=[self._part(files, shard) for shard in rest[:most]],
            next_cursor=make_cursor(str(LinePlace(rest[most])), scope) if len(rest) > most else None,
        )

    def lines(self, tenant: str, job_id: str, *, cursor: str | None) -> ResultLines:
        """Return the results themselves, in the order of the items, as many as fit into an answer.

        They end before the first shard that is not finished; while the job goes on, the cursor of that place is
        returned, and what it gives later begins there. What a job that was stopped has not finished is passed over.

        Raises
        ------
        JobNotFound, CursorInvalid, Unavailable   as `page`
        NotAcceptable                             the parts are Parquet files
        PayloadTooLarge                           the next line is longer than an answer
        ResultNotFound                            the job is a call, or its parts have expired
        """
        files = JobFiles(find_batch(self._jobs, tenant, job_id), self._data)
        if files.output.format == "parquet":
            raise NotAcceptable(
                "The results of this job are Parquet files: ask for application/json, which gives their addresses.",
                field="Accept",
                limit=["application/json"],
            )
        scope = f"{tenant}/jobs/{job_id}/lines"
        place = parse_place(read_cursor(cursor, scope)) if cursor is not None else LinePlace()
        body, place = self._read(files, place)
        has_more = files.next_part(place.shard) is not None or not files.job.state.is_terminal
        return ResultLines(body, files.job.state.value, make_cursor(str(place), scope) if has_more else None)

    def _read(self, files: JobFiles, place: LinePlace) -> tuple[bytes, LinePlace]:
        """Return lines from a place on, and the place behind them."""
        body = bytearray()
        while (shard := files.next_part(place.shard)) is not None:
            if shard != place.shard:
                place = LinePlace(shard)
            left = self._max_answer_bytes - len(body)
            try:
                lines = read_whole_lines(
                    self._data, files.part_key(shard), place.offset, max_bytes=left, is_gzip=files.is_gzip
                )
            except SourceGone as exc:
                raise ResultNotFound("The results of this job have expired.", field="id") from exc
            if not body:
                check_line_fits(lines, max_bytes=self._max_answer_bytes)
            body += lines.body
            if not lines.is_end:
                return bytes(body), LinePlace(shard, place.offset + len(lines.body))
            place = LinePlace(shard + 1)
        return bytes(body), place

    def _part(self, files: JobFiles, shard: int) -> PartView:
        progress = files.progress.get(shard)
        url = self._links.read_link(
            files.part_key(shard), content_type=files.content_type, content_encoding=None, expires_s=LINK_S
        )
        return PartView(
            shard=shard,
            lines=None if progress is None else progress.done + progress.failed,
            size_bytes=None if progress is None else progress.part_bytes,
            sha256=None if progress is None else progress.part_sha256,
            content_type=files.content_type,
            url=url,
        )
