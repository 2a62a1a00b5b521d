"""`lambent up`, `status`, `logs` and `down` as a user runs them: readiness, several stacks, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from lambent_toolkit.sandbox.stack_info import StackInfo, is_alive
from patience import PATIENCE_S, wait_for

MACHINERY = Path(__file__).parent / "fixtures" / "machinery"
LAMBENT = Path(sys.executable).with_name("lambent")
STORAGE_FUNCTION_ATTEMPT = 3


def lambent(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LAMBENT, *words], cwd=MACHINERY, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@contextmanager
def running(state: Path, *words: str, errors: int = subprocess.DEVNULL) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `lambent up` in the foreground; give its process and its ready line."""
    command = [LAMBENT, "up", "--port", "0", "--state", str(state), *words]
    process = subprocess.Popen(command, cwd=MACHINERY, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process, process.stdout.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        process.stdout.close()


def processes_of(state: Path) -> list[str]:
    """Return the command lines of all processes that have to do with a state folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if str(state).encode() in environment + command and int(folder.name) != os.getpid():
            found.append(command.replace(b"\0", b" ").decode())
    return found


def children_of(pid: int) -> list[int]:
    stats = ((int(path.parent.name), path) for path in Path("/proc").glob("[0-9]*/stat"))
    found = []
    for child, path in stats:
        with suppress(OSError):  # it ended meanwhile
            found += [child] if int(path.read_text().rpartition(")")[2].split()[1]) == pid else []
    return found


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def busy(info: StackInfo) -> list[int]:
    """Let the stack have a function process and a Batch attempt; return its processes."""
    use(info)
    batch = info.client("batch")
    names = {"jobQueue": info.resources["JobQueue"], "jobDefinition": info.resources["JobDefinition"]}
    job_id = batch.submit_job(jobName="j", parameters={"what": "stubborn"}, **names)["jobId"]
    wait_for(lambda: batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] == "RUNNING", what="the job's start")
    batch.close()
    # A job runs a moment before its process does.
    children = wait_for(lambda: at_least(STORAGE_FUNCTION_ATTEMPT, children_of(info.pid)), what="the three processes")
    return [info.pid, *children]


def at_least(count: int, found: list[int]) -> list[int]:
    return found if len(found) >= count else []


def are_gone(pids: list[int]) -> bool:
    return not any(map(is_alive, pids))


def test_ready_line_and_stack_json_say_the_same_and_sigterm_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as (process, line):
        info = StackInfo.load(tmp_path)
        pids = busy(info)
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)

    assert line == f"ready url={info.url} key={info.api_key} endpoint={info.endpoint}\n"
    assert code == 128 + signal.SIGTERM
    assert are_gone(pids)
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "stack.json").exists()


@pytest.mark.parametrize("victim", ["supervisor", "command"])
def test_even_sigkill_leaves_no_process(tmp_path: Path, victim: str) -> None:
    with running(tmp_path) as (process, _):
        info = StackInfo.load(tmp_path)
        pids = busy(info)
        os.kill(info.pid if victim == "supervisor" else process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)

    wait_for(lambda: are_gone(pids), what="the end of every process")


def test_stack_whose_storage_dies_ends_with_a_message(tmp_path: Path) -> None:
    with running(tmp_path, errors=subprocess.PIPE) as (process, _):
        info = StackInfo.load(tmp_path)
        storage = next(pid for pid in children_of(info.pid) if "storage_server" in command_of(pid))
        os.kill(storage, signal.SIGKILL)
        code, said = process.wait(PATIENCE_S), process.stderr.read()
        process.stderr.close()

    assert code == 9
    assert "storage process ended" in said
    assert not is_alive(info.pid)


def test_ctrl_c_while_building_leaves_no_process(tmp_path: Path) -> None:
    root, state = tmp_path / "root", tmp_path / "state"
    shutil.copytree(MACHINERY, root, ignore=shutil.ignore_patterns(".aws-sam"))
    command = [LAMBENT, "up", "--port", "0", "--state", str(state)]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: "sam build" in process.stderr.readline(), what="the build's start")

    process.send_signal(signal.SIGINT)

    assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
    process.stderr.close()
    wait_for(lambda: not processes_of(root), what="the end of every process")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the state folder of a stack in the foreground, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("state")
    with running(folder):
        yield folder


def use(info: StackInfo, **wish: str) -> dict[str, object]:
    headers = {"x-api-key": info.api_key}
    return httpx.post(f"{info.url}/do", json=wish, headers=headers, timeout=PATIENCE_S).raise_for_status().json()


def test_stack_json_has_what_programs_need(state: Path) -> None:
    written = json.loads((state / "stack.json").read_text())

    assert set(written) >= {
        "url",
        "api_key",
        "endpoint",
        "region",
        "buckets",
        "queues",
        "table",
        "logs",
        "topic",
        "pid",
    }
    assert set(written["queues"]) == {"work", "work_dead_letter", "loop", "react_dead_letter", "upload"}
    assert written["table"]


def test_status_shows_the_address_and_the_queues(state: Path) -> None:
    status = lambent("status", "--state", str(state))

    assert StackInfo.load(state).url in status.stdout
    assert "work_dead_letter" in status.stdout


def test_logs_shows_one_function_and_names_the_known_ones(state: Path) -> None:
    use(StackInfo.load(state))

    known, unknown = lambent("logs", "echo", "--state", str(state)), lambent("logs", "nobody", "--state", str(state))
    everything = lambent("logs", "--state", str(state))

    assert "REPORT RequestId: " in known.stdout
    assert "echo: REPORT RequestId: " in everything.stdout
    assert unknown.returncode == 2
    assert "echo" in unknown.stderr


def test_logs_can_be_followed(state: Path) -> None:
    info = StackInfo.load(state)
    use(info)
    command = [LAMBENT, "logs", "echo", "--follow", "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        line = follower.stdout.readline()
        while not line.startswith("REPORT"):
            line = follower.stdout.readline()
        use(info)
        later = follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        code = follower.wait(PATIENCE_S)

    assert later
    assert code == 130


def test_second_stack_in_the_same_state_folder_is_refused(state: Path) -> None:
    again = lambent("up", "--port", "0", "--state", str(state))

    assert again.returncode == 7
    assert "already runs" in again.stderr
    assert use(StackInfo.load(state))


def test_two_stacks_run_side_by_side_and_share_nothing(state: Path, tmp_path: Path) -> None:
    first = StackInfo.load(state)

    with running(tmp_path, "--parameter", "Greeting=bonjour"):
        second = StackInfo.load(tmp_path)
        greetings = [use(info, do="inspect")["env"]["GREETING"] for info in (first, second)]
        crossed = httpx.post(f"{first.url}/do", json={}, headers={"x-api-key": second.api_key}, timeout=PATIENCE_S)

    assert greetings == ["hello", "bonjour"]
    assert crossed.status_code == 403
    assert {first.url, first.endpoint}.isdisjoint({second.url, second.endpoint})


def test_detached_stack_stays_until_down_ends_it(tmp_path: Path) -> None:
    started = lambent("up", "--detach", "--port", "0", "--state", str(tmp_path))
    info = StackInfo.load(tmp_path)
    answer = use(info)
    ended, ended_again = lambent("down", "--state", str(tmp_path)), lambent("down", "--state", str(tmp_path))

    assert started.returncode == 0
    assert started.stdout.startswith(f"ready url={info.url} ")
    assert "does not survive" in started.stderr
    assert answer["pid"]
    assert ended.returncode == 0
    assert (ended_again.returncode, "no local stack runs" in ended_again.stderr) == (8, True)
    assert not is_alive(info.pid)
    assert processes_of(tmp_path) == []
