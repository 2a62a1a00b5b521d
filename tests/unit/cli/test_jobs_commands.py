"""`lambent jobs`: what is sent to the HTTP door, what a person sees of the answers, and how a command ends."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from lambent.errors import JobNotFound, Unavailable
from lambent_toolkit.cli import jobs, jobs_show
from lambent_toolkit.cli.main import app
from lambent_toolkit.jobs.client import JobsClient
from lambent_toolkit.jobs.inputs import batch_input
from lambent_toolkit.jobs.request import batch_request
from lambent_toolkit.jobs.results import result_lines
from lambent_toolkit.jobs.watching import job_until_its_end
from lambent_toolkit.modelkit.errors import InputUnusable, ServiceUnreachable
from lambent_toolkit.stacks import Door

MAKE_CLIENT = JobsClient.__init__
NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
JOB: dict[str, Any] = {
    "id": "nightly-1",
    "kind": "batch",
    "state": "RUNNING",
    "model": "digits",
    "version": "3",
    "lane": "cpu",
    "output": {"format": "jsonl", "compression": "none", "order": "item"},
    "priority": 5,
    "deadline": None,
    "parent": None,
    "total": 5000,
    "done": 1230,
    "failed": 4,
    "rate": 83.4,
    "eta_s": 45.2,
    "estimated_end": "2026-11-27T08:00:45.200Z",
    "waiting": None,
    "shard_counts": {"waiting": 147, "running": 3, "finished": 50},
    "shards": [],
    "created_at": "2026-11-27T07:59:00.000Z",
    "updated_at": "2026-11-27T08:01:05.000Z",
    "why": "5000 items",
    "error": None,
    "result": None,
    "notification": None,
}
ENDED = {**JOB, "state": "PARTIAL", "done": 4996, "rate": None, "eta_s": None, "estimated_end": None}
WAITING = {
    **JOB,
    "state": "PLANNED",
    "done": 0,
    "failed": 0,
    "rate": None,
    "waiting": {"code": "behind_jobs", "detail": "The job waits for its turn in the GPU lane: 2 jobs ahead of it."},
}
BROKEN = {"id": "i17", "line": 18, "code": "image_corrupt", "detail": "The image [bold]cannot[/] be decoded."}


class FakeDoor:
    """Answers in turn by method and path, the last one again and again; remembers what was asked."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        verb = request.url.path.rpartition("/")[2] if request.url.path.count("/") > 2 else request.url.path[1:5]
        answers = self.answers[f"{request.method.lower()}_{verb.replace('jobs', 'job')}"]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def client(self) -> JobsClient:
        return JobsClient(Door("http://door", "secret"), transport=httpx.MockTransport(self))


@pytest.mark.parametrize("content", [b"<html>sign in</html>", b"[1]", b""])
def test_an_answer_that_is_none_of_lambent_is_told(content: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))

    with JobsClient(Door("http://door", "k"), transport=transport) as client, pytest.raises(ServiceUnreachable):
        client.show("a")


