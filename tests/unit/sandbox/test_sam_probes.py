"""What an answer of `sam local invoke` shows of a function in AWS's image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambent_toolkit.cli import sam_local as commands
from lambent_toolkit.cli.main import app
from lambent_toolkit.sandbox.errors import FunctionsFaulty
from lambent_toolkit.sandbox.options import find_root
from lambent_toolkit.sandbox.sam_probes import PROBES, Probe, fault_of, unprobed
from lambent_toolkit.sandbox.sources import read_template

HTTP, QUEUE = Probe("predict.png.json", (200,)), Probe("infer.malformed.json")
IMPORT_ERROR = {
    "errorMessage": "Unable to import module 'app': /lib64/libm.so.6: version `GLIBC_2.27' not found",
    "errorType": "Runtime.ImportModuleError",
    "requestId": "",
    "stackTrace": [],
}


def test_every_function_has_a_probe_whose_event_is_there() -> None:
    template = read_template(find_root() / "template.yaml")

    assert unprobed(template) == set()
    assert PROBES.keys() <= template["Resources"].keys()
    assert [probe.event for probe in PROBES.values() if not (find_root() / "events" / probe.event).is_file()] == []


def test_a_function_without_a_probe_is_told() -> None:
    template = {"Resources": {"New": {"Type": "AWS::Serverless::Function"}, "Table": {"Type": "AWS::DynamoDB::Table"}}}

    assert unprobed(template) == {"New"}


@pytest.mark.parametrize("probe", [HTTP, QUEUE])
def test_a_module_that_cannot_be_imported_is_a_fault_although_sam_ends_with_0(probe: Probe) -> None:
    fault = fault_of(probe, f"{json.dumps(IMPORT_ERROR)}\n")

    assert fault is not None
    assert fault.startswith("Runtime.ImportModuleError: Unable to import module 'app': /lib64/libm.so.6")


@pytest.mark.parametrize(
    ("probe", "output", "told"),
    [
        (HTTP, "", "no answer"),
        (QUEUE, "\n\n", "no answer"),
        (QUEUE, "Mounting /x as /var/task", "no answer in JSON: Mounting"),
        (HTTP, '{"statusCode": 503, "body": "{}"}', "status 503 instead of 200"),
        (HTTP, "null", "status None instead of 200"),
        (HTTP, '{"body": "{}"}', "status None instead of 200"),
        (QUEUE, '{"errorType": "Sandbox.Timedout"}', "Sandbox.Timedout: no message"),
    ],
)
def test_what_is_no_good_answer_is_a_fault(probe: Probe, output: str, told: str) -> None:
    assert told in str(fault_of(probe, output))


@pytest.mark.parametrize(
    ("probe", "output"),
    [
        (HTTP, 'START RequestId: 1\n{"statusCode": 200, "body": "{}"}\n'),
        (QUEUE, '{"batchItemFailures": []}'),
        (QUEUE, "null"),
    ],
)
def test_a_good_answer_is_none(probe: Probe, output: str) -> None:
    assert fault_of(probe, output) is None


def test_the_command_fails_with_every_function_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_state: Path, command: object, *, output: object) -> int:
        function = command.keywords["function"]
        good = {"statusCode": 200, "batchItemFailures": []}
        output.write(json.dumps(IMPORT_ERROR if function == "InferFunction" else good).encode())
        return 130 if function == "SweepFunction" else 0

    monkeypatch.setattr(commands, "_run", run)

    result = CliRunner().invoke(app, ["sam-local", "verify", "--state", str(tmp_path)])

    assert result.exit_code == FunctionsFaulty.exit_code
    assert "✓ PredictFunction predict.png.json" in result.stdout
    assert "✗ InferFunction infer.malformed.json" in result.stdout
    assert "InferFunction: Runtime.ImportModuleError" in result.stderr
    assert "SweepFunction: sam local invoke ended with 130" in result.stderr
    assert "Traceback" not in result.output
