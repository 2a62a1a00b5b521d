"""What may stop a deployment, each with the exit code that `lambent` ends with.

DeployError
├── SettingMissing     150   nothing says which stack, or where, and nobody can be asked
├── ParameterRefused   151   CloudFormation would not take a template parameter, or a combination of them
└── DeployFailed       152   `sam build` or `sam deploy` failed; it has said why
"""

from __future__ import annotations

from lambent_toolkit.stacks.errors import StackError


class DeployError(StackError):
    """A stack cannot be deployed as asked."""


class SettingMissing(DeployError):
    """Nothing says which stack, or where, and nobody can be asked."""

    exit_code = 150


class ParameterRefused(DeployError):
    """CloudFormation would not take a template parameter, or a combination of them."""

    exit_code = 151


class DeployFailed(DeployError):
    """`sam build` or `sam deploy` failed; it has said why."""

    exit_code = 152
