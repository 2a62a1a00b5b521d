"""What may stop the local stack from starting, each with the exit code that `lambent` ends with.

SandboxError
├── MissingTool        3   a program or package is not installed
├── BuildFailed        4   `sam build` or the runtime client's installation failed
├── BrokenTemplate     5   the template cannot be read, translated or created
├── PortInUse          6   another program listens on the wished port
├── StackRunning       7   the state folder already belongs to a running stack
├── StackNotRunning    8   there is no running stack in the state folder
├── StackFailed        9   the stack stopped while it started, or a part of it died
└── FunctionsFaulty   15   functions did not start in AWS's image, or answered what they should not
"""

from __future__ import annotations

from collections.abc import Mapping


class SandboxError(Exception):
    """The local stack cannot do what it was asked; the message says what to do about it."""

    exit_code = 1


class MissingTool(SandboxError):
    """A program or package that the stack needs is not installed."""

    exit_code = 3


class BuildFailed(SandboxError):
    """`sam build`, or the installation of the Lambda runtime client, ended with an error."""

    exit_code = 4


class BrokenTemplate(SandboxError):
    """The template cannot be read, translated, or created in the local storage."""

    exit_code = 5


class PortInUse(SandboxError):
    """Another program listens on the wished port."""

    exit_code = 6


class StackRunning(SandboxError):
    """The state folder already belongs to a running stack."""

    exit_code = 7


class StackNotRunning(SandboxError):
    """No running stack was found in the state folder."""

    exit_code = 8


class StackFailed(SandboxError):
    """The stack ended while it was starting, or one of its parts died."""

    exit_code = 9


class FunctionsFaulty(SandboxError):
    """Functions did not start in AWS's image, or did not answer their events as they should.

    Parameters
    ----------
    faults : mapping   function -> what is wrong with it
    """

    exit_code = 15

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("\n  ".join(["in AWS's image:", *(f"{name}: {fault}" for name, fault in faults.items())]))
