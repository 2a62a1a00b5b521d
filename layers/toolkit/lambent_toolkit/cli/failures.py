"""Errors made on purpose end a command with one line and their exit code; anything else is a bug and shows itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lambent_toolkit.stacks.errors import StackError

REFUSED = 20  # exit code of errors that the services themselves raise, e.g. model_not_found

INTERRUPTED = 130  # what shells use for Ctrl-C


@contextmanager
def ending_on_failure() -> Iterator[None]:
    """Turn the errors of stacks, of the model kit, of the services and of AWS into a message and an exit code."""
    # Not at the top: `lambent --help` should not load what no command has asked for.
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    from lambent.errors import LambentError
    from lambent_toolkit.dead_letters.errors import DeadLetterError
    from lambent_toolkit.modelkit.errors import ModelkitError
    from lambent_toolkit.sandbox.errors import SandboxError
    from lambent_toolkit.stacks.errors import StackError, told

    try:
        yield
    except (DeadLetterError, ModelkitError, SandboxError, StackError) as exc:
        missing = _what_the_caller_lacks(exc)
        say_failure(str(exc) if missing is None else f"{exc} {missing}")
        raise typer.Exit((missing or exc).exit_code) from exc
    except KeyboardInterrupt as exc:
        say_failure("Stopped.")
        raise typer.Exit(INTERRUPTED) from exc
    except (BotoCoreError, ClientError, ResponseParserError) as exc:
        failure = told(exc)
        say_failure(str(failure))
        raise typer.Exit(failure.exit_code) from exc
    except LambentError as exc:
        # An adapter tells callers of the API nothing of AWS; who runs the command owns the credentials.
        if (missing := _what_the_caller_lacks(exc)) is not None:
            say_failure(str(missing))
            raise typer.Exit(missing.exit_code) from exc
        cause = exc.__cause__
        told_by_aws = f" {told(cause)}" if isinstance(cause, BotoCoreError | ClientError) else ""
        say_failure(f"{exc.detail} ({exc.code}){told_by_aws}")
        raise typer.Exit(REFUSED) from exc


def _what_the_caller_lacks(exc: Exception) -> StackError | None:
    """Return the right or the credentials for want of which AWS refused a call; None if it was for another reason."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lambent_toolkit.stacks.errors import CredentialsMissing, RightMissing, told

    cause = exc.__cause__
    failure = told(cause) if isinstance(cause, BotoCoreError | ClientError) else None
    return failure if isinstance(failure, RightMissing | CredentialsMissing) else None


def say_failure(text: str) -> None:
    """Print a failure to stderr."""
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, highlight=False).print(f"[bold red]✗[/] {escape(harmless(text))}", soft_wrap=True)


def harmless(text: str) -> str:
    """Return a text of strangers without what would move the cursor, or turn the reading direction."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def one_line(text: str) -> str:
    """Return a text of strangers as `harmless` does, its line breaks shown: one entry of a list is one line."""
    return harmless(text).replace("\n", r"\n")
