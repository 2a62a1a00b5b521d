"""Commands for a model of your own: import, contract init, contract check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lambent_toolkit.cli.failures import ending_on_failure, one_line
from lambent_toolkit.cli.screen import screen, typed

if TYPE_CHECKING:
    from lambent.contracts.model import ModelContract

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="model.keras, a SavedModel folder or model.tflite.", show_default=False),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Load a file that may run its maker's code (HDF5, Lambda layers), once, apart."),
]
Tokenizer = Annotated[
    Path | None, typer.Option(help="tokenizer.json of a text model, as it was trained with.", show_default=False)
]

Wanted = Annotated[
    str | None,
    typer.Option(
        "--signature", help="Which of a SavedModel's or .tflite file's several signatures.", show_default=False
    ),
]

contract_app = typer.Typer(no_args_is_help=True, help="Draft and check the contract of a model of your own.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.command("import")(import_)
    app.add_typer(contract_app, name="contract")


def import_(  # noqa: PLR0917 - typer makes options of them
    model: Model,
    contract: Annotated[Path, typer.Option(help="contract.json; see `lambent contract init`.", show_default=False)],
    out: Annotated[Path, typer.Option(help="New folder for the model and all later steps.", show_default=False)],
    tokenizer: Tokenizer = None,
    examples: Annotated[
        Path | None,
        typer.Option(help="Folder of real items for the golden vectors, instead of seeded noise.", show_default=False),
    ] = None,
    trust: Trust = False,
    signature: Wanted = None,
) -> None:
    """Bring a model of your own: check it and its contract, and make a folder that the later steps take."""
    console = screen()
    with ending_on_failure():
        from rich.markup import escape

        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit.importing.bring import import_model
        from lambent_toolkit.modelkit.importing.golden_items import read_examples
        from lambent_toolkit.modelkit.importing.inputs import read_contract, read_tokenizer

        declared = read_contract(contract)
        items = read_examples(examples, declared) if examples else []
        with ConsoleWatcher(console) as watcher:
            record = import_model(
                model,
                declared,
                out,
                assets=read_tokenizer(tokenizer),
                examples=items,
                is_trusted=trust,
                signature=signature,
                watcher=watcher,
            )
    console.print(
        f"imported {record.source} ({record.kind}, sha256 {record.sha256[:12]}) as {declared.name} into {out}",
        markup=False,
        soft_wrap=True,
    )
    if record.changes:
        console.print(f"Made for the converter: {'; '.join(record.changes)}.", markup=False, soft_wrap=True)
    for doubt in record.doubts:
        console.print(f"[yellow]![/] {escape(one_line(doubt))}.", soft_wrap=True)
    if record.golden_from == "generated":
        console.print("Golden vectors are of seeded noise: --examples FOLDER takes real items.")
    if record.is_trusted:
        console.print("Its code was run once and is not kept: there is no model.keras for the GPU lane.")
    step = "quantize" if record.kind == "keras" and not record.is_trusted else "evaluate"
    console.print(f"Next: lambent {step} {typed(out)} --data NAME", markup=False, soft_wrap=True)


@contract_app.command("init")
def init(  # noqa: PLR0917 - typer makes options of them
    model: Model,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("contract.json"),
    name: Annotated[
        str | None, typer.Option(help="Name of the model, instead of the file's.", show_default=False)
    ] = None,
    preprocessing: Annotated[
        Literal["image", "text", "tabular", "tensor"] | None,
        typer.Option(help="What callers send; guessed only for pictures.", show_default=False),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Labels in the output's order: a file of one a line, or a,b,c.", show_default=False),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(help="Least accuracy on test data, 0 to 1, below which it is not published.", show_default=False),
    ] = None,
    max_rmse: Annotated[
        float | None,
        typer.Option(help="Largest RMSE on test data, in the answer's unit, for a regression.", show_default=False),
    ] = None,
    season: Annotated[
        int | None,
        typer.Option(help="Steps of a forecast's season, 12 for months of a year; 1: none.", show_default=False),
    ] = None,
    tokenizer: Tokenizer = None,
    trust: Trust = False,
    output: Annotated[
        str | None,
        typer.Option(help="Name of the output that is answered, where there are several.", show_default=False),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH", help="Size of pictures, where the model leaves it free.", show_default=False
        ),
    ] = None,
    signature: Wanted = None,
) -> None:
    """Draft a contract from a model's graph and its answers to samples, and say what in it is a guess."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.modelkit.importing.drafting import DraftWish, draft_of
        from lambent_toolkit.modelkit.importing.inputs import read_labels, read_size, read_tokenizer, write_contract
        from lambent_toolkit.modelkit.importing.quality import series_told, with_quality, with_season

        wish = DraftWish(
            name,
            preprocessing,
            read_labels(labels),
            output,
            read_size(size),
            next(iter(read_tokenizer(tokenizer).values()), None),
            signature,
        )
        draft = draft_of(model, wish, is_trusted=trust)
        limited = with_quality(draft.contract, min_accuracy=min_accuracy, max_rmse=max_rmse)
        declared = with_season(limited, season)
        write_contract(out, declared)
    _show_tensors(draft.contract)
    console.print(f"\nwrote {out}. It is a draft; check before you import:", markup=False, soft_wrap=True)
    for sentence in (*draft.to_check, *series_told(declared)):
        console.print(f"  - {one_line(sentence)}", markup=False, soft_wrap=True)
    console.print(f"Next: lambent contract check {typed(out)} {typed(model)}", markup=False, soft_wrap=True)


@contract_app.command("check")
def check(
    contract: Annotated[Path, typer.Argument(help="contract.json", show_default=False)],
    model: Model,
    tokenizer: Tokenizer = None,
    trust: Trust = False,
) -> None:
    """Check a contract against a model and list every contradiction."""
    with ending_on_failure():
        from lambent_toolkit.modelkit.importing.agreement import check_agreement
        from lambent_toolkit.modelkit.importing.inputs import read_contract, read_tokenizer
        from lambent_toolkit.modelkit.importing.reading import read_model

        declared = read_contract(contract)
        check_agreement(
            declared,
            read_model(model, is_trusted=trust, signature=declared.signature).signature,
            read_tokenizer(tokenizer),
        )
    screen().print(f"{contract} fits {model}.", markup=False, soft_wrap=True)


def _show_tensors(contract: ModelContract) -> None:
    from lambent_toolkit.cli.tables import plain_table

    table = plain_table("", "tensor", "datatype", "shape", "smallest")
    for side, specs in (("input", contract.inputs), ("output", contract.outputs)):
        for spec in specs:
            smallest = "" if spec.min_shape is None else str(list(spec.min_shape))
            table.add_row(side, spec.name, spec.datatype, str(list(spec.shape)), smallest)
    screen().print(table)
