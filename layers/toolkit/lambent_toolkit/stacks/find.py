"""The one place that decides which stack a command means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambent_toolkit.sandbox.errors import StackNotRunning
from lambent_toolkit.sandbox.stack_info import StackInfo
from lambent_toolkit.stacks.deployed import describe_deployed
from lambent_toolkit.stacks.errors import StackAmbiguous, StackUnknown
from lambent_toolkit.stacks.stack import Door, Stack

STACK_VARIABLE = "LAMBENT_STACK"
URL_VARIABLE, KEY_VARIABLE = "LAMBENT_URL", "LAMBENT_API_KEY"
STATE_DIR = Path(".lambent")


@dataclass(frozen=True)
class StackChoice:
    """What a caller says about the stack that is meant; what is None was not said.

    Parameters
    ----------
    state     state folder of a local stack
    name      name of a deployed stack; the variable LAMBENT_STACK if neither is said
    region    its AWS Region, else the SDK's own
    profile   profile of the AWS credentials, else the SDK's own
    """

    state: Path | None = None
    name: str | None = None
    region: str | None = None
    profile: str | None = None

    @property
    def state_dir(self) -> Path:
        """The folder for what a command keeps beside a stack, whichever stack is meant."""
        return STATE_DIR if self.state is None else self.state


def find_stack(choice: StackChoice = StackChoice(), *, environ: Mapping[str, str] | None = None) -> Stack:
    """Return the stack that is meant.

    A deployed one that is named wins over the variable LAMBENT_STACK; without both it is the local stack of the state
    folder. Where the variable names a deployed stack and a local one runs as well, neither is guessed.

    Raises
    ------
    StackAmbiguous    both a local and a deployed stack could be meant
    StackNotRunning   the local stack is meant, and none runs
    StackError        as `describe_deployed`
    """
    variables = os.environ if environ is None else environ
    _check(choice)
    if choice.name is not None:
        return _deployed(choice, choice.name, variables)
    named = variables.get(STACK_VARIABLE, "").strip()
    if choice.state is not None or not named:
        return _local(choice, named)
    if _runs(STATE_DIR):
        raise StackAmbiguous(
            f"{STACK_VARIABLE} names the deployed stack {named}, and a local stack runs in {STATE_DIR}: say which one, "
            f"--stack {named} or --state {STATE_DIR}."
        )
    return _deployed(choice, named, variables)


def find_stack_if_said(choice: StackChoice, *, environ: Mapping[str, str] | None = None) -> Stack | None:
    """Return the stack that is named, by an option or by the variable; None where nothing names one.

    For what can do without a stack, and would not take the local one for meant only because it runs.

    Raises
    ------
    StackError, StackNotRunning   as `find_stack`
    """
    variables = os.environ if environ is None else environ
    if choice == StackChoice() and not variables.get(STACK_VARIABLE, "").strip():
        return None
    return find_stack(choice, environ=variables)


def find_door(choice: StackChoice = StackChoice(), *, environ: Mapping[str, str] | None = None) -> Door:
    """Return address and key of the stack that is meant, for what speaks HTTP only.

    Beside a stack, the variables LAMBENT_URL and LAMBENT_API_KEY name a door: for who has a key and no AWS account.

    Raises
    ------
    StackAmbiguous   several stacks could be meant, or one of the two variables is set and nothing else
    StackError       as `find_stack`
    """
    variables = os.environ if environ is None else environ
    url, key = variables.get(URL_VARIABLE, ""), variables.get(KEY_VARIABLE, "")
    is_said = choice.state is not None or choice.name is not None or bool(variables.get(STACK_VARIABLE, "").strip())
    if is_said or not (url or key):
        stack = find_stack(choice, environ=variables)
        return Door(stack.url, stack.api_key)
    if not (url and key):
        missing = KEY_VARIABLE if url else URL_VARIABLE
        raise StackAmbiguous(
            f"{missing} is not set: a door needs both {URL_VARIABLE} and {KEY_VARIABLE}, or name a stack: --stack NAME."
        )
    door = Door(url.rstrip("/"), key)
    if _runs(STATE_DIR) and StackInfo.load(STATE_DIR).url != door.url:
        raise StackAmbiguous(
            f"{URL_VARIABLE} names {door.url}, and a local stack runs in {STATE_DIR}: say --state {STATE_DIR} for that "
            f"one, unset {URL_VARIABLE}, or end the local one by `lambent down`."
        )
    return door


def _check(choice: StackChoice) -> None:
    if choice.name is not None and not choice.name.strip():
        raise StackUnknown("--stack was given no name: --stack NAME, as CloudFormation lists it.")
    if choice.state is not None and choice.name is not None:
        raise StackAmbiguous(
            f"--state {choice.state} is a local stack and --stack {choice.name} a deployed one: say one of them."
        )
    if choice.state is not None and (choice.region or choice.profile):
        raise StackAmbiguous("--region and --profile are for a deployed stack, and --state names a local one.")


def _local(choice: StackChoice, named: str) -> StackInfo:
    if choice.region or choice.profile:
        raise StackAmbiguous("--region and --profile are for a deployed stack: say which one, --stack NAME.")
    try:
        return StackInfo.load(choice.state_dir)
    except StackNotRunning as exc:
        hint = (
            "" if choice.state is not None or named else f", or name a deployed one: --stack NAME, or {STACK_VARIABLE}"
        )
        raise StackNotRunning(f"{exc}{hint}") from None


def _deployed(choice: StackChoice, name: str, variables: Mapping[str, str]) -> Stack:
    return describe_deployed(name, region=choice.region, profile=choice.profile, environ=variables)


def _runs(state_dir: Path) -> bool:
    try:
        StackInfo.load(state_dir)
    except StackNotRunning:
        return False
    return True