def refusal(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": f"It is {code}.", "field": "id", "error": "x"})


@pytest.fixture
def at_door(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Callable[[FakeDoor], None]:
    """Let the commands talk to a door that answers in this process."""

    def open_door(door: FakeDoor) -> None:
        monkeypatch.setattr(
            JobsClient, "__init__", lambda self, where: MAKE_CLIENT(self, where, transport=httpx.MockTransport(door))
        )
        monkeypatch.chdir(tmp_path_factory.mktemp("without-a-stack"))
        monkeypatch.setenv("LAMBENT_URL", "http://door/")
        monkeypatch.setenv("LAMBENT_API_KEY", "secret")

    return open_door


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["jobs", *words])
    return result.exit_code, result.stdout, result.stderr


def shown(what: Any, *, width: int = 80) -> str:
    log = StringIO()
    console = Console(file=log, width=width, force_terminal=False, highlight=False)
    console.print(what)
    return log.getvalue()


def test_a_request_says_what_was_asked_for_and_nothing_else() -> None:
    plain_output = {"format": "jsonl", "compression": "none"}
    plain = batch_request(
        None, "my_model", {"uri": "s3://b/x.csv"}, output=plain_output, now=NOW, lane="auto", order="item", version=None
    )
    full = batch_request(
        "j",
        "m",
        {"prefix": "s3://b/x/"},
        output={"format": "parquet", "compression": "none"},
        now=NOW,
        lane="gpu",
        order="produced",
        label="live",
        priority=0,
        deadline="90m",
        webhook="https://example.org/h",
    )

    assert re.fullmatch(r"my-model-20261127-080000-[0-9a-f]{4}", plain.pop("id"))
    assert plain == {"schema_version": 1, "model": "my_model", "input": {"uri": "s3://b/x.csv"}, "lane": "auto"}
    assert full == {
        "schema_version": 1,
        "id": "j",
        "model": "m",
        "input": {"prefix": "s3://b/x/"},
        "lane": "gpu",
        "label": "live",
        "priority": 0,
        "deadline": "2026-11-27T09:30:00Z",
        "notification": {"webhook": {"url": "https://example.org/h"}},
        "output": {"format": "parquet", "compression": "none", "order": "produced"},
    }


def test_a_local_file_is_uploaded_by_a_grant_and_the_bucket_never_sees_the_key(tmp_path: Path) -> None:
    file = tmp_path / "my items (1).jsonl"
    file.write_bytes(b'{"id":"a","text":"x"}\n')
    form = {"url": "http://bucket/form", "fields": {"key": "k", "policy": "p"}, "file_field": "file"}
    door = FakeDoor(post_inpu=[{"uri": "s3://b/inputs/t/x.jsonl", "upload": form}], post_form=[httpx.Response(204)])

    found = batch_input(door.client(), str(file))

    grant, upload = door.asked
    assert found == {"uri": "s3://b/inputs/t/x.jsonl"}
    assert json.loads(grant.content)["name"] == "my-items--1-.jsonl"
    assert json.loads(grant.content)["size_bytes"] == 22
    assert (grant.headers["x-api-key"], "x-api-key" in upload.headers) == ("secret", False)
    assert upload.content.index(b"policy") < upload.content.index(b'{"id":"a"')


def test_a_folder_is_one_zip_that_is_the_same_every_time_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for name in ("b/2.png", "a.png", ".DS_Store", ".git/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    seen = []

    class Keeper(JobsClient):
        def upload_input(self, path: Path, *, name: str, content_type: str, sha256: str) -> str:
            with ZipFile(path) as packed:
                seen.append((name, content_type, sha256, packed.namelist()))
            return "s3://b/i.zip"

    client = Keeper(Door("http://door", "k"), transport=httpx.MockTransport(FakeDoor()))
    for _ in range(2):
        assert batch_input(client, str(folder)) == {"uri": "s3://b/i.zip"}

    assert seen[0] == seen[1]
    assert (seen[0][0], seen[0][1], seen[0][3]) == ("pictures.zip", "application/zip", ["a.png", "b/2.png"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.csv", "does not exist"),
        ("x.txt", "is no input"),
        ("empty.csv", "is empty"),
        ("dir", "has no files"),
        ("odd", r"names that are not UTF-8.* b/caf\\udce9\.png\. Rename"),
    ],
)
def test_what_cannot_be_an_input_is_told_before_anything_is_sent(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "odd/b").mkdir(parents=True)
    (tmp_path / "odd/a.png").touch()
    Path(os.fsdecode(bytes(tmp_path) + b"/odd/b/caf\xe9.png")).touch()
    door = FakeDoor()

    with pytest.raises(InputUnusable, match=why):
        batch_input(door.client(), str(tmp_path / name))
    assert door.asked == []


def test_addresses_go_as_they_are() -> None:
    client = FakeDoor().client()

    assert batch_input(client, "s3://b/inputs/t/x.csv") == {"uri": "s3://b/inputs/t/x.csv"}
    assert batch_input(client, "s3://b/inputs/t/x/") == {"prefix": "s3://b/inputs/t/x/"}


def test_the_api_s_errors_are_raised_as_its_own_and_others_as_what_they_are() -> None:
    proxy = httpx.Response(502, text="<html>bad gateway")
    door = FakeDoor(get_job=[refusal(404, "job_not_found"), proxy, httpx.ConnectError("refused")])
    client = door.client()

    with pytest.raises(JobNotFound, match="It is job_not_found"):
        client.show("x")
    with pytest.raises(ServiceUnreachable, match="HTTP 502, and not as Lambent does"):
        client.show("x")
    with pytest.raises(ServiceUnreachable, match="did not answer: refused"):
        client.show("x")


def test_watching_outlives_short_failures_and_gives_up_after_ten() -> None:
    down = httpx.ConnectError("down")
    busy = refusal(503, "unavailable")
    door = FakeDoor(get_job=[JOB, down, busy, down, ENDED])
    pauses: list[float] = []

    states = [job["state"] for job in job_until_its_end(door.client(), "x", every_s=2.0, pause=pauses.append)]

    assert states == ["RUNNING", "PARTIAL"]
    assert pauses == [2.0] * 4
    lost = FakeDoor(get_job=[busy])
    with pytest.raises(Unavailable):
        list(job_until_its_end(lost.client(), "x", every_s=0, pause=pauses.append))
    assert len(lost.asked) == 10


def test_a_job_of_ten_thousand_shards_is_looked_at_less_often() -> None:
    large = {**JOB, "shard_counts": {"waiting": 9_000, "running": 10, "finished": 990}}
    door = FakeDoor(get_job=[large, ENDED])
    pauses: list[float] = []

    list(job_until_its_end(door.client(), "x", every_s=1.0, pause=pauses.append))

    assert pauses == [10.0]


def test_results_of_a_running_job_are_followed_only_if_asked_for() -> None:
    def door() -> FakeDoor:
        def lines(body: bytes, cursor: str | None) -> httpx.Response:
            return httpx.Response(200, content=body, headers={"Lambent-Next-Cursor": cursor} if cursor else {})

        return FakeDoor(get_results=[lines(b"1\n", "a"), lines(b"", "a"), lines(b"2\n", None)])

    now = list(result_lines(door().client(), "x", is_followed=False, pause=lambda _: None))
    all_of_it = list(result_lines(door().client(), "x", is_followed=True, pause=lambda _: None))

    assert (now, all_of_it) == ([b"1\n"], [b"1\n", b"2\n"])


def test_watch_tells_each_change_on_a_line_and_how_it_ended_by_its_exit_code(at_door) -> None:
    later = {**JOB, "done": 2000, "shard_counts": {"waiting": 100, "running": 3, "finished": 97}}
    door = FakeDoor(
        get_job=[WAITING, WAITING, JOB, JOB, later, ENDED], get_errors=[{"state": "PARTIAL", "errors": [BROKEN]}]
    )
    at_door(door)

    code, told, _ = run("watch", "nightly-1", "--every", "0.2")

    lines = told.splitlines()
    assert code == 101
    assert [line.split()[0] for line in lines[:4]] == ["PLANNED", "RUNNING", "RUNNING", "PARTIAL"]
    assert "waiting: The job waits for its turn in the GPU lane: 2 jobs ahead of it." in lines[0]
    assert "1,234/5,000 items  4 failed  83.4 items/s, about 45 s left, until 08:00:45Z  shards 50/200" in lines[1]
    assert "! job nightly-1 PARTIAL in 2 min 5 s: 4,996 of 5,000 items have a result, 4 failed" in told
    assert "18  i17   image_corrupt  The image [bold]cannot[/] be decoded." in told
    assert "… and 3 more" in told
    assert "lambent jobs retry nightly-1" in told


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 100), ("CANCELLED", 102)])
def test_each_end_has_its_exit_code(at_door, state: str, code: int) -> None:
    at_door(FakeDoor(get_job=[{**ENDED, "state": state, "failed": 0}]))

    assert run("watch", "nightly-1")[0] == code


