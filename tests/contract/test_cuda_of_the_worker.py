"""The worker's image: CUDA and cuDNN are those that its TensorFlow was built for, and are found where it looks."""

from __future__ import annotations

import re
import runpy
import subprocess
from importlib import metadata
from pathlib import PurePosixPath

import pytest
from packaging.requirements import Requirement
from template_expanded import ROOT, WITH_GPU, expand, read_source
from template_lane_rules import refused_users

FOLDER = ROOT / "functions/batch_worker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
GPU = expand(read_source(), WITH_GPU)
HOST = GPU.of_type("EC2::LaunchTemplate")["BatchLaunchTemplate"]["LaunchTemplateData"]
WITHOUT_LIBRARIES = {"nvidia-cuda-nvcc-cu12"}  # XLA's compiler, which XLA_FLAGS names


def locked(file: str) -> dict[str, str]:
    """Return a lock's packages and versions."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", (FOLDER / file).read_text(), re.MULTILINE))


TENSORFLOW, JAX = locked("requirements.txt"), locked("requirements-jax.txt")


def stage(name: str) -> str:
    """Return the lines of one stage of the Dockerfile, continued ones joined as Docker joins them."""
    lines = DOCKERFILE.replace("\\\n", "")
    return re.split(r"^FROM ", lines.partition(f"AS {name}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def value(name: str) -> str:
    """Return a variable of TensorFlow's stage with its arguments put in."""
    text = stage("tensorflow")
    (found,) = re.findall(rf"\b{name}=(\S+)", text)
    (folder,) = re.findall(r"^ARG NVIDIA=(\S+)", text, re.MULTILINE)
    (python,) = re.findall(r"^ARG PYTHON=(\S+)", DOCKERFILE, re.MULTILINE)
    return str(found).replace("${NVIDIA}", folder).replace("${PYTHON}", python)


def test_every_cuda_package_that_tensorflow_asks_for_is_locked_in_a_version_that_it_takes() -> None:
    asked = [Requirement(each) for each in metadata.requires("tensorflow") or []]
    cuda = [each for each in asked if each.marker is not None and each.marker.evaluate({"extra": "and-cuda"})]
    cuda = [each for each in cuda if each.name.startswith("nvidia-")]

    assert TENSORFLOW["tensorflow"] == metadata.version("tensorflow")
    assert len(cuda) >= 12
    assert {
        each.name: TENSORFLOW.get(each.name) for each in cuda if TENSORFLOW.get(each.name) not in each.specifier
    } == {}
    assert {name for name in TENSORFLOW if name.startswith("nvidia-")} == {each.name for each in cuda}


def test_cuda_and_cudnn_are_those_that_tensorflow_was_built_for() -> None:
    # What tf.sysconfig.get_build_info() tells, without the seconds that TensorFlow takes to be imported.
    program = metadata.distribution("tensorflow").locate_file("tensorflow/python/platform/build_info.py")
    built = runpy.run_path(str(program))["build_info"]

    cuda = str(built["cuda_version"]).rpartition(".")[0]
    assert TENSORFLOW["nvidia-cuda-runtime-cu12"].startswith(f"{cuda}.")
    assert TENSORFLOW["nvidia-cuda-nvcc-cu12"].startswith(f"{cuda}.")
    assert TENSORFLOW["nvidia-cudnn-cu12"].partition(".")[0] == str(built["cudnn_version"])


def test_every_folder_that_libraries_are_looked_for_in_is_of_a_locked_package_and_none_is_missing() -> None:
    folders = [PurePosixPath(each) for each in value("LD_LIBRARY_PATH").split(":")]

    owners = [f"nvidia-{folder.parent.name.replace('_', '-')}-cu12" for folder in folders]
    site = PurePosixPath("/usr/local/lib/python3.11/site-packages/nvidia")
    assert {(folder.parent.parent, folder.name) for folder in folders} == {(site, "lib")}
    assert sorted(owners) == sorted({name for name in TENSORFLOW if name.startswith("nvidia-")} - WITHOUT_LIBRARIES)


def test_xla_finds_its_compiler_in_a_locked_package() -> None:
    folder = PurePosixPath(value("XLA_FLAGS").removeprefix("--xla_gpu_cuda_data_dir="))

    assert f"nvidia-{folder.name.replace('_', '-')}-cu12" in TENSORFLOW
    assert folder.parent == PurePosixPath(value("LD_LIBRARY_PATH").split(":")[0]).parent.parent


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_base_image_brings_python_only_and_the_driver_is_asked_for(name: str) -> None:
    assert re.search(rf"^FROM python:\$\{{PYTHON\}}-slim AS {name}$", DOCKERFILE, re.MULTILINE)
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in DOCKERFILE.partition("FROM ${BACKEND}")[2]


def test_jax_image_has_its_cuda_plugin_of_the_same_version_with_all_of_cuda() -> None:
    assert JAX["jax"] == JAX["jax-cuda12-plugin"] == JAX["jax-cuda12-pjrt"]
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-cuda-nvcc-cu12"} <= JAX.keys()


def test_image_job_definitions_and_the_host_s_rule_mean_the_same_user() -> None:
    (user,) = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    definitions = GPU.of_type("Batch::JobDefinition").values()

    assert {each["ContainerProperties"]["User"] for each in definitions} == {user}
    assert list(refused_users(HOST["UserData"]["Fn::Base64"])) == [user]


def test_host_s_script_is_one_that_bash_reads_and_a_failed_rule_ends_the_host() -> None:
    script = HOST["UserData"]["Fn::Base64"].partition("#!/bin/bash\n")[2].partition("\n--==LAMBENT==--")[0]
    # `iptables` fails where it is told to; what is asked of the host is written down instead of done.
    run = f'iptables() {{ echo "iptables $*"; return $CODE; }}; shutdown() {{ echo "shutdown $*"; }}; {script}'

    told = {
        code: subprocess.run(
            ["bash", "-c", run], env={"CODE": code}, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for code in ("0", "1")
    }

    rule = "iptables --wait --insert OUTPUT --destination 169.254.169.254 --match owner --uid-owner 65534 --jump REJECT"
    assert told == {"0": [rule], "1": [rule, "shutdown --poweroff now"]}
