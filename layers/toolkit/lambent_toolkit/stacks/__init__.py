"""Which stack a command means, local or deployed, and how to talk to it; nothing here starts or changes one."""

from lambent_toolkit.stacks.deployed import DeployedStack, describe_deployed
from lambent_toolkit.stacks.find import StackChoice, find_door, find_stack, find_stack_if_said
from lambent_toolkit.stacks.stack import Door, Stack

__all__ = [
    "DeployedStack",
    "Door",
    "Stack",
    "StackChoice",
    "describe_deployed",
    "find_door",
    "find_stack",
    "find_stack_if_said",
]