def test_a_job_that_failed_as_a_whole_says_why_with_the_lines_of_its_input(at_door) -> None:
    error = {"code": "manifest_invalid", "detail": "2 lines are not valid.", "errors": [{"line": 7, "detail": "no id"}]}
    at_door(FakeDoor(get_job=[{**ENDED, "state": "FAILED", "total": None, "done": 0, "failed": 0, "error": error}]))

    code, told, _ = run("watch", "nightly-1")

    assert code == 100
    assert "2 lines are not valid. (manifest_invalid)" in told
    assert "line 7: no id" in told


def test_the_live_view_fits_eighty_columns_and_says_why_a_job_waits() -> None:
    running, waiting = shown(jobs_show.progress_view(JOB)), shown(jobs_show.progress_view(WAITING))

    assert all(len(line) <= 80 for line in (running + waiting).splitlines())
    assert running.splitlines()[0].rstrip() == "job nightly-1  digits@3  cpu lane  priority 5"
    assert "1,234 of 5,000 24.7%" in running
    assert "done 1,230   failed 4   83.4 items/s   about 45 s left, until 08:00:45Z" in running
    assert "shards: 50 finished, 3 running, 147 waiting" in running
    assert "waiting (behind_jobs): The job waits for its turn" in waiting


def test_show_and_list_tell_a_job_in_words_or_as_json(at_door) -> None:
    entry = {**ENDED, "done": 4996}
    at_door(FakeDoor(get_job=[WAITING, WAITING, {"jobs": [entry], "next_cursor": "c"}, {"jobs": [entry]}]))

    shown_job, as_json, listed = (
        run(*words)[1] for words in (("show", "nightly-1"), ("show", "nightly-1", "--json"), ("list", "-n", "2"))
    )

    assert "2 jobs ahead of it. (behind_jobs)" in shown_job
    assert json.loads(as_json) == WAITING
    assert listed.count("nightly-1  PARTIAL  digits@3  cpu   5,000       4  2026-11-27 07:59:00Z") == 2


