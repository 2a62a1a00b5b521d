"""What is evaluated: a model's files with their contract, from a working folder or from the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lambent.contracts.model import Classification, ModelContract
from lambent.domain.model import (
    CONTRACT_FILE,
    KERAS_FILE,
    REPORT_FILE,
    TFLITE_FILE,
    TOKENIZER_FILE,
    ModelRef,
    digest,
)
from lambent.services.version_files import VersionFiles, decode_contract
from lambent_toolkit.modelkit.errors import ModelFileExchanged, StepMissing
from lambent_toolkit.modelkit.float_model import FloatModel, KerasFloat
from lambent_toolkit.modelkit.importing.bring import import_record
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.quantization_report import QuantizationReport
from lambent_toolkit.modelkit.recipe import Declaration
from lambent_toolkit.modelkit.report import Source, decode_report
from lambent_toolkit.modelkit.step_files import read_step_file
from lambent_toolkit.modelkit.variants import variant_file

QUANTIZATION_FILE = "quantization.json"
FLOAT32 = "float32"
IMPORTED = "imported"  # what reports call a .tflite file that was not made here
_NEEDED, _WELCOME = (CONTRACT_FILE, TFLITE_FILE), (KERAS_FILE, TOKENIZER_FILE, REPORT_FILE)


@dataclass(frozen=True)
class Subject:
    """A model to be measured.

    Parameters
    ----------
    name           what tables call it: its contract's name, or ``MODEL@VERSION``
    contract       as it is served: with the temperature that was fitted
    published      which of ``files`` Lambda serves
    files          variant → .tflite file
    float_model    None where there is none to hold the files against
    source         where it comes from
    assets         files that the contract's preprocessing needs, by name
    quantization   quantization.json, where there is one
    """

    name: str
    contract: ModelContract
    published: str
    files: Mapping[str, bytes]
    float_model: FloatModel | None
    source: Source
    assets: Mapping[str, bytes] = field(default_factory=dict)
    quantization: QuantizationReport | None = None

    @property
    def declaration(self) -> Declaration:
        """Contract and assets."""
        return Declaration(self.contract, self.assets)


def subject_of_folder(made: MadeModel) -> Subject:
    """Return the model of a working folder, after `lambent quantize`; an imported .tflite file is one as it is.

    Raises
    ------
    StepMissing          nothing has been quantized here
    ModelFileExchanged   model.tflite is not what was quantized
    """
    folder = made.folder
    if made.float_model is None:
        return _imported_as_it_is(made)
    quantization = _quantization(folder)
    served = read_step_file(folder, TFLITE_FILE, step="quantize")
    if digest(served) != quantization.model_sha256:
        raise ModelFileExchanged(
            f"{TFLITE_FILE} in {folder} has the sha256 {digest(served)[:12]}…, {QUANTIZATION_FILE} tells of "
            f"{quantization.model_sha256[:12]}…: run `lambent quantize` again."
        )
    files = {quantization.choice.variant: served}
    float32 = folder / variant_file(FLOAT32)
    if FLOAT32 not in files and float32.exists():
        files[FLOAT32] = float32.read_bytes()
    return Subject(
        name=made.split.contract.name,
        contract=with_temperature(made.split.contract, quantization),
        published=quantization.choice.variant,
        files=files,
        float_model=made.float_model,
        source=_source(made),
        assets=made.split.declaration.assets,
        quantization=quantization,
    )


def _imported_as_it_is(made: MadeModel) -> Subject:
    return Subject(
        name=made.split.contract.name,
        contract=made.split.contract,
        published=IMPORTED,
        files={IMPORTED: read_step_file(made.folder, TFLITE_FILE, step="import")},
        float_model=None,
        source=_source(made),
        assets=made.split.declaration.assets,
    )


def _quantization(folder: Path) -> QuantizationReport:
    body = read_step_file(folder, QUANTIZATION_FILE, step="quantize")
    try:
        return msgspec.json.decode(body, type=QuantizationReport)
    except msgspec.DecodeError as exc:
        raise StepMissing(
            f"{QUANTIZATION_FILE} in {folder} is none of this release ({exc}): run `lambent quantize` again."
        ) from exc


def subject_of_version(ref: ModelRef, files: VersionFiles) -> Subject:
    """Return a published version, every file verified.

    Raises
    ------
    ModelNotFound
    BrokenArtifact   a file is not what was published
    ReportOutdated   its report is of another release
    """
    return subject_of_files(files_of_version(ref, files), name=str(ref), sha256=files.record(ref).manifest_sha256)


def files_of_version(ref: ModelRef, files: VersionFiles) -> dict[str, bytes]:
    """Return what of a published version is needed to evaluate it, every file verified; raises as the above."""
    manifest = files.manifest(ref)
    names = [*_NEEDED, *(name for name in _WELCOME if name in manifest.files)]
    return {name: files.file(ref, manifest, name) for name in names}


def subject_of_files(files: Mapping[str, bytes], *, name: str, sha256: str) -> Subject:
    """Return a version of its files by name.

    Parameters
    ----------
    name     ``MODEL@VERSION``
    sha256   of its manifest

    Raises
    ------
    ReportOutdated   its report is of another release
    RequestInvalid   the contract is broken
    """
    published = decode_report(files[REPORT_FILE], of=name).published if REPORT_FILE in files else IMPORTED
    return Subject(
        name=name,
        contract=decode_contract(files[CONTRACT_FILE]),
        published=published,
        files={published: files[TFLITE_FILE]},
        float_model=KerasFloat(files[KERAS_FILE]) if KERAS_FILE in files else None,
        source=Source(kind="version", name=name, sha256=sha256),
        assets={TOKENIZER_FILE: files[TOKENIZER_FILE]} if TOKENIZER_FILE in files else {},
    )


def with_temperature(contract: ModelContract, quantization: QuantizationReport) -> ModelContract:
    """Return the contract with the temperature that was fitted for the chosen file, if any was."""
    spec, fitted = contract.postprocessing, quantization.temperature
    if fitted is None or not isinstance(spec, Classification):
        return contract
    scaled = msgspec.structs.replace(spec, temperature=fitted.temperature)
    return msgspec.structs.replace(contract, postprocessing=scaled)


def _source(made: MadeModel) -> Source:
    if made.recipe is None:
        record = import_record(made.folder)
        return Source(kind="import", name=record.source, sha256=record.sha256)
    recipe = made.recipe
    return Source(
        kind="recipe", name=recipe.name, sha256=recipe.source_sha256, seed=recipe.settings.seed, epochs=made.epochs
    )
