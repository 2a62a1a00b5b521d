"""The local stack: the real template on one machine, without AWS and without Docker. See README.md."""

from lambent_toolkit.sandbox.errors import SandboxError
from lambent_toolkit.sandbox.local_stack import LocalStack
from lambent_toolkit.sandbox.stack_info import StackInfo

__all__ = ["LocalStack", "SandboxError", "StackInfo"]
