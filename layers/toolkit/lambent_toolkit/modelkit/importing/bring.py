"""Import a model of your own into a working folder, from where the later steps carry on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from lambent.contracts.model import Classification, ModelContract
from lambent.domain.model import CONTRACT_FILE, GOLDEN_FILE, KERAS_FILE, KERAS_GOLDEN_FILE, TFLITE_FILE, TOKENIZER_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.card import CARD_FILE, model_card
from lambent_toolkit.modelkit.errors import ContractDisagrees, ForeignModelRefused, ModelNotFinite, StepMissing
from lambent_toolkit.modelkit.importing.agreement import check_agreement
from lambent_toolkit.modelkit.importing.golden_items import generated, keras_golden, tflite_golden
from lambent_toolkit.modelkit.importing.kinds import Kind
from lambent_toolkit.modelkit.importing.padding_check import check_padding
from lambent_toolkit.modelkit.importing.picture_draft import doubts
from lambent_toolkit.modelkit.importing.reading import ReadModel, read_model
from lambent_toolkit.modelkit.importing.shortest_lengths import with_min_shapes
from lambent_toolkit.modelkit.recipe import Declaration
from lambent_toolkit.modelkit.score_kinds import score_kind
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together

IMPORT_FILE = "import.json"
_TOOLS = ("tensorflow", "keras", "numpy")
_STEPS = 1.5  # of a quantized output: a kernel of another processor may round the other way


class ImportRecord(msgspec.Struct, frozen=True, kw_only=True):
    """import.json: where the model of this folder comes from, instead of training.json.

    Parameters
    ----------
    source        name of the file or folder, without its path
    sha256        of the file, or of a SavedModel's paths and digests
    is_trusted    whether --trust let code of its maker run to read it; nothing of that code is kept
    golden_from   what the golden vectors were made of
    doubts        where the contract says otherwise than the model's graph, and may be right all the same
    contract      as it was given, with the smallest inputs that are answered; `lambent evaluate` writes contract.json
                  anew with what it measures
    changes       how it was made otherwise for the converter while it was read, see `Convertible`; of a .keras file
                  that is done later, see quantization.json
    """

    schema_version: Literal[1] = 1
    kind: Kind
    source: str
    sha256: str
    size_bytes: int
    is_trusted: bool
    golden_from: Literal["examples", "generated"]
    contract: ModelContract
    tools: dict[str, str]
    changes: list[str] = []
    doubts: tuple[str, ...] = ()


def import_model(
    source: Path,
    contract: ModelContract,
    folder: Path,
    *,
    assets: Mapping[str, bytes] | None = None,
    examples: Sequence[bytes] = (),
    is_trusted: bool = False,
    signature: str | None = None,
    watcher: Watcher = SILENCE,
) -> ImportRecord:
    """Check a model of your own against its contract and leave it in a new folder.

    Parameters
    ----------
    source       model.keras, a SavedModel folder or model.tflite; see `read_model`
    contract     see `draft_contract`
    folder       does not exist yet, or is empty
    assets       files that the preprocessing needs, by name
    examples     raw items for the golden vectors; seeded noise if there are none
    is_trusted   run code that the file may hold, once, in a process of its own
    signature    which one of several, where the contract does not say
    watcher      is told of the steps

    Returns
    -------
    ImportRecord; the folder holds import.json, contract.json, card.md, the assets, and

    - of a .keras file: model.keras with golden.keras.npz; `lambent quantize` makes the file that Lambda serves
    - of a .tflite file: model.tflite as it is, with golden.npz; there is no model for the GPU lane
    - of a SavedModel: model.tflite of 32-bit floats with golden.npz, and saved_model.zip to quantize it from

    Raises
    ------
    ForeignModelRefused, ServingRefused, ServingCheckFailed, ConversionFailed   see `read_model`
    ContractDisagrees                                                          with every contradiction
    ModelNotFinite                                                             see `rehearse`
    FolderNotWritable                                                          nothing was left behind
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ForeignModelRefused(f"{folder} is not empty: import into a new folder, so that no two models mix.")
    watcher.begin("import", total=3)
    read = read_model(source, is_trusted=is_trusted, signature=signature or contract.signature)
    watcher.advance(f"{read.foreign.kind}, {read.foreign.size_bytes / 1000:.0f} kB")
    given = dict(assets or {})
    contract = msgspec.structs.replace(contract, signature=contract.signature or read.signature.name)
    check_agreement(contract, read.signature, given)
    watcher.advance("the contract fits")
    contract = with_min_shapes(read.files, contract)
    files, finished = rehearse(read, contract, given, examples)
    watcher.advance("golden vectors")
    record = ImportRecord(
        kind=read.foreign.kind,
        source=source.name,
        sha256=read.foreign.sha256,
        size_bytes=read.foreign.size_bytes,
        is_trusted=read.is_trusted,
        golden_from="examples" if examples else "generated",
        contract=contract,
        tools={tool: version(tool) for tool in _TOOLS},
        changes=list(read.changes),
        doubts=doubts(contract, read.signature),
    )
    everything = {
        **files,
        **given,
        CONTRACT_FILE: _json(finished),
        CARD_FILE: model_card(finished, provenance=import_provenance(record), files=files).encode(),
        IMPORT_FILE: _json(record),
    }
    write_together(folder, everything, last=IMPORT_FILE)
    return record


