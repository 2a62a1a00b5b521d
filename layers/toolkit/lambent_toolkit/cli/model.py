"""The command `publish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.key import KEY_FILE, find_signer
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

Folder = Annotated[Path, typer.Argument(help="Folder that `lambent train` wrote.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(takes_stack(publish))


def publish(
    folder: Folder,
    sign: Annotated[
        Path | None,
        typer.Option(help=f"Private key that signs the version; {KEY_FILE} if that exists.", show_default=False),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Publish against failed checks of activation, report, quality, sense, signature; needs --why.",
        ),
    ] = False,
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="Why this version; kept with it. --force needs it.", show_default=False)
    ] = "",
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="Who you are, if not this machine's user.", show_default=False),
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """Publish a finished folder as the next version; versions never change.

    All checks of the gate are made first and shown; one that fails ends the command with 31.
    """
    if force and not why.strip():
        raise typer.BadParameter("--force needs --why", param_hint="--force")
    console = screen()
    with ending_on_failure():
        from getpass import getuser

        from lambent.contracts.model import Forced
        from lambent_toolkit.cli.tables import checks_table
        from lambent_toolkit.modelkit.artifact import Artifact
        from lambent_toolkit.modelkit.gate import check_artifact, check_signer, open_gate
        from lambent_toolkit.modelkit.pinned_keys import pinned_keys
        from lambent_toolkit.modelkit.publishing import Publisher
        from lambent_toolkit.stacks.find import find_stack

        who = getuser() if by is None else by
        target, signer = find_stack(stack), find_signer(sign)
        publisher = Publisher(target, signer=signer, by=who)
        artifact = Artifact.read(folder)
        checks = check_artifact(artifact)
        if (verifier := pinned_keys(target)) is not None:
            checks.append(check_signer(signer, verifier))
        console.print(checks_table(checks))
        failed = open_gate(checks, is_forced=force)
        forced = Forced(by=who, why=why, failed_checks=failed) if failed else None
        record = publisher.publish(artifact, forced=forced, why=why)
    if forced is not None:
        console.print(f"forced by {forced.by} against {', '.join(forced.failed_checks)}: {forced.why}", markup=False)
    signed = f"signed by key {record.signature.key_id}" if record.signature else "not signed"
    console.print(f"published {record.ref} (manifest sha256 {record.manifest_sha256[:12]}, {signed})")
    console.print(f"Next: lambent label set {record.ref.name} live {record.ref.version}")