def test_submit_prints_the_id_alone_for_scripts_and_sends_every_option(at_door) -> None:
    door = FakeDoor(post_job=[{**JOB, "state": "QUEUED"}])
    at_door(door)

    code, told, _ = run(
        "submit", "s3://b/inputs/t/x.csv", "-m", "digits", "--id", "nightly-1", "--id-column", "name",
        "--format", "csv", "--priority", "9", "--gzip", "--as-produced",
    )  # fmt: skip

    assert (code, told) == (0, "nightly-1\n")
    sent = json.loads(door.asked[0].content)
    assert sent["input"] == {"uri": "s3://b/inputs/t/x.csv", "format": "csv", "id_column": "name"}
    assert sent["output"] == {"format": "jsonl", "compression": "gzip", "order": "produced"}
    assert sent["priority"] == 9


def test_a_refusal_is_one_line_with_its_code_and_exit_20(at_door) -> None:
    at_door(FakeDoor(delete_job=[refusal(409, "job_has_ended")]))

    code, told, error = run("cancel", "nightly-1")

    assert (code, told) == (20, "")
    assert "It is job_has_ended. (job_has_ended)" in error


def test_changes_tell_what_the_job_is_now(at_door) -> None:
    door = FakeDoor(
        delete_job=[{**ENDED, "state": "CANCELLED"}],
        post_retry=[{**JOB, "id": "again"}],
        post_priority=[{**JOB, "priority": 9}],
    )
    at_door(door)

    assert "job nightly-1 is CANCELLED: 4996 of 5000 items have a result." in run("cancel", "nightly-1")[1]
    assert run("retry", "nightly-1")[1] == "again\n"
    assert "job nightly-1 has priority 9 now." in run("priority", "nightly-1", "9")[1]
    assert json.loads(door.asked[-1].content) == {"priority": 9}


def test_results_are_whole_in_their_file_or_not_there(at_door, tmp_path: Path) -> None:
    lines = httpx.Response(200, content=b'{"id":"a"}\n{"id":"b"}\n')
    out = tmp_path / "out.jsonl"
    at_door(FakeDoor(get_results=[lines]))
    assert "2 lines in" in run("results", "nightly-1", "-o", str(out))[1]
    part = httpx.Response(200, content=b"x\n", headers={"Lambent-Next-Cursor": "c"})
    at_door(FakeDoor(get_results=[part, refusal(404, "result_not_found")]))
    assert run("results", "nightly-1", "-o", str(out))[0] == 20

    assert out.read_bytes() == b'{"id":"a"}\n{"id":"b"}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_parts_are_saved_as_they_are_stored_and_a_damaged_one_is_not(at_door, tmp_path: Path) -> None:
    from hashlib import sha256

    body = b"PAR1"
    part = {"shard": 0, "lines": 3, "size_bytes": 4, "sha256": sha256(body).hexdigest(), "content_type": "x"}
    page = {
        "state": "SUCCEEDED",
        "expires_s": 900,
        "parts": [{**part, "url": "http://bucket/a/b/part-00000.parquet?X=1"}],
    }
    damaged = httpx.Response(200, content=b"PAR2")
    door = FakeDoor(**{"get_results": [page], "get_part-00000.parquet": [damaged, httpx.Response(200, content=body)]})
    at_door(door)

    first = run("results", "nightly-1", "--parts", str(tmp_path / "p"))
    left = list((tmp_path / "p").iterdir())
    second = run("results", "nightly-1", "--parts", str(tmp_path / "p"))

    assert (first[0], left) == (96, [])
    assert "came damaged" in first[2]
    assert (second[0], (tmp_path / "p/part-00000.parquet").read_bytes()) == (0, body)


def test_parquet_results_tell_how_they_are_saved(at_door) -> None:
    at_door(FakeDoor(get_results=[refusal(406, "not_acceptable")]))

    code, told, error = run("results", "nightly-1")

    assert (code, told) == (20, "")
    assert "lambent jobs results nightly-1 --parts FOLDER" in error


def test_what_is_proposed_after_a_parquet_job_works(at_door) -> None:
    output = {"format": "parquet", "compression": "none", "order": "item"}
    at_door(FakeDoor(get_job=[{**ENDED, "state": "SUCCEEDED", "failed": 0, "output": output}]))

    assert "Next: lambent jobs results nightly-1 --parts nightly-1" in run("watch", "nightly-1")[1]


def test_ctrl_c_ends_the_watching_with_130(at_door, monkeypatch: pytest.MonkeyPatch) -> None:
    at_door(FakeDoor(get_job=[JOB]))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lambent_toolkit.jobs.watching.sleep", interrupt)
    monkeypatch.setattr(job_until_its_end, "__kwdefaults__", {"pause": interrupt})

    assert run("watch", "nightly-1")[0] == 130


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 5 s"), (7_260, "2 h 1 min"), (180_000, "2 d 2 h")]
)
def test_spans_are_told_in_their_two_largest_units(seconds: float, words: str) -> None:
    assert jobs_show.span_of(seconds) == words


def test_every_command_of_the_group_has_help() -> None:
    for command in jobs.jobs_app.registered_commands:
        assert command.callback is not None
        assert command.callback.__doc__