def rehearse(
    read: ReadModel, contract: ModelContract, assets: Mapping[str, bytes], examples: Sequence[bytes] = ()
) -> tuple[dict[str, bytes], ModelContract]:
    """Run a model as its contract says; return its files with golden vectors, and the contract with their tolerance.

    Raises
    ------
    ForeignModelRefused, ServingRefused, ServingCheckFailed   it cannot be run on what the contract allows
    ModelNotFinite                                            it answers NaN or infinity
    ContractDisagrees                                         its scores have had their activation already, or padding
                                                              changes its answers
    """
    request = GoldenVectors(list(examples), {}, {}) if examples else generated(contract, assets)
    files, golden, finished = _with_golden(read, contract, request, assets)
    _check_finite(golden, read.foreign.path)
    _check_activation(golden, finished)
    kept = read.signature.quantized
    check_padding(
        read.files,
        contract,
        request,
        assets,
        output_step=max((kept[each.name].scale for each in read.signature.outputs if each.name in kept), default=0.0),
        is_float=read.foreign.kind != "tflite",
    )
    return files, finished


def import_record(folder: Path) -> ImportRecord:
    """Return how the model of a folder was imported; raises StepMissing."""
    try:
        return msgspec.json.decode((folder / IMPORT_FILE).read_bytes(), type=ImportRecord)
    except FileNotFoundError:
        raise StepMissing(f"There is no {IMPORT_FILE} in {folder}: run `lambent import` first.") from None


def imported_declaration(folder: Path) -> Declaration:
    """Return the contract of an imported model with its assets, in place of a recipe's; raises StepMissing."""
    contract = import_record(folder).contract
    names = [name for name in (TOKENIZER_FILE,) if (folder / name).exists()]
    return Declaration(contract, {name: (folder / name).read_bytes() for name in names})


def import_provenance(record: ImportRecord) -> dict[str, str]:
    """Return where an imported model comes from, for its card."""
    return {
        "imported from": f"{record.source} ({record.kind}, sha256 {record.sha256})",
        "golden vectors": f"of {record.golden_from} items",
        **({"in doubt": "; ".join(record.doubts)} if record.doubts else {}),
        **({"code": "the file's code was trusted to run once, and is not kept"} if record.is_trusted else {}),
        **({"made for the converter": "; ".join(record.changes)} if record.changes else {}),
        **record.tools,
    }


def _with_golden(
    read: ReadModel, contract: ModelContract, request: GoldenVectors, assets: Mapping[str, bytes]
) -> tuple[dict[str, bytes], GoldenVectors, ModelContract]:
    if KERAS_FILE in read.files:
        golden = keras_golden(read.files[KERAS_FILE], contract, request, assets)
        return {**read.files, KERAS_GOLDEN_FILE: golden.to_npz()}, golden, contract
    golden, output_step = tflite_golden(read.files[TFLITE_FILE], contract, request, assets)
    tolerance = max(contract.golden_tolerance, _STEPS * output_step)
    finished = msgspec.structs.replace(contract, golden_tolerance=tolerance)
    return {**read.files, GOLDEN_FILE: golden.to_npz()}, golden, finished


def _check_finite(golden: GoldenVectors, source: Path) -> None:
    for name, output in golden.outputs.items():
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise ModelNotFinite(
                f"{source} answers NaN or infinity as {name}, to inputs that the contract allows. A SavedModel written "
                "without its variables does so: export it by `model.export(folder)`."
            )


def _check_activation(golden: GoldenVectors, contract: ModelContract) -> None:
    """Raise ContractDisagrees where probabilities or shares would get an activation; other doubts are for the gate."""
    spec = contract.postprocessing
    if not isinstance(spec, Classification) or spec.activation == "none":
        return
    name = spec.output or contract.outputs[0].name
    rows = golden.outputs[name]
    kind = score_kind(rows.reshape(len(rows), -1))
    if kind == "shares":
        raise ContractDisagrees(
            f"postprocessing.activation: expected scores or logits as {name}, got rows that all sum to "
            f"{rows.reshape(len(rows), -1).sum(axis=1).mean():.4g}, such as percentages: {spec.activation} would be "
            "sure of everything. Divide them by that sum in the model."
        )
    if kind == "probabilities":
        raise ContractDisagrees(
            f"postprocessing.activation: expected none, got {spec.activation}. Rows of {name} sum to one already: "
            f"a second {spec.activation} would answer other scores than the model's."
        )


def _json(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"
