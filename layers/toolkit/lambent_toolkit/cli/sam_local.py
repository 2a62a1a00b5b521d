"""Commands around the real `sam local`: check, start-api, invoke and verify. They need Docker and a running stack."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen

if TYPE_CHECKING:
    from lambent_toolkit.sandbox.sam_local import SamLocalFiles
    from lambent_toolkit.sandbox.sam_process import Readiness

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

STATE_DIR = Path(".lambent")
PORT = 3000  # the default of `sam local start-api`
SAMPLES = {"predict.png": "predict.png.json", "infer.json": "predict.infer.json"}

State = Annotated[Path, typer.Option("--state", help="State folder of the running stack.")]

sam_local_app = typer.Typer(no_args_is_help=True, help="Run the functions under the real `sam local` (needs Docker).")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(sam_local_app, name="sam-local")


@sam_local_app.command()
def check() -> None:
    """Tell whether a Docker engine answers."""
    with ending_on_failure():
        from lambent_toolkit.sandbox.sam_local import find_engine

        find_engine()


@sam_local_app.command("start-api")
def start_api(
    state: State = STATE_DIR,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = PORT,
) -> None:
    """Serve the API of a running stack by `sam local start-api` until Ctrl-C."""
    with ending_on_failure():
        from lambent_toolkit.sandbox.sam_local import start_api_command
        from lambent_toolkit.sandbox.sam_process import Readiness, claim_port

        port = claim_port(port)
        readiness = Readiness(port, lambda: _announce(port, state))
        command = partial(start_api_command, port=port)
        code = _run(state, command, readiness=readiness, has_api_only=True)
    raise typer.Exit(code)


@sam_local_app.command()
def invoke(
    function: Annotated[str, typer.Argument(help="Logical id, e.g. JobsFunction.", show_default=False)],
    event: Annotated[Path, typer.Argument(help="e.g. events/jobs.models.json", exists=True, show_default=False)],
    state: State = STATE_DIR,
) -> None:
    """Give one event to one function of a running stack by `sam local invoke`."""
    with ending_on_failure():
        from lambent_toolkit.sandbox.sam_local import invoke_command

        code = _run(state, partial(invoke_command, function=function, event=event.resolve()))
    raise typer.Exit(code)


@sam_local_app.command()
def verify(state: State = STATE_DIR) -> None:
    """Give every function one event in AWS's image; fails if one does not start, or answers what it should not."""
    with ending_on_failure():
        from lambent_toolkit.sandbox.errors import FunctionsFaulty
        from lambent_toolkit.sandbox.sam_probes import PROBES

        faults = {function: fault for function in PROBES if (fault := _probe(state, function)) is not None}
        if faults:
            raise FunctionsFaulty(faults)


def _probe(state: Path, function: str) -> str | None:
    """Say and return what is wrong with a function."""
    from tempfile import TemporaryFile

    from lambent_toolkit.sandbox.options import find_root
    from lambent_toolkit.sandbox.sam_local import invoke_command
    from lambent_toolkit.sandbox.sam_probes import PROBES, fault_of

    probe = PROBES[function]
    with TemporaryFile() as output:
        command = partial(invoke_command, function=function, event=find_root() / "events" / probe.event)
        code = _run(state, command, output=output)
        output.seek(0)
        fault = fault_of(probe, output.read().decode()) if code == 0 else f"sam local invoke ended with {code}"
    screen().print(f"{'✓' if fault is None else '✗'} {function} {probe.event}", soft_wrap=True)
    return fault


def _run(
    state: Path,
    command: Callable[[str, SamLocalFiles], list[str]],
    *,
    readiness: Readiness | None = None,
    has_api_only: bool = False,
    output: BinaryIO | None = None,
) -> int:
    import asyncio

    from lambent_toolkit.sandbox import sam_local
    from lambent_toolkit.sandbox.build import find_tool, make_build
    from lambent_toolkit.sandbox.local_stack import stack_options
    from lambent_toolkit.sandbox.relay import relaying
    from lambent_toolkit.sandbox.sam_process import run_sam
    from lambent_toolkit.sandbox.stack_info import StackInfo

    engine, sam, stack = sam_local.find_engine(), find_tool("sam"), StackInfo.load(state)
    build = make_build(stack_options(state), screen().print)

    async def run() -> int:
        async with relaying(sam_local.gateway_address(engine), stack.endpoint) as relay_port:
            endpoint = sam_local.container_endpoint(relay_port)
            template = sam_local.container_template(build.template, has_api_only=has_api_only)
            variables = sam_local.container_variables(stack, stack.client("lambda"), endpoint=endpoint)
            files = sam_local.write_files(
                _folder(state), template, variables, parameters=build.chosen, data_bucket=stack.buckets["data"]
            )
            try:
                environment = sam_local.sam_environment(stack)
                return await run_sam(command(sam, files), environment=environment, readiness=readiness, output=output)
            finally:
                sam_local.remove_containers(engine, endpoint=endpoint)

    return asyncio.run(run())


def _folder(state: Path) -> Path:
    return (state / "sam-local").resolve()


def _announce(port: int, state: Path) -> None:
    """Say how to call the API, with the bodies of the sample events as files."""
    from lambent_toolkit.sandbox.options import find_root
    from lambent_toolkit.sandbox.sam_local import event_body

    for name, event in SAMPLES.items():
        (_folder(state) / name).write_bytes(event_body(find_root() / "events" / event))
    url, folder = f"http://127.0.0.1:{port}", state / "sam-local"
    screen().print(
        f"ready url={url}  (sam local asks for no API key and passes none on, so /jobs answers 401 here)\n"
        f"  curl {url}/models\n"
        f"  curl -H 'Content-Type: image/png' --data-binary @{folder}/predict.png {url}/models/digits/predict\n"
        f"  curl -H 'Content-Type: application/json' -d @{folder}/infer.json {url}/v2/models/digits/infer",
        soft_wrap=True,
    )
