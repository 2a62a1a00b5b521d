"""The command that shows a published version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.shown import Shown
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(takes_stack(show))


def show(
    model: Annotated[str, typer.Argument(metavar="MODEL[@VERSION|@LABEL]", show_default=False)],
    *,
    stack: StackChoice,
) -> None:
    """Show a version: its model card, its files, who published it and what points to it."""
    with ending_on_failure():
        from lambent_toolkit.modelkit.rollout import Rollout
        from lambent_toolkit.modelkit.shown import parse_choice, show_version
        from lambent_toolkit.stacks.find import find_stack

        rollout = Rollout(find_stack(stack))
        shown = show_version(parse_choice(model), registry=rollout.registry, files=rollout.files)
    print_version(shown)


def print_version(shown: Shown) -> None:
    """Print a version."""
    from rich.markdown import Markdown

    from lambent_toolkit.cli.registry_tables import print_versions
    from lambent_toolkit.cli.tables import plain_table

    console = screen()
    print_versions(console, [(shown.record, shown.labels)])
    by = f"by {shown.record.by or 'nobody known'}" + (f": {shown.record.why}" if shown.record.why else "")
    console.print(by, markup=False)
    files = plain_table("file", "size", "sha256", right=(1,))
    for name, entry in shown.manifest.files.items():
        files.add_row(name, f"{entry.size_bytes / 1000:.1f} kB", entry.sha256[:12])
    console.print(files)
    if (forced := shown.manifest.forced) is not None:
        console.print(f"forced by {forced.by} against {', '.join(forced.failed_checks)}: {forced.why}", markup=False)
    console.print(Markdown(shown.card))
