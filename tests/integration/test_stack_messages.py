"""What `lambent up` says, and its exit code, when it cannot start."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from patience import PATIENCE_S

MACHINERY = Path(__file__).parent / "fixtures" / "machinery"
LAMBENT = Path(sys.executable).with_name("lambent")


def lambent(*words: str, cwd: Path = MACHINERY, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    full = {**os.environ, **(env or {})}
    return subprocess.run(
        [LAMBENT, *words], cwd=cwd, env=full, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_port_in_use_is_said_before_anything_is_built_or_started(tmp_path: Path) -> None:
    root, state = tmp_path / "root", tmp_path / "state"
    shutil.copytree(MACHINERY, root, ignore=shutil.ignore_patterns(".aws-sam"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = lambent("up", "--port", str(port), "--state", str(state), cwd=root)

    assert result.returncode == 6
    assert f"port {port} is in use" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not (root / ".aws-sam").exists()
    assert not (state / "stack.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: [", "not valid YAML"),
        ("Description: nothing", "has no Resources"),
        (
            "{Transform: AWS::Serverless-2016-10-31, Resources: {F: {Type: AWS::Serverless::Function}}}",
            "[F] is invalid",
        ),
        ("Resources: {L: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: nowhere}}}", "nowhere"),
        ("Resources: {S: {Type: 'AWS::Scheduler::Schedule'}}", "AWS::Scheduler::Schedule"),
    ],
)
def test_broken_template_is_said_with_its_reason(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "template.yaml").write_text(text)

    result = lambent("up", "--port", "0", "--state", str(tmp_path / "state"), cwd=tmp_path)

    assert result.returncode == 5
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_unknown_parameter_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    result = lambent("up", "--port", "0", "--state", str(tmp_path), "--parameter", "Gretting=hi")

    assert result.returncode == 5
    assert "no parameter Gretting; it has Burst, Greeting, PythonVersion, Rate" in result.stderr


def test_missing_package_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "samtranslator.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'samtranslator'\", name='samtranslator')"
    )

    result = lambent("up", "--port", "0", "--state", str(tmp_path / "state"), env={"PYTHONPATH": str(tmp_path)})

    assert result.returncode == 3
    assert "samtranslator is not installed" in result.stderr
    assert "make setup" in result.stderr
