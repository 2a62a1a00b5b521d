"""What a build depends on."""

from pathlib import Path

import pytest

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.options import StackOptions
from lambent_toolkit.sandbox.sources import (
    build_parameters,
    digest,
    effective_parameters,
    read_template,
    source_folders,
)

TEMPLATE = """
Parameters: {Kind: {Type: String}, Memory: {Type: Number}, GpuEnabled: {Type: String}}
Mappings: {Folders: {a: {ContentUri: layers/a}, b: {ContentUri: layers/b}}}
Globals: {Function: {Architectures: [!Ref Chip]}}
Resources:
  F: {Type: "AWS::Serverless::Function", Properties: {CodeUri: functions/f, MemorySize: !Ref Memory}}
  L: {Type: "AWS::Serverless::LayerVersion", Properties: {ContentUri: !FindInMap [Folders, !Ref Kind, ContentUri]}}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return path


def test_folders_of_functions_layers_and_mappings_are_sources(template: Path) -> None:
    folders = source_folders(read_template(template), Path("/root"))

    assert [str(folder) for folder in folders] == ["/root/functions/f", "/root/layers/a", "/root/layers/b"]


def test_only_parameters_that_choose_code_belong_to_a_build(template: Path) -> None:
    assert build_parameters(read_template(template)) == {"Kind", "Chip"}


def test_local_parameters_are_set_where_the_template_has_them(template: Path) -> None:
    assert effective_parameters(read_template(template), {"Kind": "a"}) == {"Kind": "a", "GpuEnabled": "true"}
    assert effective_parameters(read_template(template), {"GpuEnabled": "false"}) == {"GpuEnabled": "false"}


def test_queues_are_told_of_as_many_environments_as_there_are_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    declared = "Parameters: {QueueConcurrency: {Type: Number, Default: 10}}"
    (tmp_path / "template.yaml").write_text(f"{declared}\nResources: {{A: {{}}}}")
    template = read_template(tmp_path / "template.yaml")

    def told(most: int, **overrides: str) -> str:
        options = StackOptions(tmp_path, tmp_path, parameters=overrides, max_environments=most)
        return effective_parameters(template, options.parameters, options.local_parameters)["QueueConcurrency"]

    assert [told(most) for most in (1, 2, 4, 16)] == ["2", "2", "4", "16"]
    assert told(4, QueueConcurrency="7") == "7"


def test_unknown_parameter_is_refused(template: Path) -> None:
    with pytest.raises(BrokenTemplate, match="no parameter Kindd; it has GpuEnabled, Kind, Memory"):
        effective_parameters(read_template(template), {"Kindd": "a"})


@pytest.mark.parametrize("text", ["", "[]", "Resources: {", "Resources: []"])
def test_text_that_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text)

    with pytest.raises(BrokenTemplate, match=r"template\.yaml"):
        read_template(path)


def test_digest_follows_contents_and_names_but_neither_times_nor_bytecode(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    file = folder / "a.py"
    file.write_text("1")
    before = digest([folder])

    file.touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("x")
    touched = digest([folder])
    file.write_text("2")
    changed = digest([folder])
    file.rename(folder / "b.py")

    assert touched == before
    assert len({before, changed, digest([folder])}) == 3
