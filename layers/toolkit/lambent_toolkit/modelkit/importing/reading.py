"""A stranger's model, read as far as importing it needs: its signature, and the files to keep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from lambent.adapters.tflite_signature import DEFAULT_SIGNATURE
from lambent.contracts.tensor import Array
from lambent.domain.keras_config import CUSTOM, TABLES
from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent.errors import ModelFormatRefused
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.importing.golden_items import tensor_contract, tflite_golden
from lambent_toolkit.modelkit.importing.keras_generations import (
    AS_SAVED_MODEL,
    check_generation,
    is_of_keras_2,
    keras_generation,
)
from lambent_toolkit.modelkit.importing.kinds import ForeignModel, recognise
from lambent_toolkit.modelkit.importing.layer_names import with_scope_names
from lambent_toolkit.modelkit.importing.rows import in_rows
from lambent_toolkit.modelkit.importing.saved_model import pack, saved_model_signature, to_float_tflite
from lambent_toolkit.modelkit.importing.saved_model_paths import saved_model_paths
from lambent_toolkit.modelkit.importing.signature import (
    FACTS_FILE,
    GraphFacts,
    Signature,
    keras_signature,
    tflite_signature,
)
from lambent_toolkit.modelkit.importing.tflite_graph import with_graph_facts
from lambent_toolkit.modelkit.keras_files import with_config, without_inner_compilation
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

SAVED_MODEL_FILE = "saved_model.zip"
TRUSTED_PROGRAM = Path(__file__).with_name("trusted_program.py")
TRUSTED_TIMEOUT_S = 300
REFUSED_FILE, CHANGES_FILE = "refused.txt", "changes.json"
_EXPORT = (
    "Where the model was made, `model.export('FOLDER')` writes it as a SavedModel, which needs no code of its maker's: "
    "import that folder."
)
_TABLES = (
    "Build a model of the layers behind it, keras.Model(LAYER.output, model.outputs), save that, and name the text or "
    "the vocabulary in the contract's preprocessing. --trust does not help: the converter has no such tables either."
)
_TRUST = (
    "If you trust whoever made it, --trust loads it once, in a process of its own, and keeps a .tflite file and a "
    "SavedModel without the code; there will be no model.keras for the GPU lane."
)


@dataclass(frozen=True)
class ReadModel:
    """A model that has been found harmless, or was trusted.

    Parameters
    ----------
    foreign     what it was recognised as
    signature   what it takes and gives
    files       what the working folder keeps of it, by name
    is_trusted  whether code of its maker may have run to read it
    changes     how it was made otherwise for the converter, see `Convertible`
    """

    foreign: ForeignModel
    signature: Signature
    files: dict[str, bytes]
    is_trusted: bool = False
    changes: tuple[str, ...] = ()


def read_model(source: Path, *, is_trusted: bool = False, signature: str | None = None) -> ReadModel:
    """Read a model from elsewhere: .keras, .tflite, a SavedModel folder; with trust also HDF5 and Lambda layers.

    A .tflite file is opened by the serving interpreter, in a process that it may crash. A .keras file is looked through
    before Keras parses it, a SavedModel's graph before TensorFlow loads it. One that was made for a fixed batch is
    read with a free one where rows can be served, see `in_rows`.

    Parameters
    ----------
    source
    is_trusted   whether code of its maker may run, once
    signature    which one of a SavedModel's or .tflite file's several; None: its only one, or serving_default

    Raises
    ------
    ForeignModelRefused   unknown, damaged, or it may run code and is not trusted; no such signature
    ServingRefused        the serving interpreter does not take the .tflite file
    ServingCheckFailed    the process died over it
    ConversionFailed      a SavedModel has no .tflite form
    """
    foreign = recognise(source)
    if foreign.kind == "tflite":
        body = source.read_bytes()
        found = _tried(in_rows(tflite_signature(source, signature), body), body)
        return ReadModel(foreign, with_graph_facts(found, body), {TFLITE_FILE: body})
    if foreign.kind == "saved_model":
        return _read_saved_model(foreign, source, wanted=signature)
    if signature is not None:
        raise ForeignModelRefused(
            f"{source} is a Keras model, which has no signatures: leave --signature and the contract's signature out."
        )
    return _read_keras_file(foreign, is_trusted=is_trusted)


def _read_keras_file(foreign: ForeignModel, *, is_trusted: bool) -> ReadModel:
    source = foreign.path
    check_generation(foreign)
    if foreign.kind == "hdf5" and not is_trusted:
        version = keras_generation(foreign)
        advice = AS_SAVED_MODEL if is_of_keras_2(version) else "Save it as .keras where it was made."
        raise ForeignModelRefused(
            f"{source} is an HDF5 file of Keras {version or 3}, whatever its name says: an older format, which may "
            f"hold code that loading runs (CVE-2025-9905). {advice} {_TRUST}"
        )
    if foreign.kind == "keras":
        try:
            return _read_keras(foreign)
        except ModelFormatRefused as exc:
            advice, can_be_trusted = _way_on(exc)
            if not (is_trusted and can_be_trusted):
                raise ForeignModelRefused(f"{source} is refused: {_all_findings(exc)} {advice}") from exc
    return _read_trusted(foreign)


def _way_on(refused: ModelFormatRefused) -> tuple[str, bool]:
    """Return what to do about a refused .keras file, and whether trust is of use."""
    details = [each["detail"] for each in refused.errors or ()]
    named = {each["what"] for each in refused.errors or ()}
    if named & TABLES.keys():
        return _TABLES, False
    if any(detail.endswith(CUSTOM) for detail in details):
        return f"Its code is not in the file, so that --trust does not help. {_EXPORT}", False
    return (_TRUST if details else _EXPORT), True


def _read_keras(foreign: ForeignModel) -> ReadModel:
    from lambent.adapters.keras_archive import check_keras_archive

    with TemporaryDirectory() as name:
        path = Path(name) / KERAS_FILE
        try:
            check_keras_archive(foreign.path)
            path.symlink_to(foreign.path.absolute())
        except ModelFormatRefused as exc:
            if not exc.errors or not all(".compile_config" in each["where"] for each in exc.errors):
                raise
            with_config(foreign.path, path, without_inner_compilation)
            check_keras_archive(path)
        with quiet():
            import keras

            try:
                model = keras.models.load_model(path, compile=False, safe_mode=True)
            # Keras raises whatever its layers raise on numbers that they do not expect.
            except (ValueError, TypeError, KeyError, OSError, AttributeError) as exc:
                raise ForeignModelRefused(
                    f"Keras cannot load {foreign.path}, which Keras {keras_generation(foreign) or 3} wrote: its layers "
                    f"and their weights do not go together. {_EXPORT}"
                ) from exc
        # It runs the model, which TensorFlow has its word to say about.
        signature = keras_signature(model)
        return ReadModel(foreign, signature, {KERAS_FILE: with_scope_names(path.read_bytes())})


def _read_saved_model(
    foreign: ForeignModel,
    folder: Path,
    *,
    is_trusted: bool = False,
    wanted: str | None = None,
    facts: GraphFacts | None = None,
    changes: tuple[str, ...] = (),
) -> ReadModel:
    found = saved_model_signature(folder, wanted)
    converted = to_float_tflite(folder, found.name)
    found = _tried(in_rows(found, converted, is_item_allowed=False), converted)
    if facts is not None:
        found = replace(found, activations=facts.activations, paths=facts.paths)
    else:
        found = with_graph_facts(found, converted)
        exported = saved_model_paths(folder, found.name or DEFAULT_SIGNATURE, found.inputs)
        found = replace(found, paths={**found.paths, **exported})
    return ReadModel(foreign, found, {TFLITE_FILE: converted, SAVED_MODEL_FILE: pack(folder)}, is_trusted, changes)


def _tried(signature: Signature, model: bytes) -> Signature:
    """Return the signature of a .tflite file with what the file answers to samples, where it will be served."""
    declared = msgspec.structs.replace(
        tensor_contract(signature.inputs, signature.outputs),
        rows_per_call=signature.rows_per_call,
        signature=signature.name,
    )

    def run(tensors: Mapping[str, Array]) -> Mapping[str, Array] | None:
        try:
            return tflite_golden(model, declared, GoldenVectors([], dict(tensors), {}), {})[0].outputs
        except (ServingRefused, ServingCheckFailed):
            return None  # the samples are not its maker's; what its own contract allows is tried when it is imported

    return signature.after_trial(run)


def _read_trusted(foreign: ForeignModel) -> ReadModel:
    with TemporaryDirectory() as name:
        # Keras goes by the ending of the name.
        path = Path(name) / ("model.h5" if foreign.kind == "hdf5" else KERAS_FILE)
        path.symlink_to(foreign.path.absolute())
        folder = Path(name) / "saved_model"
        command = [sys.executable, str(TRUSTED_PROGRAM), str(path), str(folder)]
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "TF_CPP_MIN_LOG_LEVEL": "3", "HOME": name}
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                command,
                env=environment,
                cwd=name,
                check=False,
                capture_output=True,
                text=True,
                timeout=TRUSTED_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise ForeignModelRefused(f"{foreign.path} did not load in {TRUSTED_TIMEOUT_S} s.") from None
        if done.returncode:
            raise ForeignModelRefused(_not_loaded(foreign.path, Path(name) / REFUSED_FILE))
        facts = msgspec.json.decode((Path(name) / FACTS_FILE).read_bytes(), type=GraphFacts)
        changes = tuple(json.loads((Path(name) / CHANGES_FILE).read_text()))
        return _read_saved_model(foreign, folder, is_trusted=True, facts=facts, changes=changes)


def _not_loaded(source: Path, refused: Path) -> str:
    """Return why the trusted program ended: in its own words, if it was one of the refusals that it knows."""
    if refused.exists():
        return f"{source}: {refused.read_text()}"
    return f"Keras cannot load {source}, trusted or not: classes or values in it are not of this Keras. {_EXPORT}"


def _all_findings(error: ModelFormatRefused) -> str:
    if not error.errors:
        return error.detail
    return f"it would load more than numbers: {'; '.join(each['detail'] for each in error.errors)}."
