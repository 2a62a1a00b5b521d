"""No lock pins what is known to be vulnerable, and a check that could not look says so instead of passing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.advisories.__main__ import COULD_NOT_LOOK, VULNERABLE, main
from lambent_toolkit.advisories.pins import Pin, read_pins
from lambent_toolkit.advisories.record import RECORD, problems, read_record

ROOT = Path(__file__).parents[2]
Repository = Callable[..., Path]


def record_of(**packages: Any) -> dict[str, Any]:
    sources = {"read": {"dated": "2026-11-30", "what": "a test"}}
    return {"sources": sources, "packages": packages, "accepted": []}


def look(*versions: str, findings: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"versions": list(versions), "source": "read", "findings": list(findings)}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a maker of repositories of one lock and one record."""

    def make(lock: str | bytes, record: dict[str, Any] | bytes) -> Path:
        (tmp_path / RECORD).parent.mkdir(parents=True)
        (tmp_path / "requirements-dev.txt").write_bytes(lock if isinstance(lock, bytes) else lock.encode())
        (tmp_path / RECORD).write_bytes(record if isinstance(record, bytes) else json.dumps(record).encode())
        return tmp_path

    return make


def advisory(name: str, *events: dict[str, str], versions: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}] if events else [],
        "versions": list(versions),
    }
    return {"id": f"TEST-{name}", "affected": [affected], **more}


def test_nothing_is_known_against_any_lock_of_this_repository_that_is_not_accepted_with_a_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["--root", str(ROOT)])

    assert code == 0, capsys.readouterr().err


def test_every_file_of_this_repository_that_pins_hashes_is_read_as_a_lock() -> None:
    folders = [ROOT / name for name in ("functions", "layers", "tests")]
    texts = [*ROOT.glob("*.txt"), *(path for folder in folders for path in folder.rglob("*.txt"))]

    hashed = {path.relative_to(ROOT).as_posix() for path in texts if b"--hash=sha256" in path.read_bytes()}

    assert {pin.lock for pin in read_pins(ROOT)} == hashed


@pytest.mark.parametrize("lock", sorted({pin.lock for pin in read_pins(ROOT)}))
def test_an_old_pillow_planted_into_any_lock_is_found(lock: str) -> None:
    planted = Pin("pillow", "12.1.0", lock)

    told = problems([*read_pins(ROOT), planted], read_record(ROOT / RECORD))

    assert [each for each in told if each.startswith(f"{lock}: pillow 12.1.0 has PYSEC-2026-2253, mended in 12.3.0")]


