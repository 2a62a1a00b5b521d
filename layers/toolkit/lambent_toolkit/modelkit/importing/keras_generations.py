"""Which Keras wrote a file, and files of Keras 2 made anew so that Keras 3 reads them.

Keras 2 is everything before TensorFlow 2.16, and tf_keras since. Its SavedModels are read as any other; its .keras and
HDF5 files have another configuration under the same name, see `keras_2_config`; the weights in them lie alike.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import h5py
import numpy as np

from lambent.adapters.keras_archive import MAX_METADATA_BYTES, METADATA_MEMBER, WEIGHTS_MEMBER, check_keras_archive
from lambent.domain.model import KERAS_FILE
from lambent.errors import ModelFormatRefused
from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing.keras_2_config import as_keras_3
from lambent_toolkit.modelkit.importing.keras_2_meaning import check_meaning
from lambent_toolkit.modelkit.importing.kinds import ForeignModel
from lambent_toolkit.modelkit.keras_files import with_config, without_inner_compilation
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

MODEL_CONFIG = "model_config"
_VERSION = "keras_version"
AS_SAVED_MODEL = (
    "Where it was made, write it as a SavedModel, `model.export('FOLDER')` (TensorFlow 2.13 and later) or "
    "`model.save('FOLDER', save_format='tf')`, and import that folder."
)


def keras_generation(foreign: ForeignModel) -> str | None:
    """Return the version of Keras that a .keras or HDF5 file names, None if it names none."""
    try:
        version = (
            _archive_version(foreign.path) if foreign.kind == "keras" else _hdf5_attributes(foreign.path)[_VERSION]
        )
    except (KeyError, OSError, ValueError, TypeError, RuntimeError, BadZipFile, zlib.error):
        return None
    return version if isinstance(version, str) else None


def is_of_keras_2(version: str | None) -> bool:
    """Return whether a version is one of Keras 2."""
    return version is not None and version.startswith("2.")


def is_hdf5_of_keras_2(path: Path) -> bool:
    """Return whether an HDF5 file was written by Keras 2, or by one that did not say its version yet."""
    return path.suffix == ".h5" and not _hdf5_attributes(path).get(_VERSION, "").startswith("3.")


def check_generation(foreign: ForeignModel) -> None:
    """Check that a file holds a whole model in a form that Keras 3 may read; raises ForeignModelRefused."""
    if foreign.kind == "hdf5" and not _has_layers(foreign.path):
        raise ForeignModelRefused(
            f"{foreign.path} holds weights and no layers: build the model where it was made, load them into it "
            "(model.load_weights) and save all of it, `model.save('model.keras')`."
        )


def _has_layers(path: Path) -> bool:
    try:
        return MODEL_CONFIG in _hdf5_attributes(path)
    # h5py raises whichever built-in error came to its mind.
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as exc:
        raise ForeignModelRefused(f"{path} begins like an HDF5 file, but is cut off or damaged.") from exc


def _archive_version(path: Path) -> Any:
    with ZipFile(path) as archive, archive.open(METADATA_MEMBER) as member:
        return json.loads(member.read(MAX_METADATA_BYTES))[_VERSION]


def _hdf5_attributes(path: Path) -> dict[str, str]:
    """Return the texts among the attributes of an HDF5 file; nothing else of it is read."""
    with h5py.File(path, "r") as file:
        found = {name: file.attrs[name] for name in (MODEL_CONFIG, _VERSION) if name in file.attrs}
    return {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in found.items()}


def upgrade_hdf5(source: Path, target: Path) -> dict[str, Any]:
    """Copy an HDF5 file of a Keras 2 model with its configuration made anew, which is returned.

    Raises
    ------
    ForeignModelRefused   see `as_keras_3`
    """
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        config = old.attrs[MODEL_CONFIG]
        text = config.decode() if isinstance(config, bytes) else str(config)
        made: dict[str, Any] = as_keras_3(json.loads(text))
        new.attrs[MODEL_CONFIG] = json.dumps(made).encode()
    return made


def upgrade_archive(foreign: ForeignModel, target: Path) -> None:
    """Write a .keras file of Keras 2 anew as Keras 3 would have, if that computes the same.

    Raises
    ------
    ForeignModelRefused   something in it has no form in Keras 3, or means another thing there; it would load more than
                          numbers, or is damaged
    """
    version = keras_generation(foreign)
    try:
        _upgraded(foreign.path, target)
    except (ForeignModelRefused, ModelFormatRefused) as exc:
        said = _first_finding(exc) if isinstance(exc, ModelFormatRefused) else str(exc)
        raise ForeignModelRefused(
            f"{foreign.path} is a file of Keras {version}, which cannot be read as one of Keras 3. {said} "
            f"{AS_SAVED_MODEL}"
        ) from exc
    # Whatever Keras's layers, and a walk through a configuration of any form, raise on what they do not expect.
    except (ValueError, TypeError, KeyError, IndexError, OSError, AttributeError, RecursionError) as exc:
        raise ForeignModelRefused(
            f"{foreign.path} is a file of Keras {version}, of which Keras 3 cannot load a layer. {AS_SAVED_MODEL}"
        ) from exc


def _upgraded(source: Path, target: Path) -> None:
    try:
        check_keras_archive(source)
    except ModelFormatRefused as exc:
        # What its configuration names is looked at once it is made anew; the rest of the archive has been by now.
        if not exc.errors:
            raise
    written: dict[str, Any] = {}

    def made_anew(config: dict[str, Any]) -> dict[str, Any]:
        written.update(as_keras_3(without_inner_compilation(config)))
        return written

    with TemporaryDirectory() as name:
        path = Path(name) / KERAS_FILE
        with_config(source, path, made_anew)
        check_keras_archive(path)
        with quiet():
            import keras

            model = keras.models.load_model(path, compile=False, safe_mode=True)
            check_meaning(written, model)
            _check_weights(path, model)
            model.save(target)


def _check_weights(archive: Path, model: Any) -> None:
    """Check that the file holds as many weights as the model has got; raises ForeignModelRefused."""
    found: list[int] = []

    def count(_: str, each: Any) -> None:
        if isinstance(each, h5py.Dataset) and each.ndim and each.dtype.kind == "f":
            found.append(each.size)

    with ZipFile(archive) as whole, whole.open(WEIGHTS_MEMBER) as member, h5py.File(member, "r") as weights:
        weights.visititems(lambda path, each: count(path, each) if path.startswith("layers/") else None)
    own = [int(np.prod(each.shape)) for each in model.weights if each.shape and "float" in each.dtype]
    if sorted(found) != sorted(own):
        raise ForeignModelRefused(f"It holds {sum(found)} weights, of which Keras 3 would take {sum(own)}.")


def _first_finding(refused: ModelFormatRefused) -> str:
    return f"It would load more than numbers: {refused.errors[0]['detail']}." if refused.errors else refused.detail
