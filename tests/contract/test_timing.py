"""No test's outcome depends on how fast the machine is, and the check that says so finds what would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from timing_rules import Finding, find_timing

TESTS = Path(__file__).parents[1]
# Where speed is what is told, and nothing is asserted; and programs that wait for a stack, whose limits tests choose.
TOLD = (TESTS / "bench", TESTS / "soak")
# What is found and may stay, by file and function: why no busy machine changes the outcome.
ALLOWED = {
    ("contract/test_timing.py", "", "sleep"): "what is seeded below is not run",
    ("patience.py", "wait_for", "clock"): "the one wait for a condition; its limit is against what hangs",
    ("patience.py", "wait_for", "sleep"): "the pause between two looks at the condition",
    ("receivers.py", "listening", "limit"): "how often the listener looks whether it is over",
    (
        "integration/fixtures/machinery/functions/echo/app.py",
        "meet",
        "sleep",
    ): "the pause between two looks at a condition, in a process that has no module of the tests",
    (
        "faults/test_webhooks.py",
        "test_a_listener_counts_the_connections_that_are_made",
        "limit",
    ): "a connection of which nothing but its making is asserted; whether its answer is late does not matter",
    (
        "faults/test_webhooks.py",
        "test_an_answer_may_take_longer_than_a_connection.takes_its_time",
        "limit",
    ): "longer than a connection may take, however slow the machine; the answer's own limit is far away",
    ("faults/silent_service.py", "SilentService._drip", "limit"): "the pace of a service that never ends",
    ("faults/test_webhooks.py", "drips", "limit"): "the pace of a receiver that never ends",
    ("faults/test_webhooks.py", "informs_for_ever", "limit"): "the pace of a receiver that never ends",
    ("faults/test_webhooks.py", "drips_a_handshake", "limit"): "the pace of a receiver that never ends",
    (
        "faults/test_webhooks.py",
        "test_a_receiver_that_never_ends_its_handshake_is_left",
        "limit",
    ): "the limit that is tested; the attempt has to run into it",
    (
        "faults/test_webhooks.py",
        "test_a_receiver_that_drips_behind_a_handshake_is_left",
        "limit",
    ): "the limit that is tested; the attempt has to run into it",
    (
        "unit/modelkit/test_whole_files.py",
        "test_files_of_two_commands_in_one_folder_do_not_mix.slowly",
        "sleep",
    ): "makes room for a race that must not be; however long it is, the right outcome is the same",
    (
        "unit/test_planning.py",
        "test_objects_that_have_to_be_fetched_slow_down_what_was_measured_without",
        "measured",
    ): "computed from rates that the test makes up",
}


def every_finding() -> Iterator[tuple[str, Finding]]:
    for file in sorted(TESTS.rglob("*.py")):
        path = file.relative_to(TESTS)
        # Hidden folders hold what was built, of others' code too.
        if any(map(file.is_relative_to, TOLD)) or any(part.startswith(".") for part in path.parts):
            continue
        for finding in find_timing(file.read_text()):
            yield path.as_posix(), finding


@pytest.fixture(scope="module")
def findings() -> list[tuple[str, Finding]]:
    return list(every_finding())


def test_no_test_compares_measured_times_or_waits_a_fixed_time(findings: list[tuple[str, Finding]]) -> None:
    found = [
        f"tests/{file}:{finding.line}: {finding.kind} in {finding.place or 'the module'}"
        for file, finding in findings
        if (file, finding.place, finding.kind) not in ALLOWED
    ]

    assert found == [], "Wait for a condition by `patience.wait_for`, count steps, or print it in tests/bench."


def test_what_is_allowed_is_still_there_and_has_a_reason(findings: list[tuple[str, Finding]]) -> None:
    there = {(file, finding.place, finding.kind) for file, finding in findings}

    assert ALLOWED.keys() - there == set()
    assert [place for place, reason in ALLOWED.items() if len(reason.split()) < 5] == []


OFFENDERS = {
    "a difference of a clock": ("clock", "assert time.monotonic() - began < 5"),
    "a name that holds a reading": ("clock", "start = perf_counter()\nspent = 0 + start\nassert spent < 2"),
    "a name of a name": ("clock", "a = time.time()\nb = a\nc = max(b, 0)\nassert 0 < c - 1 < 3"),
    "the lower bound": ("clock", "began = time.monotonic()\nassert 2 <= time.monotonic() - began"),
    "one of several targets": ("clock", "a, b = time.monotonic(), 0\nassert work() > a"),
    "an attribute": ("clock", "self.began = time.monotonic()\nassert work() > self.began"),
    "a walrus": ("clock", "assert (now := time.time_ns()) > 7"),
    "a date": ("clock", "before = datetime.now(UTC)\nassert ends - before <= limit"),
    "the product's clock": ("clock", "assert SystemClock().now() > made_at"),
    "nearness to a clock": ("clock", "assert made_at == approx(time.time(), abs=2)"),
    "a function that tells time": (
        "clock",
        """
        def converge():
            start = time.monotonic()
            return time.monotonic() - start
        def test():
            taken = converge()
            assert taken < 9
        """,
    ),
    "a wait of one's own": ("clock", "deadline = time.monotonic() + 9\nwhile time.monotonic() < deadline:\n    look()"),
    "rates against each other": ("measured", "assert 0 < served.items_per_s < served.prepared_per_s"),
    "a measured field of an answer": ("measured", 'assert outcome["took_s"] <= MAX_S'),
    "latencies in order": ("measured", "assert all(0 < each.p50_ms <= each.p99_ms for each in rows)"),
    "the largest of many": ("measured", "assert max(each.latency_ms for each in rows) < 9"),
    "a span of dates": ("measured", "assert (ends - begins).total_seconds() < 9"),
    "roughly equal rates": ("measured", "assert one.items_per_s == approx(other.items_per_s, rel=0.2)"),
    "measured against measured": ("measured", 'assert receipt["busy_s"] <= receipt["seconds"] * workers'),
    "a sleep": ("sleep", "time.sleep(0.8)"),
    "a sleep by its own name": ("sleep", "from time import sleep\nsleep(PROMISED_S)"),
    "a pause of asyncio": ("sleep", "async def test():\n    await asyncio.sleep(0.1)"),
    "a sleep in a program": ("sleep", 'program = "import time; time.sleep(60)"'),
    "an impatient wait": ("limit", "wait_for(look, what='it', patience_s=6)"),
    "an impatient constant": ("limit", "START_S = 20\ndef test():\n    process.wait(START_S)"),
    "an impatient program": ("limit", "subprocess.run(command, timeout=30)"),
    "an impatient thread": ("limit", "assert over.wait(10)"),
    "an impatient task": ("limit", "async def test():\n    await asyncio.wait_for(task, 2)"),
    "httpx's own five seconds": ("limit", "httpx.get(url)"),
    "a client's own five seconds": ("limit", "with httpx.Client(base_url=url) as client:\n    pass"),
    "a test in a hurry": ("limit", "pytestmark = [pytest.mark.timeout(180)]"),
}  # fmt: skip


@pytest.mark.parametrize("name", OFFENDERS)
def test_an_offender_is_found_once_as_what_it_is(name: str) -> None:
    kind, source = OFFENDERS[name]

    assert {finding.kind for finding in find_timing(dedent(source))} == {kind}


INNOCENT = {
    "a fake clock": "clock = FakeClock(time.time() + 60)\nassert clock.now() == made_at\nassert clock.at_s > 3",
    "a reading as data": "job = Job(created_at=SystemClock().now())\nassert job.state is FAILED",
    "a measured field that is there": "assert report.load_ms > 0\nassert 0 < rate.items_per_s",
    "a figure that was put in": "assert found.items_per_s == 200.0",
    "arithmetic of figures": 'assert receipt["gb_seconds"] == approx(receipt["busy_s"] * 1769 / 1024)',
    "a price of what is measured": 'assert PRICES.gb_seconds["arm64"].usd < PRICES.gb_seconds["x86_64"].usd',
    "a name that only sounds like it": "assert low <= accuracy.value <= high\nassert len(latencies) < 3",
    "a turn of the event loop": "async def test():\n    await asyncio.sleep(0)",
    "patience": "wait_for(look, what='it')\nprocess.wait(PATIENCE_S)\nsubprocess.run(command, timeout=PATIENCE_S)",
    "httpx with patience": "httpx.get(url, timeout=PATIENCE_S)",
    "a barrier": "barrier.wait()\nthread.join()",
    "a path that is joined": "assert ', '.join(names) == told",
    "no limit": "pytestmark = pytest.mark.timeout(0)",
    "an order of counts": "assert first < len(between) <= 8",
    "another function's clock": "def made():\n    now = time.time()\n    Job(now)\ndef test():\n    assert now > 3",
    "prose": 'assert "sleep(" in told',
}


@pytest.mark.parametrize("name", INNOCENT)
def test_innocent_code_is_left_alone(name: str) -> None:
    assert find_timing(dedent(INNOCENT[name])) == []