def test_check_and_test_of_the_makefile_run_the_audit() -> None:
    rules = dict(re.findall(r"^(check|test|audit): (.*?)(?: ##.*)?$", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert "audit" in rules["check"].split()
    assert "audit" in rules["test"].split()
    assert rules.keys() == {"check", "test", "audit"}


def test_the_program_that_make_runs_ends_with_what_it_found(repository: Repository) -> None:
    root = repository("safe==1.0\n", record_of())

    done = subprocess.run(
        [sys.executable, "-m", "lambent_toolkit.advisories", "--root", root],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == VULNERABLE
    assert done.stderr.startswith("requirements-dev.txt: safe 1.0 was looked up nowhere")


@pytest.mark.parametrize("version", ["1.0", "1.4.9", "1.5rc1"])
def test_a_version_before_the_one_that_mends_a_finding_is_refused(
    repository: Repository, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    findings = ({"id": "TEST-1", "fixed": "1.5", "introduced": "1.0"},)
    root = repository(f"weak=={version}\n", record_of(weak=look(version, findings=findings)))

    code = main(["--root", str(root)])

    assert code == VULNERABLE
    assert f"weak {version} has TEST-1, mended in 1.5" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["0.9", "1.5", "1.10"])
def test_versions_that_a_finding_does_not_speak_of_pass(repository: Repository, version: str) -> None:
    findings = ({"id": "TEST-1", "fixed": "1.5", "introduced": "1.0"},)
    root = repository(f"weak=={version}\n", record_of(weak=look(version, findings=findings)))

    assert main(["--root", str(root)]) == 0


@pytest.mark.parametrize(
    ("lock", "told"),
    [
        ("safe==1.0\nunknown==1.0\n", "unknown 1.0 was looked up nowhere"),
        ("safe==1.1\n", "safe 1.1 was looked up nowhere"),
        ('safe==1.1 ; python_version < "3.12"\nsafe==1.0\n', "safe 1.1 was looked up nowhere"),
    ],
    ids=["a package", "a version", "a version for one Python"],
)
def test_what_nobody_looked_at_does_not_pass(
    repository: Repository, capsys: pytest.CaptureFixture[str], lock: str, told: str
) -> None:
    root = repository(lock, record_of(safe=look("1.0")))

    code = main(["--root", str(root)])

    assert code == VULNERABLE
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "lock",
    [
        b"",
        b"# nothing\n",
        b"\xff\xfe",
        b"safe>=1.0\n",
        b"safe==1.*\n",
        b"safe\n",
        b"safe @ https://example.com/safe.whl\n",
        b"-r other.txt\n",
    ],
)
def test_a_lock_that_cannot_be_read_whole_is_no_pass(
    repository: Repository, capsys: pytest.CaptureFixture[str], lock: bytes
) -> None:
    root = repository(lock, record_of(safe=look("1.0")))

    code = main(["--root", str(root)])

    assert code == COULD_NOT_LOOK
    assert "requirements-dev.txt" in capsys.readouterr().err


def test_no_lock_at_all_is_no_pass(repository: Repository) -> None:
    root = repository("safe==1.0\n", record_of(safe=look("1.0")))
    (root / "requirements-dev.txt").unlink()

    assert main(["--root", str(root)]) == COULD_NOT_LOOK


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b'{"sources": {}, "packages": {}}',
        json.dumps({**record_of(safe=look("1.0")), "sources": {}}).encode(),
        json.dumps({**record_of(safe=look("1.0")), "more": 1}).encode(),
        json.dumps(record_of(safe=look("1.0", findings=({"id": "T", "fixed": "no version"},)))).encode(),
    ],
    ids=["empty", "torn", "a list", "a part missing", "unknown source", "unknown field", "bound that is none"],
)
def test_a_record_that_does_not_say_what_it_must_is_no_pass(
    repository: Repository, capsys: pytest.CaptureFixture[str], record: bytes
) -> None:
    root = repository("safe==1.0\n", record)

    code = main(["--root", str(root)])

    assert code == COULD_NOT_LOOK
    assert RECORD in capsys.readouterr().err


def test_a_missing_record_is_no_pass(repository: Repository) -> None:
    root = repository("safe==1.0\n", record_of(safe=look("1.0")))
    (root / RECORD).unlink()

    assert main(["--root", str(root)]) == COULD_NOT_LOOK


def accepted(**changes: Any) -> dict[str, Any]:
    weak = look("1.0", "1.1", findings=({"id": "TEST-1", "fixed": None}, {"id": "TEST-2", "fixed": None}))
    reason = "Nothing of ours reaches the part that it is in, and no release mends it."
    one = {"package": "weak", "version": "1.0", "ids": ["TEST-1", "TEST-2"], "since": "2026-11-30", "reason": reason}
    return {**record_of(weak=weak), "accepted": [{**one, **changes}]}


def test_a_finding_may_be_accepted_with_a_date_and_a_reason(repository: Repository) -> None:
    assert main(["--root", str(repository("weak==1.0\n", accepted()))]) == 0


@pytest.mark.parametrize(
    ("lock", "changes", "code"),
    [
        ("weak==1.1\n", {}, VULNERABLE),
        ("weak==1.0\n", {"ids": ["TEST-1"]}, VULNERABLE),
        ("weak==1.0\n", {"ids": ["TEST-1", "TEST-2", "TEST-3"]}, VULNERABLE),
        ("weak==1.0\n", {"reason": "later"}, COULD_NOT_LOOK),
        ("weak==1.0\n", {"since": "once"}, COULD_NOT_LOOK),
    ],
    ids=["another version", "one finding of two", "one that is not there any more", "no reason", "no date"],
)
def test_what_is_accepted_counts_for_just_that(
    repository: Repository, lock: str, changes: dict[str, Any], code: int
) -> None:
    assert main(["--root", str(repository(lock, accepted(**changes)))]) == code


