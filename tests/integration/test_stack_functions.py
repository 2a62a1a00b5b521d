"""Function processes of the local stack: isolated, scaled out, timed out, crashed, limited."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from lambent_toolkit.sandbox import LocalStack
from patience import wait_for

LIMIT = 4  # environments of a function on the machinery's stack


def invoke(stack: LocalStack, function: str, **wish: Any) -> tuple[Any, str | None]:
    """Invoke through the AWS API; return the answer and its FunctionError."""
    client = stack.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    answer = client.invoke(FunctionName=stack.info.functions[function], Payload=json.dumps(wish).encode())
    payload = json.loads(answer["Payload"].read())
    error = answer.get("FunctionError")
    return (payload if error else json.loads(payload["body"])), error


def log_of(stack: LocalStack, function: str) -> str:
    return (Path(stack.info.logs) / f"{function}.log").read_text()


def test_function_sees_its_task_its_layers_in_order_and_nothing_else(machinery: LocalStack) -> None:
    seen, error = invoke(machinery, "echo", do="inspect")

    folders = [Path(path).name if "Layer" not in path else Path(path).parent.name for path in seen["path"][:3]]
    assert error is None
    assert folders == ["EchoFunction", "FirstLayer", "SecondLayer"]
    assert seen["layer"] == "first"
    assert seen["found"] == ["app"]
    assert not [path for path in seen["path"] if "site-packages" in path or ".venv" in path]


def test_function_environment_is_built_from_nothing(machinery: LocalStack) -> None:
    seen, _ = invoke(machinery, "echo", do="inspect")

    environment = seen["env"]
    assert environment["GREETING"] == "hello"
    assert environment["NUMBER"] == "7"
    assert environment["API_KEY_ID"] == machinery.info.api_key_id
    assert environment["AWS_ENDPOINT_URL"] == machinery.info.endpoint
    assert environment["AWS_REGION"] == machinery.info.region
    assert environment["TZ"] == ":UTC"
    assert not {"VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "USER", "SHELL"} & set(environment)


def test_lambda_tells_a_function_its_log_level_where_its_records_are_json(machinery: LocalStack) -> None:
    text, _ = invoke(machinery, "echo", do="environment")
    json_lines, _ = invoke(machinery, "single", do="environment")

    assert (text["AWS_LAMBDA_LOG_FORMAT"], text.get("AWS_LAMBDA_LOG_LEVEL")) == ("Text", None)
    assert (json_lines["AWS_LAMBDA_LOG_FORMAT"], json_lines["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "WARN")


def test_pool_scales_out_under_load_and_stops_at_its_limit(machinery: LocalStack, tmp_path: Path) -> None:
    meeting = {"do": "meet", "place": str(tmp_path), "until": "here-*", "of": LIMIT}

    # None of them ends before as many as there may be are at it, and the others wait for their places.
    with ThreadPoolExecutor(2 * LIMIT) as threads:
        answers = list(threads.map(lambda _: invoke(machinery, "echo", **meeting), range(2 * LIMIT)))

    assert [error for _, error in answers if error] == []
    assert len({answer["pid"] for answer, _ in answers}) == LIMIT


def test_reserved_concurrency_throttles_what_is_above_it(machinery: LocalStack, tmp_path: Path) -> None:
    client = machinery.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    single, wish = machinery.info.functions["single"], {"do": "meet", "place": str(tmp_path), "until": "over", "of": 1}

    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(invoke, machinery, "single", **wish)
        wait_for(lambda: list(tmp_path.glob("here-*")), what="the first call")
        for _ in range(2):
            with pytest.raises(client.exceptions.TooManyRequestsException):
                client.invoke(FunctionName=single, Payload=json.dumps(wish).encode())
        (tmp_path / "over").touch()

        assert first.result()[1] is None
    assert len(list(tmp_path.glob("here-*"))) == 1


def test_timeout_kills_the_process_and_says_so(machinery: LocalStack) -> None:
    answer, error = invoke(machinery, "hasty", do="hang")

    assert error == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in log_of(machinery, "hasty")


def test_crash_exception_and_failed_start_are_told_apart(machinery: LocalStack) -> None:
    crash, _ = invoke(machinery, "echo", do="exit", code=7)
    exception, _ = invoke(machinery, "echo", do="fail")
    start, error = invoke(machinery, "broken")

    assert crash["errorType"] == "Runtime.ExitError"
    assert crash["errorMessage"].endswith("exit status 7")
    assert (exception["errorType"], exception["errorMessage"]) == ("ValueError", "as you wished")
    assert error == "Unhandled"
    assert start["errorType"] == "Runtime.ImportModuleError"
    assert "missing" in start["errorMessage"]


def test_next_event_after_a_crash_gets_a_fresh_process(machinery: LocalStack) -> None:
    before, _ = invoke(machinery, "single", do="answer")
    invoke(machinery, "single", do="exit")

    after, error = invoke(machinery, "single", do="answer")

    assert error is None
    assert after["pid"] != before["pid"]
    assert not Path(f"/proc/{before['pid']}").exists()


def test_memory_is_limited_as_the_template_says(machinery: LocalStack) -> None:
    fits, fine = invoke(machinery, "single", do="allocate", mib=64)
    answer, error = invoke(machinery, "single", do="allocate", mib=512)

    assert (fits["size"], fine) == (64 * 1024 * 1024, None)
    assert error == "Unhandled"
    assert answer["errorType"] == "MemoryError"


def test_warm_process_keeps_its_tmp_and_a_new_one_starts_empty(machinery: LocalStack) -> None:
    first, _ = invoke(machinery, "single", do="scratch")
    again, _ = invoke(machinery, "single", do="scratch")
    invoke(machinery, "single", do="exit")
    fresh, _ = invoke(machinery, "single", do="scratch")

    assert again == {**first, "seen": True}
    assert not fresh["seen"]
    assert not Path(first["place"]).parent.exists() or first["place"] == fresh["place"]


def test_log_has_start_end_and_report_lines_with_figures(machinery: LocalStack) -> None:
    invoke(machinery, "single", do="answer")

    lines = log_of(machinery, "single").splitlines()
    report = next(line for line in reversed(lines) if line.startswith("REPORT"))
    assert any(line.startswith("START RequestId: ") for line in lines)
    assert any(line.startswith("END RequestId: ") for line in lines)
    assert "Duration: " in report
    assert "Memory Size: 256 MB" in report
    assert "Max Memory Used: " in report
    assert any("Init Duration: " in line for line in lines)


def test_unknown_function_is_refused_as_on_aws(machinery: LocalStack) -> None:
    client = machinery.client("lambda")

    try:
        client.invoke(FunctionName="nobody", Payload=b"{}")
    except client.exceptions.ResourceNotFoundException as error:
        refusal = str(error)

    assert "nobody" in refusal


def test_function_of_a_false_condition_does_not_exist(machinery: LocalStack) -> None:
    assert "never" not in machinery.info.functions
    assert os.path.isdir(machinery.info.logs)  # noqa: PTH112
