"""Commands for data sets: data add, data list, data show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.datasets.checks import Checks
    from lambent_toolkit.modelkit.datasets.store import Stored
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

DATA_DIR = Path(".lambent/data")

Store = Annotated[Path, typer.Option("--store", help="Folder of data sets.")]

data_app = typer.Typer(no_args_is_help=True, help="Data sets: add with checks, list, show.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(data_app, name="data")


def _column(help_: str) -> Any:
    return typer.Option(metavar="COLUMN", help=help_, show_default=False)


@data_app.command()
@takes_stack
def add(  # noqa: PLR0917 - typer makes options of them
    name: Annotated[str, typer.Argument(help="What recipes will call it.", show_default=False)],
    source: Annotated[
        str,
        typer.Argument(
            help="A folder with a folder for each class (below train/, validation/, test/ if it has parts), a .csv, "
            ".tsv or .jsonl file, or either in S3: s3://BUCKET/PREFIX.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        Literal["image", "text", "tabular"] | None,
        typer.Option(help="Of the items; guessed unless named.", show_default=False),
    ] = None,
    label: Annotated[str | None, _column("Class of a table's row; `label` unless named.")] = None,
    target: Annotated[str | None, _column("Number to be predicted, instead of a class.")] = None,
    text: Annotated[str | None, _column("Text of a table's row; `text` unless named.")] = None,
    image: Annotated[str | None, _column("Path of a row's picture, below the table's folder.")] = None,
    split: Annotated[str | None, _column("Part of a row: train, validation or test; `split` if it says so.")] = None,
    slice_: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="COLUMN",
            help="Evaluation looks at its values one by one; again for more.",
            show_default=False,
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", metavar="COLUMN", help="Not for the model; again for more.", show_default=False),
    ] = None,
    separator: Annotated[str | None, typer.Option(help="Of a CSV's cells, unless a comma.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the split.")] = 7,
    validation_share: Annotated[float, typer.Option(help="Of all items, 0 to 1.")] = 0.15,
    test_share: Annotated[float, typer.Option(help="Of all items, 0 to 1.")] = 0.2,
    near_duplicates: Annotated[
        Literal["report", "together", "ignore"],
        typer.Option(help="Tell of them, keep them in one part, or do not look for them."),
    ] = "report",
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out what serving could not read, instead of refusing.")
    ] = False,
    max_pixels: Annotated[int, typer.Option(min=1, help="Of a picture; the contract's limit.")] = 16_000_000,
    max_item_bytes: Annotated[int, typer.Option(min=1, help="Of an item; the contract's limit.")] = 20_000_000,
    store: Store = DATA_DIR,
    *,
    stack: StackChoice,
) -> None:
    """Add a data set: read every item, split without leaks, check, report. The same data again changes nothing."""
    console = screen()
    with ending_on_failure():
        from lambent.contracts.model import Limits
        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit.datasets.adding import AddOptions, add_data_set
        from lambent_toolkit.modelkit.datasets.candidates import SourceOptions
        from lambent_toolkit.modelkit.datasets.grouping import Shares
        from lambent_toolkit.stacks.find import find_stack_if_said

        options = AddOptions(
            SourceOptions(
                kind=kind,
                label=label,
                target=target,
                text=text,
                image=image,
                split=split,
                slices=tuple(slice_ or ()),
                leave_out=tuple(leave_out or ()),
                separator=separator,
                limits=Limits(max_input_bytes=max_item_bytes, max_pixels=max_pixels),
            ),
            Shares(validation_share, test_share, seed),
            near_duplicates=near_duplicates,
            skip_unreadable=skip_unreadable,
        )
        near = find_stack_if_said(stack)
        s3 = None if near is None else near.client("s3")
        with ConsoleWatcher(console) as watcher:
            added = add_data_set(name, source, options, store=store, watcher=watcher, s3=s3)
        record = added.stored.record
        if not added.is_new:
            console.print(f"{record.full_name} is the same already; nothing was added.", soft_wrap=True)
        _print(added.stored, added.checks)
        console.print(f'In a recipe: return DataSet.open("{record.name}")', markup=False, soft_wrap=True)
        if near is not None:
            variables = " ".join(f"{key}={value}" for key, value in near.environment().items())
            console.print(f"Before recipes read it: export {variables}", markup=False, soft_wrap=True)


@data_app.command("list")
def list_(store: Store = DATA_DIR) -> None:
    """List data sets and their versions."""
    with ending_on_failure():
        from lambent_toolkit.cli.tables import plain_table
        from lambent_toolkit.modelkit.datasets.store import DataStore

        files = DataStore(store)
        found = [files.find(f"{name}@{version}").record for name in files.names() for version in files.versions(name)]
    if not found:
        screen().print(f"No data sets in {store}. Add one: lambent data add NAME SOURCE", markup=False)
        return
    table = plain_table(
        "data set", "kind", "classes", "train", "validation", "test", "added", "sha256", right=(2, 3, 4, 5)
    )
    for record in found:
        counts = [f"{each:,}" for each in (record.counts.train, record.counts.validation, record.counts.test)]
        classes = str(len(record.labels)) if record.labels else ""
        table.add_row(
            record.full_name, record.kind, classes, *counts, record.created_at[:10], record.manifest_sha256[:12]
        )
    screen().print(table)


@data_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", show_default=False)], store: Store = DATA_DIR
) -> None:
    """Show a data set: its parts, its classes, what the checks found."""
    with ending_on_failure():
        from lambent_toolkit.modelkit.datasets.adding import load_checks
        from lambent_toolkit.modelkit.datasets.store import DataStore

        stored = DataStore(store).find(name)
        _print(stored, load_checks(stored))


def _print(stored: Stored, checks: Checks) -> None:
    from lambent_toolkit.modelkit.datasets import tables_shown
    from lambent_toolkit.modelkit.datasets.manifest import REPORT_FILE
    from lambent_toolkit.reporting.terminal import terminal_table

    console = screen()
    record = stored.record
    console.print(f"{record.full_name}: {tables_shown.headline(record)}", markup=False, soft_wrap=True)
    for note in checks.notes:
        console.print(note, markup=False, soft_wrap=True)
    if record.labels:
        console.print(terminal_table(tables_shown.balance_table(checks, at_most=tables_shown.TERMINAL_CLASSES)))
    else:
        console.print(terminal_table(tables_shown.targets_table(checks)))
    console.print(terminal_table(tables_shown.findings_table(checks)))
    if checks.suspects.listed:
        console.print(terminal_table(tables_shown.suspects_table(checks, at_most=tables_shown.TERMINAL_SUSPECTS)))
    console.print(f"Report: {stored.folder / REPORT_FILE}", markup=False, soft_wrap=True)
