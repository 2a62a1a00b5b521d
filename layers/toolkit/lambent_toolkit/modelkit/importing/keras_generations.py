"""Which Keras wrote a file, and what a file of Keras 2 needs so that Keras 3 reads it.

Keras 2 is everything before TensorFlow 2.16, and tf_keras since. Its SavedModels are read as any other; its .keras
files have another form under the same name; its HDF5 files differ by arguments that Keras 3 no longer has.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import h5py

from lambent.adapters.keras_archive import MAX_METADATA_BYTES, METADATA_MEMBER
from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing.kinds import ForeignModel

MODEL_CONFIG = "model_config"
_VERSION = "keras_version"
AS_SAVED_MODEL = (
    "Where it was made, write it as a SavedModel, `model.export('FOLDER')` (TensorFlow 2.13 and later) or "
    "`model.save('FOLDER', save_format='tf')`, and import that folder."
)
# Arguments that Keras 3 has not, with the value that means what it does anyway.
_DROPPED: dict[str, Any] = {
    "groups": 1,
    "time_major": False,
    "renorm": False,
    "virtual_batch_size": None,
    "ragged": False,
}
_KEPT_GROUPS = frozenset({"Conv1D", "Conv2D", "Conv3D", "GroupNormalization", "Conv1DTranspose"})


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


def check_generation(foreign: ForeignModel) -> None:
    """Check that a file holds a whole model in a form that Keras 3 may read; raises ForeignModelRefused."""
    if foreign.kind == "hdf5" and not _has_layers(foreign.path):
        raise ForeignModelRefused(
            f"{foreign.path} holds weights and no layers: build the model where it was made, load them into it "
            "(model.load_weights) and save all of it, `model.save('model.keras')`."
        )
    version = keras_generation(foreign)
    if foreign.kind == "keras" and is_of_keras_2(version):
        raise ForeignModelRefused(
            f"{foreign.path} is a file of Keras {version}, of which Keras 3 reads no .keras files. {AS_SAVED_MODEL}"
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


def as_keras_3(config: Any) -> Any:
    """Return the configuration of a Keras 2 model without arguments that Keras 3 has not, where they say nothing."""
    if isinstance(config, list):
        return [as_keras_3(each) for each in config]
    if not isinstance(config, dict):
        return config
    inner = config.get("config")
    if "class_name" in config and isinstance(inner, dict):
        kept = {name: value for name, value in inner.items() if not _says_nothing(config["class_name"], name, value)}
        config = {**config, "config": kept}
    return {name: as_keras_3(value) for name, value in config.items()}


def _says_nothing(class_name: str, argument: str, value: Any) -> bool:
    if argument == "groups" and class_name in _KEPT_GROUPS:
        return False
    return argument in _DROPPED and value == _DROPPED[argument]


def upgrade(source: Path, target: Path) -> None:
    """Copy an HDF5 file of a model, its configuration as `as_keras_3` makes it; weights stay as they are."""
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        config = old.attrs[MODEL_CONFIG]
        text = config.decode() if isinstance(config, bytes) else str(config)
        new.attrs[MODEL_CONFIG] = json.dumps(as_keras_3(json.loads(text))).encode()
