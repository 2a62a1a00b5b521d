"""`lambent demo`: the main job from training to all three doors, on a stack of its own."""

from __future__ import annotations

import shutil
import signal
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter
from typing import TYPE_CHECKING

import typer

from lambent_toolkit.cli.failures import ending_on_failure, say_failure
from lambent_toolkit.cli.interrupts import insisting
from lambent_toolkit.cli.screen import screen

if TYPE_CHECKING:
    from lambent_toolkit.sandbox import StackInfo


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(demo)


def demo() -> None:
    """Train, quantize, publish and predict through all three doors; every step checks its own result."""
    # Not at the top: `lambent --help` loads this module.
    from lambent_toolkit.demo.local import own_stack
    from lambent_toolkit.demo.stage import DemoFailed, Stage
    from lambent_toolkit.demo.story import heading, play

    console = screen()
    # Both unwind the stack's and the folders' blocks.
    with ending_on_failure(), _ending_on_sigterm(), TemporaryDirectory(prefix="lambent-demo-") as folder:
        heading(console, "The local stack: the real template, deployed on this machine")
        start = perf_counter()
        with own_stack(lambda text: console.print(f"  [dim]{text} …[/]")) as stack:
            started_s = perf_counter() - start
            stage = Stage(console, stack, Path(folder) / "digits")
            stage.say(f"HTTP door {stack.url}, storage and queues {stack.endpoint}, ready in {started_s:.1f} s")
            try:
                play(stage, taken_s={"local stack": started_s})
            except DemoFailed as exc:
                say_failure(f"The demo failed in {exc}\nThe logs of its functions are kept in {_keep_logs(stack)}")
                raise typer.Exit(1) from exc


def _ending_on_sigterm() -> AbstractContextManager[None]:
    return insisting([signal.SIGTERM], lambda number: SystemExit(128 + number))


def _keep_logs(stack: StackInfo) -> Path:
    kept = Path(mkdtemp(prefix="lambent-demo-logs-"))
    shutil.copytree(stack.logs, kept, dirs_exist_ok=True)
    return kept
