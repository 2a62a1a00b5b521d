"""Commands around the keys that sign versions: key new, key show. Those of API keys are in `api_key`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen

if TYPE_CHECKING:
    from lambent.ports import Signer
    from lambent_toolkit.modelkit.signing import PublicKey

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

KEY_FILE = Path(".lambent/signing-key.pem")
PUBLIC_KEY_FILE = Path(".lambent/signing-key.pem.pub")
PASSPHRASE_VARIABLE = "LAMBENT_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable

PANEL = "Keys that sign versions"

key_app = typer.Typer(no_args_is_help=True, help="API keys of tenants, and keys that sign model versions.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(key_app, name="key")


@key_app.command(rich_help_panel=PANEL)
def new(
    out: Annotated[Path, typer.Option(help="File of the private key; the public one gets .pub behind it.")] = KEY_FILE,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help=f"Ask for a passphrase (or read {PASSPHRASE_VARIABLE}).")
    ] = False,
) -> None:
    """Make a P-256 key pair; the private half stays in a file that only you can read."""
    with ending_on_failure():
        from lambent_toolkit.modelkit.signing import create_key, public_path

        public = create_key(out, passphrase=_ask(confirm=True) if passphrase else None)
    screen().print(f"key {public.key_id}: {out} (keep it secret), {public_path(out)}", markup=False)
    _tell_parameter(public)


@key_app.command(rich_help_panel=PANEL)
def show(
    key: Annotated[Path, typer.Argument(help="A .pub file.")] = PUBLIC_KEY_FILE,
) -> None:
    """Show a public key's id, and the value that pins it in a stack."""
    with ending_on_failure():
        from lambent_toolkit.modelkit.signing import read_public_key

        public = read_public_key(key)
    screen().print(f"key {public.key_id}")
    _tell_parameter(public)


def find_signer(sign: Path | None) -> Signer | None:
    """Return the key to sign with: the one named, else the one in its usual place, else none; raises KeyUnusable."""
    from lambent_toolkit.modelkit.signing import read_signer

    path = sign or (KEY_FILE if KEY_FILE.is_file() else None)
    return None if path is None else read_signer(path, passphrase=_ask)


def _tell_parameter(public: PublicKey) -> None:
    # Whole on one line, to be copied.
    screen().print(f"ModelPublicKeys={public.parameter}", soft_wrap=True)


def _ask(*, confirm: bool = False) -> str:
    import os

    given = os.environ.get(PASSPHRASE_VARIABLE)
    return given or str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm))
