"""How a stack is deployed is kept where `sam` reads it, the same for build and deployment."""

import shutil
from pathlib import Path

import pytest
from samcli.lib.config.samconfig import SamConfig

from lambent_toolkit.deploying.errors import ParameterRefused, SettingMissing
from lambent_toolkit.deploying.settings import DeploySettings, SettingsFile

ROOT = Path(__file__).parents[3]
ODD = {
    "Path": r"a\b",
    "AlarmEmail": "a@b.c",
    "UploadOrigin": "",
    "GpuInstanceTypes": "g4dn.xlarge,g5.xlarge",
    "Odd": 'a "b" \\ c=d e',
}


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


@pytest.mark.parametrize(
    ("told", "parameters"),
    [
        ("""'Stage=prod Odd="a b"'""", {"Stage": "prod", "Odd": "a b"}),
        ("\"Odd='a b' Stage=prod\"", {"Odd": "a b", "Stage": "prod"}),
        ('"ParameterKey=Stage,ParameterValue=prod"', {"Stage": "prod"}),
        ('{ Stage = "prod", QueueConcurrency = 2 }', {"Stage": "prod", "QueueConcurrency": "2"}),
        ('[{ Stage = "prod" }, "LogLevel=DEBUG"]', {"Stage": "prod", "LogLevel": "DEBUG"}),
    ],
)
def test_overrides_are_read_as_sam_reads_them(root: Path, told: str, parameters: dict[str, str]) -> None:
    (root / "samconfig.toml").write_text(
        f"version = 0.1\n[default.global.parameters]\nstack_name = 'shop'\nparameter_overrides = {told}\n"
    )

    settings = SettingsFile(root).find("shop")

    assert settings is not None
    assert settings.parameters == parameters


@pytest.mark.parametrize("told", ['"file://more.yaml"', '{ "$include" = "more.yaml" }', '"Stage="'])
def test_overrides_that_would_be_lost_are_refused(root: Path, told: str) -> None:
    (root / "samconfig.toml").write_text(
        f"version = 0.1\n[default.global.parameters]\nstack_name = 'shop'\nparameter_overrides = {told}\n"
    )

    with pytest.raises(ParameterRefused, match="parameter_overrides"):
        SettingsFile(root).find("shop")


@pytest.mark.parametrize("value", ['a\\"b', "back\\", "ParameterKey=A,ParameterValue=b"])
def test_a_value_that_sam_would_read_otherwise_is_refused(root: Path, value: str) -> None:
    with pytest.raises(ParameterRefused, match=r"SAM CLI would not read|parameter_overrides"):
        SettingsFile(root).write(DeploySettings("shop", "eu-west-1", None, {"Odd": value}))


@pytest.mark.parametrize("command", ["build", "deploy"])
def test_what_is_kept_is_not_outdone_by_the_table_of_a_command(root: Path, command: str) -> None:
    (root / "samconfig.toml").write_text(
        f"version = 0.1\n[default.{command}.parameters]\nregion = 'eu-west-1'\nparameter_overrides = 'LogLevel=ERROR'\n"
        "[default.global.parameters]\nstack_name = 'shop'\n"
    )

    SettingsFile(root).write(DeploySettings("shop", "us-east-1", None, {"LogLevel": "DEBUG"}))

    for verb in ("build", "deploy"):
        read = SamConfig(root).get_all([verb], "parameters", "default")
        assert (read["region"], list(read["parameter_overrides"])) == ("us-east-1", ['LogLevel="DEBUG"'])


def test_a_stack_is_found_in_whichever_environment_names_it(root: Path) -> None:
    (root / "samconfig.toml").write_text(
        "version = 0.1\n[prod.deploy.parameters]\nstack_name = 'shop'\nregion = 'eu-west-1'\n"
        "parameter_overrides = 'Stage=prod'\n"
    )
    file = SettingsFile(root)

    assert file.environment("shop") == "prod"
    assert file.find("shop") == DeploySettings("shop", "eu-west-1", None, {"Stage": "prod"})


@pytest.mark.parametrize("name", ["default", "version", "prod"])
def test_a_stack_called_like_another_environment_has_its_own(root: Path, name: str) -> None:
    path = root / "samconfig.toml"
    path.write_text(path.read_text() + "\n[prod.deploy.parameters]\nstack_name = 'shop'\nregion = 'eu-west-1'\n")
    settings = DeploySettings(name, "eu-west-1", None, {"Stage": "test"})

    SettingsFile(root).write(settings)

    assert SettingsFile(root).find(name) == settings
    assert SettingsFile(root).find("shop") == DeploySettings("shop", "eu-west-1")
    assert SettingsFile(root).default_name() == "lambent"


def test_a_folder_that_takes_no_file_is_told(root: Path) -> None:
    (root / ".samconfig.toml.draft").mkdir()

    with pytest.raises(ParameterRefused, match=r"samconfig.toml: Is a directory"):
        SettingsFile(root).write(DeploySettings("shop", "eu-west-1"))


@pytest.mark.parametrize("text", ["loose = 1\n", "[loose]\nx = 1\n", "loose = { deploy = 1 }\n", "loose = []\n"])
def test_what_is_no_environment_is_passed_over(root: Path, text: str) -> None:
    (root / "samconfig.toml").write_text(f"version = 0.1\n{text}")

    assert SettingsFile(root).names() == []


def test_a_file_that_is_no_text_is_told(root: Path) -> None:
    (root / "samconfig.toml").write_bytes(b"version = 0.1\n# caf\xe9\n")

    with pytest.raises(SettingMissing, match="no TOML"):
        SettingsFile(root).names()


def test_a_file_that_is_no_toml_is_told_and_left_alone(root: Path) -> None:
    (root / "samconfig.toml").write_text("stack = = 1")

    with pytest.raises(SettingMissing, match="no TOML"):
        SettingsFile(root).write(DeploySettings("shop", "eu-west-1"))

    assert (root / "samconfig.toml").read_text() == "stack = = 1"


@pytest.mark.parametrize("name", ["", "1shop", "my_shop", "a" * 129, "sh.op"])
def test_a_name_that_no_stack_can_have_is_refused(name: str) -> None:
    with pytest.raises(ParameterRefused, match="stack's name"):
        DeploySettings(name)
