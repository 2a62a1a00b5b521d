"""Load a Keras model that may hold code, and leave it as a SavedModel: started by path from `reading`, with --trust.

Arguments: a .keras or .h5 file, and the folder to write. Beside the folder it leaves what the graph tells, as
`GraphFacts`, and ``changes.json``, how the model was made otherwise for the converter; or ``refused.txt``. Whatever
code is in the file runs here, in a process that ends afterwards and has none of the caller's environment variables.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(model_file: Path, folder: Path) -> None:
    """Load, and export with the model's own tensor names as the signature."""
    import msgspec

    from lambent_toolkit.modelkit.convertible import convertible
    from lambent_toolkit.modelkit.errors import ModelkitError
    from lambent_toolkit.modelkit.importing.reading import CHANGES_FILE, REFUSED_FILE
    from lambent_toolkit.modelkit.importing.signature import FACTS_FILE, GraphFacts, keras_signature

    try:
        model = _named(_loaded(model_file, folder.with_name("upgraded.h5")), folder.with_name("named.keras"))
        signature = keras_signature(model)
        made = convertible(model, signature.inputs, is_trusted=True)
    except ModelkitError as exc:
        folder.with_name(REFUSED_FILE).write_text(str(exc))
        sys.exit(1)
    facts = GraphFacts(signature.activations, signature.paths)
    folder.with_name(FACTS_FILE).write_bytes(msgspec.json.encode(facts))
    folder.with_name(CHANGES_FILE).write_text(json.dumps(made.changes))
    _export(made.model, signature, str(folder))


def _loaded(model_file: Path, scratch: Path) -> Any:
    """Return the model; an HDF5 file of Keras 2 is made anew in a scratch file, and what it means is checked."""
    import keras

    from lambent_toolkit.modelkit.errors import ForeignModelRefused
    from lambent_toolkit.modelkit.importing.keras_2_meaning import check_meaning
    from lambent_toolkit.modelkit.importing.keras_generations import AS_SAVED_MODEL, is_hdf5_of_keras_2, upgrade_hdf5

    if not is_hdf5_of_keras_2(model_file):
        return keras.models.load_model(model_file, compile=False, safe_mode=False)
    try:
        written = upgrade_hdf5(model_file, scratch)
        model = keras.models.load_model(scratch, compile=False, safe_mode=False)
        check_meaning(written, model)
    except ForeignModelRefused as exc:
        raise ForeignModelRefused(f"{exc} {AS_SAVED_MODEL}") from exc
    return model


def _named(model: Any, scratch: Path) -> Any:
    """Return the model with names that TensorFlow takes as scopes, through a scratch file where it has others."""
    import keras

    from lambent_toolkit.modelkit.importing.layer_names import with_scope_names

    model.save(scratch)
    archive = scratch.read_bytes()
    renamed = with_scope_names(archive)
    if renamed == archive:
        return model
    scratch.write_bytes(renamed)
    return keras.models.load_model(scratch, compile=False, safe_mode=False)


def _export(model: Any, signature: Any, folder: str) -> None:
    import keras
    import tensorflow as tf

    from lambent.adapters.keras_structure import call_flat

    def serve(*tensors: Any) -> dict[str, Any]:
        outputs = call_flat(model, tensors)
        return {spec.name: output for spec, output in zip(signature.outputs, outputs, strict=True)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    takes = [
        tf.TensorSpec([None if dim == -1 else dim for dim in spec.shape], tensor.dtype, name=spec.name)
        for spec, tensor in zip(signature.inputs, model.inputs, strict=True)
    ]
    archive.add_endpoint("serving_default", serve, input_signature=takes)
    archive.write_out(folder, verbose=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
