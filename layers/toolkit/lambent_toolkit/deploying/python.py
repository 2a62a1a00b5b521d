"""The Python that compiles what is deployed must run here, beside the one that runs `lambent`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from lambent_toolkit.deploying.errors import ParameterRefused

_TIMEOUT_S = 60


def check_python(name: str, environment: Mapping[str, str]) -> None:
    """Check that a Python can be called, before minutes go into a build.

    Parameters
    ----------
    name          e.g. python3.12, by the parameter PythonVersion
    environment   in which the build will call it; a program of this name may be there and fail, as pyenv's do

    Raises
    ------
    ParameterRefused   it cannot
    """
    try:
        code = subprocess.run(  # noqa: S603 - one of the parameter's values
            [name, "-c", ""], env=dict(environment), capture_output=True, check=False, timeout=_TIMEOUT_S
        ).returncode
    except FileNotFoundError:
        code = None
    if code != 0:
        other = "python3.11" if name == "python3.12" else "python3.12"
        raise ParameterRefused(
            f"PythonVersion is {name}, and no {name} runs here to compile the layers with: install it, or "
            f"lambent deploy --parameter PythonVersion={other}"
        )
