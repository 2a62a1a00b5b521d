"""Commands around a stack as a whole: up and down for a local one, status and logs for any."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.interrupts import insisting
from lambent_toolkit.cli.key import find_signer
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent.ports import Signer
    from lambent_toolkit.sandbox.local_stack import StackProcess
    from lambent_toolkit.sandbox.stack_info import StackInfo
    from lambent_toolkit.stacks.deployed import DeployedStack
    from lambent_toolkit.stacks.deployed_logs import LogEvent
    from lambent_toolkit.stacks.find import StackChoice
    from lambent_toolkit.stacks.stack import Stack

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

STATE_DIR = Path(".lambent")
FOLLOW_EVERY_S = 0.2
FOLLOW_DEPLOYED_EVERY_S = 2.0
LATE_MS = 60_000
SINCE = "1h"

State = Annotated[Path, typer.Option("--state", help="State folder of the stack.")]


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (up, takes_stack(status), takes_stack(logs), down):
        app.command()(command)


def up(  # noqa: PLR0917 - typer passes every option by name
    state: State = STATE_DIR,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the HTTP door; 0 takes any free one.")] = 8080,
    demo: Annotated[bool, typer.Option("--demo", help="Publish the demo model, trained once and cached.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return when ready; `lambent down` ends the stack.")] = False,
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Override a template parameter.", show_default=False)
    ] = None,
    pin: Annotated[
        list[Path] | None,
        typer.Option(help="Public key, by which versions must be signed to be served.", show_default=False),
    ] = None,
    retry_scale: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of AWS's wait before a retry that is waited; 1 is all.")
    ] = 1 / 60,
    max_environments: Annotated[
        int | None, typer.Option(min=1, help="Execution environments of one function.", show_default=False)
    ] = None,
    account_concurrency: Annotated[
        int, typer.Option(min=1, help="Invocations of all functions at once; 10 is a new account of AWS.")
    ] = 1000,
    sam_deploy: Annotated[
        bool, typer.Option("--sam-deploy", help="Make the stack by the real `sam deploy`, and run what it uploaded.")
    ] = False,
    no_iam: Annotated[bool, typer.Option("--no-iam", help="Let everyone do all, whatever the policies say.")] = False,
) -> None:
    """Run the template on this machine until Ctrl-C; needs neither AWS nor Docker.

    What a stack holds does not survive `down`. Exit codes: 3 a tool is missing, 4 the build failed, 5 the template is
    broken, 6 the port is in use, 7 the state folder's stack already runs, 9 a part of the stack broke.
    """
    with ending_on_failure():
        from lambent_toolkit.cli.parameters import parse_parameters
        from lambent_toolkit.sandbox.local_stack import StackProcess, stack_options

        limits = {} if max_environments is None else {"max_environments": max_environments}
        options = stack_options(
            state,
            port=port,
            parameters=parse_parameters(parameter) | _pinned(pin),
            retry_scale=retry_scale,
            account_concurrency=account_concurrency,
            sam_deploy=sam_deploy,
            is_iam_enforced=not no_iam,
            **limits,
        )
        with _signals_as_exit():
            process = StackProcess(options, is_linked=not detach)
            is_kept = False
            try:
                info = process.wait_until_ready(_say)
                if demo:
                    _publish_demo(info, pin or [])
                _announce(info)
                is_kept = detach
                if not detach:
                    _stay(process)
            finally:
                if not is_kept:
                    process.stop()


def _pinned(public_keys: list[Path] | None) -> dict[str, str]:
    if not public_keys:
        return {}
    from lambent_toolkit.modelkit.signing import read_public_key

    return {"ModelPublicKeys": ",".join(read_public_key(path).parameter for path in public_keys)}


def _signals_as_exit() -> AbstractContextManager[None]:
    """Let SIGTERM and a closed terminal unwind the stack as Ctrl-C does."""
    return insisting([signal.SIGTERM, signal.SIGHUP, signal.SIGINT], lambda number: typer.Exit(128 + number))


def _publish_demo(info: StackInfo, pinned: list[Path]) -> None:
    from lambent_toolkit.modelkit.demo_model import publish_demo_model

    signer = _demo_signer(pinned)
    _say("publishing the demo model (the first time, training it)")
    publish_demo_model(info, signer=signer)


def _demo_signer(pinned: list[Path]) -> Signer | None:
    """Return the key that signs the demo model: the private half beside a pinned key, else as for `lambent publish`."""
    from lambent_toolkit.modelkit.signing import read_public_key

    beside = [path.with_suffix("") for path in pinned if path.suffix == ".pub"]
    signer = find_signer(next((path for path in beside if path.is_file()), None))
    known = [read_public_key(path).key_id for path in pinned]
    if known and (signer is None or signer.key_id not in known):
        _say(f"no private half of {', '.join(known)} is here: this stack will refuse the demo model")
    return signer


def _announce(info: StackInfo) -> None:
    wait = "as AWS" if info.retry_scale >= 1 else f"{info.retry_scale:.3g} of AWS's time"
    _say(f"What this stack holds does not survive `lambent down`. Retries wait {wait} (--retry-scale).")
    print(f"ready url={info.url} key={info.api_key} endpoint={info.endpoint}", flush=True)


def _stay(process: StackProcess) -> None:
    process.wait()
    _say("the stack was ended from elsewhere")


def _say(text: str) -> None:
    print(f"lambent: {text}", file=sys.stderr, flush=True)


def status(*, stack: StackChoice) -> None:
    """Show what a stack is, where it answers, and how full its queues are."""
    with ending_on_failure():
        from lambent_toolkit.stacks.find import find_stack

        found = find_stack(stack)
        console, facts = screen(), found.facts()
        width = max(map(len, facts))
        for name, value in facts.items():  # each on a line of its own, to be copied and searched: a table would cut it
            console.print(f"{name:{width}}  {value}", markup=False, highlight=False, soft_wrap=True)
        console.print(_queue_table(found))


def _queue_table(stack: Stack) -> object:
    from rich.table import Table

    table = Table("queue", "waiting", "in flight")
    sqs = stack.client("sqs")
    waiting, in_flight = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
    for name, url in sorted(stack.queues.items()):
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waiting, in_flight])["Attributes"]
        table.add_row(name, counts[waiting], counts[in_flight])
    return table


def logs(
    function: Annotated[str | None, typer.Argument(help="e.g. predict; all if left out.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(metavar="TIME", help="Of a deployed stack: from 30m, 2h or 1d ago on.")] = SINCE,
    *,
    stack: StackChoice,
) -> None:
    """Print the logs of one function, or of everything: of a local stack all, of a deployed one the last hour."""
    with ending_on_failure():
        from lambent_toolkit.stacks.deployed import DeployedStack
        from lambent_toolkit.stacks.find import find_stack

        found = find_stack(stack)
        try:
            if isinstance(found, DeployedStack):
                _deployed_logs(found, function, since=since, is_followed=follow)
            else:
                _local_logs(Path(found.logs), function, is_followed=follow)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _local_logs(folder: Path, function: str | None, *, is_followed: bool) -> None:
    chosen = None if function is None else folder / f"{function}.log"
    if chosen is not None and not chosen.exists():
        raise _no_log(function, (path.stem for path in folder.glob("*.log")))
    places: dict[Path, int] = {}
    _print_new(folder, chosen, places)
    while is_followed:
        time.sleep(FOLLOW_EVERY_S)
        _print_new(folder, chosen, places)


def _no_log(function: str | None, known: Iterable[str]) -> typer.BadParameter:
    return typer.BadParameter(
        f"there is no log of {function}; there are {', '.join(sorted(known))}", param_hint="FUNCTION"
    )


def _deployed_logs(stack: DeployedStack, function: str | None, *, since: str, is_followed: bool) -> None:
    from lambent_toolkit.jobs.request import span_of
    from lambent_toolkit.stacks.deployed_logs import DeployedLogs

    span = span_of(since)
    if span is None:
        raise typer.BadParameter(f"{since!r} is no time like 90s, 30m, 2h or 1d", param_hint="--since")
    logs = DeployedLogs(stack)
    if function is not None and function not in logs.groups:
        raise _no_log(function, logs.groups)
    names = list(logs.groups) if function is None else [function]
    since_ms = int((time.time() - span.total_seconds()) * 1000)
    while True:
        for event in sorted((each for name in names for each in logs.new_events(name, since_ms)), key=_by_time):
            print(event.text if function is not None else f"{event.source}: {event.text}", flush=True)
        if not is_followed:
            return
        # A minute again: what is logged arrives late, and each event is told once.
        since_ms = max(since_ms, int(time.time() * 1000) - LATE_MS)
        logs.forget(since_ms)
        time.sleep(FOLLOW_DEPLOYED_EVERY_S)


def _by_time(event: LogEvent) -> int:
    return event.at_ms


def _print_new(folder: Path, chosen: Path | None, places: dict[Path, int]) -> None:
    """Print whole lines that came since the last time; several logs get their name in front."""
    for path in [chosen] if chosen is not None else sorted(folder.rglob("*.log")):
        with path.open("rb") as log:
            log.seek(places.get(path, 0))
            text, newline, _ = log.read().rpartition(b"\n")
        places[path] = places.get(path, 0) + len(text) + len(newline)
        label = "" if chosen is not None else f"{path.relative_to(folder).with_suffix('')}: "
        for line in text.decode(errors="replace").splitlines():
            print(f"{label}{line}")
    sys.stdout.flush()


def down(state: State = STATE_DIR) -> None:
    """End the stack of a state folder; what it held is gone, its logs stay."""
    with ending_on_failure():
        from lambent_toolkit.sandbox.local_stack import stop_stack

        info = stop_stack(state)
        _say(f"ended the stack at {info.url}; its logs are in {info.logs}")
