"""A client of the HTTP door's jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx

from lambent.errors import restore_error
from lambent_toolkit.modelkit.errors import ServiceUnreachable
from lambent_toolkit.stacks.stack import Door

TERMINAL = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"})
_TIMEOUT_S = 30.0
_UPLOAD_TIMEOUT_S = 600.0
_RETRIES = 3  # of connections that were never made
Json = dict[str, Any]


class JobsClient:
    """The jobs of one key's tenant; a context manager. Methods raise the API's own errors, and ServiceUnreachable."""

    def __init__(self, door: Door, *, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=door.url,
            headers={"x-api-key": door.api_key},
            timeout=_TIMEOUT_S,
            transport=transport or httpx.HTTPTransport(retries=_RETRIES),
        )
        # The bucket takes no key of ours, and must not see it.
        self._store = httpx.Client(timeout=_UPLOAD_TIMEOUT_S, transport=transport)

    def __enter__(self) -> Self:
        """Return this client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._http.close()
        self._store.close()

    def submit(self, request: Json) -> Json:
        """Submit a batch under its id, which makes sending it again harmless."""
        return _json(self._ask("POST", "/jobs", json=request))

    def quote(self, request: Json) -> Json:
        """Return what a batch would take on each lane; nothing is submitted."""
        return _json(self._ask("POST", "/jobs", json=request, params={"dry_run": "true"}))

    def show(self, job_id: str) -> Json:
        """Return a job."""
        return _json(self._ask("GET", f"/jobs/{job_id}"))

    def list(self, *, most: int, **filters: str | None) -> list[Json]:
        """Return at most so many jobs that pass the filters, the newest first."""
        query = {name: value for name, value in filters.items() if value is not None}
        found: list[Json] = []
        cursor: str | None = None
        while len(found) < most:
            page = self._page("/jobs", {**query, "limit": str(min(100, most - len(found)))}, cursor)
            found += page["jobs"]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
        return found[:most]

    def errors(self, job_id: str, *, most: int | None = None) -> Iterator[Json]:
        """Yield failed items with their lines in the input, at most so many."""
        cursor, told = None, 0
        while True:
            page = self._page(f"/jobs/{job_id}/errors", {}, cursor)
            for error in page["errors"]:
                if told == most:
                    return
                told += 1
                yield error
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def parts(self, job_id: str) -> Iterator[Json]:
        """Yield the finished parts with their addresses."""
        cursor = None
        while True:
            page = self._page(f"/jobs/{job_id}/results", {}, cursor)
            yield from page["parts"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def lines(self, job_id: str, cursor: str | None = None) -> tuple[bytes, str | None]:
        """Return results as JSON Lines from a place on, and the cursor of what follows, of a running job later."""
        answer = self._ask(
            "GET",
            f"/jobs/{job_id}/results",
            params={} if cursor is None else {"cursor": cursor},
            headers={"accept": "application/x-ndjson"},
        )
        return answer.content, answer.headers.get("Lambent-Next-Cursor")

    def cancel(self, job_id: str) -> Json:
        """Cancel a job."""
        return _json(self._ask("DELETE", f"/jobs/{job_id}"))

    def retry(self, job_id: str) -> Json:
        """Submit what failed in a job as a job of its own, and return that one."""
        return _json(self._ask("POST", f"/jobs/{job_id}/retry"))

    def set_priority(self, job_id: str, priority: int) -> Json:
        """Change a job's priority."""
        return _json(self._ask("POST", f"/jobs/{job_id}/priority", json={"priority": priority}))

    def upload_input(self, path: Path, *, name: str, content_type: str, sha256: str) -> str:
        """Upload a batch's input by a grant, and return its address."""
        size_bytes = path.stat().st_size
        wanted = {"name": name, "content_type": content_type, "sha256": sha256, "size_bytes": size_bytes}
        grant = _json(self._ask("POST", "/inputs", json=wanted))
        form = grant["upload"]
        with path.open("rb") as file:
            answer = self._send(form["url"], data=form["fields"], files={form["file_field"]: (name, file)})
        if not answer.is_success:  # a redirect has done nothing either
            raise ServiceUnreachable(
                f"The data bucket refused the upload of {path} (HTTP {answer.status_code}); try again."
            )
        return str(grant["uri"])

    def download(self, url: str) -> Iterator[bytes]:
        """Yield the bytes behind a part's address."""
        try:
            with self._store.stream("GET", url) as answer:
                answer.raise_for_status()
                yield from answer.iter_bytes()
        except httpx.HTTPError as exc:
            raise ServiceUnreachable(f"A part of the results could not be read ({exc}); try again.") from exc

    def _page(self, path: str, query: dict[str, str], cursor: str | None) -> Json:
        return _json(self._ask("GET", path, params={**query, **({"cursor": cursor} if cursor is not None else {})}))

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as exc:
            raise ServiceUnreachable(f"{self._http.base_url} did not answer: {exc}. Is the stack running?") from exc
        if not answer.is_success:  # a redirect has done nothing either
            raise _refusal(answer)
        return answer

    def _send(self, url: str, **form: Any) -> httpx.Response:
        try:
            return self._store.post(url, **form)
        except httpx.HTTPError as exc:
            raise ServiceUnreachable(f"The data bucket did not answer: {exc}; try again.") from exc


def _json(answer: httpx.Response) -> Json:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ServiceUnreachable(_strange(answer))
    return cast("Json", found)


def _refusal(answer: httpx.Response) -> Exception:
    """Return the API's error; what has another form comes from something before it, such as a proxy."""
    try:
        fields = answer.json()
        return restore_error({**fields, "code": fields["code"], "detail": fields["detail"]})
    except (ValueError, KeyError, TypeError):
        return ServiceUnreachable(_strange(answer))


def _strange(answer: httpx.Response) -> str:
    return f"{answer.request.url} answered HTTP {answer.status_code}, and not as Lambent does; check the address."
