"""The workflows of .github: actions are pinned, rights are few, and every command that they run exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from template_expanded import ROOT
from typer.main import get_command

from lambent_toolkit.cli.main import app

WORKFLOWS = {file.name: file for file in sorted((ROOT / ".github/workflows").glob("*.yml"))}
PINNED = re.compile(
    r"uses: (?:\./\.github/workflows/(?P<own>[\w-]+\.yml)|[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)"
)
ZIZMOR = Path(sys.executable).with_name("zizmor")
READS = "permissions:\n      contents: read\n    strategy"
# What deploys, and for what it holds more than the right to read.
DEPLOYING = {("ci.yml", "dev"), ("ci.yml", "prod"), ("deploy.yml", "deploy")}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load(WORKFLOWS[name].read_text())


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in WORKFLOWS:
        for job_name, job in read(name)["jobs"].items():
            yield name, job_name, job


def commands() -> Iterator[list[str]]:
    """Yield the words of every command line; a line that ends in a backslash goes on."""
    for _, _, job in jobs():
        for step in job.get("steps", []):
            for line in step.get("run", "").replace("\\\n", " ").splitlines():
                if line.strip().startswith(("make ", ".venv/bin/")):
                    yield shlex.split(line)


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ZIZMOR, "--offline", "--no-progress", folder], capture_output=True, text=True, check=False
    )  # fmt: skip


def test_zizmor_finds_nothing() -> None:
    done = zizmor(ROOT / ".github")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("safe", "unsafe", "found"),
    [
        ("persist-credentials: false", "fetch-depth: 1", "artipacked"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5", "unpinned-uses"),
        (READS, READS.replace("\n      contents: read", " write-all"), "excessive-permissions"),
        ('PYTHON="python$PYTHON_VERSION"', "PYTHON=${{ github.head_ref }}", "template-injection"),
    ],
)
def test_zizmor_would_find(tmp_path: Path, safe: str, unsafe: str, found: str) -> None:
    workflow = tmp_path / ".github/workflows/ci.yml"
    workflow.parent.mkdir(parents=True)
    text = WORKFLOWS["ci.yml"].read_text()
    assert safe in text

    workflow.write_text(text.replace(safe, unsafe))

    assert found in zizmor(tmp_path).stdout


def test_every_action_is_pinned_by_its_whole_commit_with_the_version_beside_it() -> None:
    lines = [(name, line) for name, file in WORKFLOWS.items() for line in file.read_text().splitlines()]
    uses = [(name, line.strip().removeprefix("- ")) for name, line in lines if "uses:" in line]

    matches = [(use, PINNED.fullmatch(use)) for _, use in uses]

    assert len(uses) > 8
    assert [use for use, match in matches if match is None] == []
    assert {match["own"] for _, match in matches if match and match["own"]} <= WORKFLOWS.keys()


def test_one_action_has_one_commit() -> None:
    pins = {
        line for file in WORKFLOWS.values() for line in re.findall(r"[\w-]+/[\w./-]+@[0-9a-f]{40}.*", file.read_text())
    }

    assert len(pins) == len({pin.partition("@")[0] for pin in pins})


def test_nobody_has_a_right_that_his_job_does_not_need() -> None:
    for name in WORKFLOWS:
        assert read(name)["permissions"] == {}
    for name, job_name, job in jobs():
        deploys = {"deployments": "read", "id-token": "write"} if (name, job_name) in DEPLOYING else {}
        assert job["permissions"] == {"contents": "read", **deploys}, f"{name}: {job_name}"


def test_no_long_lived_key_is_used() -> None:
    for file in WORKFLOWS.values():
        assert not re.search(r"secrets\.|aws-access-key-id|AWS_SECRET", file.read_text())
    steps = read("deploy.yml")["jobs"]["deploy"]["steps"]
    (login,) = (step["with"] for step in steps if "configure-aws-credentials" in step.get("uses", ""))
    assert set(login) == {"role-to-assume", "aws-region"}


def test_every_job_ends_in_time() -> None:
    assert [job_name for _, job_name, job in jobs() if "uses" not in job and "timeout-minutes" not in job] == []


def test_dev_comes_after_all_checks_and_prod_after_dev_from_main_only() -> None:
    found = read("ci.yml")["jobs"]
    checks = found.keys() - {"dev", "prod"}

    assert set(found["dev"]["needs"]) == checks
    assert found["dev"]["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    assert found["prod"]["needs"] == ["dev"]
    assert [found[stage]["with"]["environment"] for stage in ("dev", "prod")] == ["dev", "prod"]
    assert read("deploy.yml")["jobs"]["deploy"]["environment"] == "${{ inputs.environment }}"


def test_the_doctor_looks_after_each_deployment_and_his_fault_brings_the_commit_before_back() -> None:
    steps = read("deploy.yml")["jobs"]["deploy"]["steps"]
    names = [step.get("name") for step in steps]
    order = ["Find the commit to go back to", "Deploy", "Let the doctor look", "Go back to the commit before"]

    assert [name for name in names if name in order] == order
    back = steps[-1]
    assert back["if"] == "always() && steps.doctor.outcome == 'failure' && steps.before.outputs.commit != ''"
    assert back["env"] == {"BEFORE": "${{ steps.before.outputs.commit }}"}
    assert 'git checkout --detach "$BEFORE"' in back["run"]
    assert steps[names.index("Deploy")]["run"] in back["run"]


def test_every_combination_that_is_offered_is_built_and_no_other() -> None:
    built = {
        (row["python"], row["architecture"], row["interpreter"])
        for row in read("ci.yml")["jobs"]["builds"]["strategy"]["matrix"]["include"]
    }

    assert built == {
        ("3.12", "x86_64", "litert"),
        ("3.12", "arm64", "litert"),
        ("3.11", "x86_64", "litert"),
        ("3.11", "x86_64", "tflite-runtime"),
    }


def test_each_processor_has_a_runner_of_its_own_for_the_real_image() -> None:
    rows = read("ci.yml")["jobs"]["real-images"]["strategy"]["matrix"]["include"]

    assert {(row["architecture"], row["runner"]) for row in rows} == {
        ("x86_64", "ubuntu-latest"),
        ("arm64", "ubuntu-24.04-arm"),
    }
    assert {row["python"] for row in rows} == {"3.11", "3.12"}


def test_every_target_that_is_made_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    made = {word for words in commands() if words[0] == "make" for word in words[1:] if "=" not in word}

    assert made >= {"setup", "test", "build", "shipped", "sam-local-verify"}
    assert made <= targets


def test_every_verb_that_is_run_is_lambent_s_with_options_that_it_has() -> None:
    verbs = get_command(app).commands
    run = [words[1:] for words in commands() if words[0] == ".venv/bin/lambent"]

    assert {words[0] for words in run} == {"deploy", "doctor"}
    assert {words[0] for words in run} <= verbs.keys()
    for verb, *rest in run:
        known = {option for each in verbs[verb].params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= known
