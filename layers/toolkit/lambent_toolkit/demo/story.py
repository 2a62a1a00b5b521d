"""The steps in their order, timed, with a closing table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from lambent.errors import LambentError
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.demo import archive, batch, card, doors, making, refusals, rollout
from lambent_toolkit.demo.stage import DemoFailed, Stage
from lambent_toolkit.modelkit.errors import ModelkitError
from lambent_toolkit.sandbox import SandboxError

_HINTS = (
    ("make up", "keep such a stack running, for the README's curl lines"),
    ("lambent train digits --out digits", "go through the steps above by hand"),
    ("make test", "run the whole test suite"),
)
# What a step may meet when a part of the stack does not answer as it should.
_FAILURES = (DemoFailed, LambentError, ModelkitError, SandboxError, httpx.HTTPError, BotoCoreError, ClientError)


@dataclass(frozen=True)
class Step:
    """One step: its name in the closing table, its heading and what it does."""

    name: str
    heading: str
    play: Callable[[Stage], None]


STEPS = (
    Step("train", "Train the article's network on real handwritten digits", making.train),
    Step("quantize", "Quantize: five forms, each measured in the serving interpreter", making.quantize),
    Step("evaluate", "Evaluate the chosen form on digits that nobody has looked at", making.evaluate),
    Step("publish", "Past the gate: an immutable version, and the label live", making.publish),
    Step("HTTP", "Door 1, HTTP: a picture, and an Open Inference Protocol tensor", doors.predict_over_http),
    Step("upload", "Door 2, S3: put a file, find its result", doors.predict_uploads),
    Step("queue", f"Door 3, SQS: {batch.ITEMS} images as an AWS Batch array job", batch.predict_batch),
    Step("archive", "Door 2 again: a zip of pictures is a batch; two of them are none", archive.predict_archive),
    Step("refusals", "One bad input at each door", refusals.refuse),
    Step("second", "A second version with half the filters: is it as good?", rollout.make_second),
    Step("rollout", "A canary at 20 %, promote, rollback", rollout.roll_out),
    Step("card", "The model card of what is live", card.show_card),
)


def play(stage: Stage, *, taken_s: dict[str, float], steps: Sequence[Step] = STEPS) -> None:
    """Play all steps and show the closing table.

    Parameters
    ----------
    stage
    steps
    taken_s   what took time before the first step: name → seconds; the steps' times are added

    Raises
    ------
    DemoFailed   a step's result is not what it must be; the message names the step
    """
    for number, step in enumerate(steps, start=1):
        heading(stage.console, f"{number}  {step.heading}")
        start = perf_counter()
        try:
            step.play(stage)
        except _FAILURES as exc:
            raise DemoFailed(f"step {number} ({step.name}): {exc}") from exc
        taken_s[f"{number} {step.name}"] = perf_counter() - start
    _close(stage, taken_s)


def heading(console: Console, text: str) -> None:
    """Print a heading with a line to the right of it."""
    console.print()
    console.print(Rule(f"[bold]{text}[/]", align="left", style="dim"))


def _close(stage: Stage, taken_s: dict[str, float]) -> None:
    heading(stage.console, "Everything above was checked, and held")
    table = plain_table("step", "took", right=(1,))
    for name, seconds in taken_s.items():
        table.add_row(name, f"{seconds:.1f} s")
    table.add_row("together", f"{sum(taken_s.values()):.1f} s", style="bold")
    figures = plain_table("figure", "value")
    for name, value in stage.figures.items():
        figures.add_row(name, value)
    beside = Table.grid(padding=(0, 6, 0, 0))
    beside.add_row(table, figures)
    stage.show(beside)
    stage.console.print()
    for command, what in _HINTS:
        stage.say(f"[bold]{command:<38}[/][dim]{what}[/]")
