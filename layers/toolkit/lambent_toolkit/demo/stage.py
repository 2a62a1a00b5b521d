"""What the steps of the demo share: the console, the running stack and the checks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from rich.console import Console, RenderableType
from rich.padding import Padding

from lambent_toolkit.stacks.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambent_toolkit.modelkit.artifact import Artifact

TENANT = "default"  # whom the stack's own API key belongs to, see DefaultTenant in template.yaml
MODEL = "digits"
_PAUSE_S = 0.2
T = TypeVar("T")


class DemoFailed(Exception):
    """A step's result is not what it must be."""


@dataclass
class Stage:
    """The demo while it runs.

    Parameters
    ----------
    console
    stack        the demo's own local stack
    folder       where the model is made
    pages        what people look at is kept here: reports with plots, model cards
    artifact     the finished model, once it is evaluated
    figures      what the closing table shows: name → value with its unit
    model_name   under which it is published
    tenant       whom the stack's own API key belongs to
    run          what ids of jobs begin with
    patience     how much longer than a stack of this machine the stack may take
    """

    console: Console
    stack: Stack
    folder: Path
    pages: Path = Path(".lambent/demo")
    artifact: Artifact | None = None
    figures: dict[str, str] = field(default_factory=dict)
    model_name: str = MODEL
    tenant: str = TENANT
    run: str = "demo"
    patience: float = 1.0

    @cached_property
    def http(self) -> httpx.Client:
        """A client of the HTTP door with the stack's key."""
        return httpx.Client(base_url=self.stack.url, headers={"x-api-key": self.stack.api_key}, timeout=60)

    @cached_property
    def s3(self) -> Any:
        """A boto3 client."""
        return self.stack.client("s3")

    @cached_property
    def sqs(self) -> Any:
        """A boto3 client."""
        return self.stack.client("sqs")

    @property
    def model(self) -> Artifact:
        """The finished model."""
        if self.artifact is None:
            raise DemoFailed("no model has been made yet")
        return self.artifact

    def put(self, key: str, body: bytes) -> str:
        """Put an object into the data bucket and return its ``s3://`` address."""
        self.s3.put_object(Bucket=self.stack.buckets["data"], Key=key, Body=body)
        return f"s3://{self.stack.buckets['data']}/{key}"

    def get(self, key: str) -> bytes | None:
        """Return an object of the data bucket, or None if there is none."""
        try:
            return bytes(self.s3.get_object(Bucket=self.stack.buckets["data"], Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def say(self, text: str) -> None:
        """Print a line of the story."""
        self.show(text)

    def show(self, what: RenderableType) -> None:
        """Print something, indented like the rest of the step."""
        self.console.print(Padding(what, (0, 0, 0, 2), expand=False))

    def wait_for(self, get: Callable[[], T | None], *, what: str, limit_s: float) -> T:
        """Ask until there is an answer; raises DemoFailed after ``limit_s`` times the stack's patience."""
        return wait_for(get, what=what, limit_s=limit_s * self.patience)

    def keep(self, made: Path) -> Path:
        """Copy a page that a step has made, so that it outlives the demo; return where it is now."""
        kept = self.pages / made.relative_to(self.folder.parent)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, kept)
        return kept

    def check(self, is_true: bool, promise: str, *, got: object = None) -> None:
        """Show that a promise holds; raises DemoFailed if it does not."""
        if not is_true:
            raise DemoFailed(f"{promise}: it is not so" + (f", got {got}" if got is not None else ""))
        self.proven(promise)

    def proven(self, promise: str) -> None:
        """Show a promise that the step has already failed on, were it not so."""
        self.show(f"[green]✓[/] {promise}")


def wait_for(get: Callable[[], T | None], *, what: str, limit_s: float) -> T:
    """Ask until there is an answer; raises DemoFailed after ``limit_s``."""
    deadline_s = monotonic() + limit_s
    while monotonic() < deadline_s:
        answer = get()
        if answer is not None:
            return answer
        sleep(_PAUSE_S)
    raise DemoFailed(f"{what} did not come within {limit_s:.0f} s")
