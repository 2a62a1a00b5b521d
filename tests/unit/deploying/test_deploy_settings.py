"""How a stack is deployed is kept where `sam` reads it, the same for build and deployment."""

import shutil
from pathlib import Path

import pytest
from samcli.lib.config.samconfig import SamConfig

from lambent_toolkit.deploying.errors import ParameterRefused, SettingMissing
from lambent_toolkit.deploying.settings import DeploySettings, SettingsFile

ROOT = Path(__file__).parents[3]
ODD = {"AlarmEmail": "a@b.c", "UploadOrigin": "", "GpuInstanceTypes": "g4dn.xlarge,g5.xlarge", "Odd": 'a "b" \\ c=d e'}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["lambent", "shop", "shop-2"])
@pytest.mark.parametrize("profile", [None, "work"])
def test_settings_are_read_as_they_were_written(root: Path, name: str, profile: str | None) -> None:
    settings = DeploySettings(name, "eu-west-1", profile, ODD)

    SettingsFile(root).write(settings)

    assert SettingsFile(root).find(name) == settings


def test_sam_reads_the_same_parameters_for_build_and_deployment(root: Path) -> None:
    file = SettingsFile(root)
    for name in ("lambent", "shop"):
        file.write(DeploySettings(name, "eu-west-1", "work", {"PythonVersion": "python3.11", "AlarmEmail": "a@b.c"}))

    for name, environment in (("lambent", "default"), ("shop", "shop")):
        assert file.environment(name) == environment
        build, deploy = (SamConfig(root).get_all([verb], "parameters", environment) for verb in ("build", "deploy"))
        assert build["parameter_overrides"] == deploy["parameter_overrides"]
        assert set(build["parameter_overrides"]) >= {'PythonVersion="python3.11"', 'AlarmEmail="a@b.c"'}
        assert (deploy["stack_name"], deploy["region"], deploy["profile"]) == (name, "eu-west-1", "work")
        assert (deploy["resolve_s3"], deploy["capabilities"]) == (True, "CAPABILITY_IAM")


def test_what_others_wrote_stays(root: Path) -> None:
    path = root / "samconfig.toml"
    path.write_text(path.read_text() + '\n[ci.deploy.parameters]\nstack_name = "ci" # by hand\n')

    SettingsFile(root).write(DeploySettings("shop", "eu-west-1"))

    text = path.read_text()
    assert "by hand" in text
    assert text.startswith((ROOT / "samconfig.toml").read_text().splitlines()[0])


def test_only_stacks_with_a_region_were_deployed_from_here(root: Path) -> None:
    assert SettingsFile(root).names() == []

    SettingsFile(root).write(DeploySettings("shop", "eu-west-1"))

    assert SettingsFile(root).names() == ["shop"]


def test_overrides_that_sam_guided_wrote_as_one_text_are_read(root: Path) -> None:
    (root / "samconfig.toml").write_text(
        "version = 0.1\n[shop.deploy.parameters]\nstack_name = 'shop'\nregion = 'eu-west-1'\n"
        """parameter_overrides = 'Stage="prod" LogLevel=DEBUG UploadOrigin=""'\n"""
    )

    settings = SettingsFile(root).find("shop")

    assert settings is not None
    assert settings.parameters == {"Stage": "prod", "LogLevel": "DEBUG", "UploadOrigin": ""}


def test_a_file_that_is_no_toml_is_told_and_left_alone(root: Path) -> None:
    (root / "samconfig.toml").write_text("stack = = 1")

    with pytest.raises(SettingMissing, match="no TOML"):
        SettingsFile(root).write(DeploySettings("shop", "eu-west-1"))

    assert (root / "samconfig.toml").read_text() == "stack = = 1"


@pytest.mark.parametrize("name", ["", "1shop", "my_shop", "a" * 129, "sh.op"])
def test_a_name_that_no_stack_can_have_is_refused(name: str) -> None:
    with pytest.raises(ParameterRefused, match="stack's name"):
        DeploySettings(name)
