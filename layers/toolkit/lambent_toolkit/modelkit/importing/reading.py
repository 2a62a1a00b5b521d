"""A stranger's model, read as far as importing it needs: its signature, and the files to keep."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent.errors import ModelFormatRefused
from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing.kinds import ForeignModel, recognise
from lambent_toolkit.modelkit.importing.rows import in_rows
from lambent_toolkit.modelkit.importing.saved_model import pack, saved_model_signature, to_float_tflite
from lambent_toolkit.modelkit.importing.signature import Signature, keras_signature, tflite_signature
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

SAVED_MODEL_FILE = "saved_model.zip"
TRUSTED_PROGRAM = Path(__file__).with_name("trusted_program.py")
TRUSTED_TIMEOUT_S = 300
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
    """

    foreign: ForeignModel
    signature: Signature
    files: dict[str, bytes]
    is_trusted: bool = False


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
        return ReadModel(foreign, in_rows(tflite_signature(source, signature), body), {TFLITE_FILE: body})
    if foreign.kind == "saved_model":
        return _read_saved_model(foreign, source, signature=signature)
    if signature is not None:
        raise ForeignModelRefused(
            f"{source} is a Keras model, which has no signatures: leave --signature and the contract's signature out."
        )
    if foreign.kind == "hdf5" and not is_trusted:
        raise ForeignModelRefused(
            f"{source} is an HDF5 file, whatever its name says: Keras's older format, which may hold code that loading "
            f"runs (CVE-2025-9905). Save it as .keras where it was made. {_TRUST}"
        )
    if foreign.kind == "keras":
        try:
            return _read_keras(foreign)
        except ModelFormatRefused as exc:
            if not is_trusted:
                raise ForeignModelRefused(f"{source} is refused: {_all_findings(exc)} {_TRUST}") from exc
    return _read_trusted(foreign)


def _read_keras(foreign: ForeignModel) -> ReadModel:
    from lambent.adapters.keras_archive import check_keras_archive

    check_keras_archive(foreign.path)
    with quiet():
        import keras

        with TemporaryDirectory() as name:
            path = Path(name) / KERAS_FILE
            path.symlink_to(foreign.path.absolute())
            try:
                model = keras.models.load_model(path, compile=False, safe_mode=True)
            # Keras raises whatever its layers raise on numbers that they do not expect.
            except (ValueError, TypeError, KeyError, OSError, AttributeError) as exc:
                raise ForeignModelRefused(
                    f"Keras cannot load {foreign.path}: {str(exc).strip().splitlines()[0][:200]}"
                ) from exc
    return ReadModel(foreign, keras_signature(model), {KERAS_FILE: foreign.path.read_bytes()})


def _read_saved_model(
    foreign: ForeignModel, folder: Path, *, is_trusted: bool = False, signature: str | None = None
) -> ReadModel:
    found = saved_model_signature(folder, signature)
    converted = to_float_tflite(folder, found.name)
    files = {TFLITE_FILE: converted, SAVED_MODEL_FILE: pack(folder)}
    return ReadModel(foreign, in_rows(found, converted, is_item_allowed=False), files, is_trusted)


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
            last = done.stderr.strip().splitlines()[-1:] or ["it wrote nothing"]
            raise ForeignModelRefused(f"Keras cannot load {foreign.path}, trusted or not: {last[0][:200]}")
        return _read_saved_model(foreign, folder, is_trusted=True)


def _all_findings(error: ModelFormatRefused) -> str:
    if not error.errors:
        return error.detail
    return f"it would load more than numbers: {'; '.join(each['detail'] for each in error.errors)}."