class Service(BaseHTTPRequestHandler):
    """As much of OSV's API as is asked, a finding a page; what it knows and how it fails is set on the server."""

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        self.answer({"results": [self.page(query) for query in queries][: self.server.answers]})

    def do_GET(self) -> None:
        found = [each for each in self.server.known if self.path == f"/v1/vulns/{each['id']}"]
        self.answer(found[0])

    def page(self, query: dict[str, Any]) -> dict[str, Any]:
        of_it = [
            each for each in self.server.known if each["affected"][0]["package"]["name"] == query["package"]["name"]
        ]
        at = int(query.get("page_token") or 0)
        more = {"next_page_token": str(at + 1)} if at + 1 < len(of_it) else {}
        return {"vulns": [{"id": each["id"]} for each in of_it[at : at + 1]], **more} if of_it else {}

    def answer(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.known, server.status, server.answers = [], 200, 1000
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def asked(root: Path, service: ThreadingHTTPServer) -> int:
    return main(["--root", str(root), "look", "--service", f"http://127.0.0.1:{service.server_port}"])


def test_a_look_at_the_service_finds_all_pages_and_writes_them_down(
    repository: Repository, service: ThreadingHTTPServer
) -> None:
    weak = advisory("weak", {"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.1"})
    service.known = [weak, {**weak, "id": "TEST-weak-2"}]
    root = repository("weak==1.4\nsafe==3.0\n", record_of())

    code = asked(root, service)

    record = read_record(root / RECORD)
    assert code == VULNERABLE
    assert [(each.id, each.fixed) for each in record.packages["weak"].findings] == [
        ("TEST-weak", "1.5"),
        ("TEST-weak-2", "1.5"),
    ]
    assert record.packages["safe"].versions == ["3.0"]


@pytest.mark.parametrize(
    ("status", "answers"), [(503, 1000), (429, 1000), (200, 1)], ids=["503", "429", "answers too few"]
)
def test_a_service_that_does_not_answer_for_every_pin_is_no_pass_and_changes_nothing(
    repository: Repository, service: ThreadingHTTPServer, status: int, answers: int
) -> None:
    service.status, service.answers = status, answers
    root = repository("weak==1.4\nsafe==3.0\n", record_of())
    before = (root / RECORD).read_bytes()

    code = asked(root, service)

    assert code == COULD_NOT_LOOK
    assert (root / RECORD).read_bytes() == before


def test_a_service_that_is_not_there_is_no_pass(repository: Repository, service: ThreadingHTTPServer) -> None:
    service.shutdown()
    service.server_close()

    assert asked(repository("weak==1.4\n", record_of()), service) == COULD_NOT_LOOK


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (advisory("Weak_Name", {"introduced": "0"}, {"fixed": "1.5"}), VULNERABLE),
        (advisory("weak-name", {"introduced": "1.0"}), VULNERABLE),
        (advisory("weak-name", versions=("1.4",)), VULNERABLE),
        (advisory("weak-name", {"introduced": "0"}, {"last_affected": "1.4"}, versions=("1.4",)), VULNERABLE),
        (advisory("weak-name", {"introduced": "0"}, {"fixed": "1.4"}), 0),
        (advisory("weak-name", {"introduced": "1.4.1"}), 0),
        (advisory("weak-name", versions=("1.40",)), 0),
        (advisory("other", {"introduced": "0"}), 0),
        (advisory("weak-name", {"introduced": "0"}, withdrawn="2026-01-01T00:00:00Z"), 0),
    ],
)
def test_a_folder_of_advisories_is_read_as_osv_means_it(
    repository: Repository, tmp_path: Path, told: dict[str, Any], code: int
) -> None:
    root, folder = repository("weak-name==1.4\n", record_of()), tmp_path / "advisories"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps(told))

    assert main(["--root", str(root), "look", "--folder", str(folder), "--dated", "2026-11-30"]) == code


@pytest.mark.parametrize("content", [None, "{", '{"affected": [{}]}', "[]"])
def test_a_folder_that_cannot_be_read_whole_is_no_pass(
    repository: Repository, tmp_path: Path, content: str | None
) -> None:
    root, folder = repository("weak==1.4\n", record_of()), tmp_path / "advisories"
    folder.mkdir()
    if content is not None:
        (folder / "one.json").write_text(content)

    assert main(["--root", str(root), "look", "--folder", str(folder)]) == COULD_NOT_LOOK


def test_a_look_keeps_what_was_known_of_a_package_and_forgets_what_no_lock_has_any_more(
    repository: Repository, service: ThreadingHTTPServer
) -> None:
    finding = {"id": "TEST-1", "fixed": "1.5"}
    root = repository("weak==1.5\n", record_of(weak=look("1.4", findings=(finding,)), gone=look("1.0")))

    code = asked(root, service)

    record = read_record(root / RECORD)
    assert code == 0
    assert {name: each.versions for name, each in record.packages.items()} == {"weak": ["1.5"]}
    assert [each.id for each in record.packages["weak"].findings] == ["TEST-1"]
