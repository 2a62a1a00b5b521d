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
    import keras
    import msgspec

    from lambent_toolkit.modelkit.convertible import convertible
    from lambent_toolkit.modelkit.errors import ModelkitError
    from lambent_toolkit.modelkit.importing.keras_generations import upgrade
    from lambent_toolkit.modelkit.importing.reading import CHANGES_FILE, REFUSED_FILE
    from lambent_toolkit.modelkit.importing.signature import FACTS_FILE, GraphFacts, keras_signature

    if model_file.suffix == ".h5":
        upgraded = folder.with_name("upgraded.h5")
        upgrade(model_file, upgraded)
        model_file = upgraded
    model = _named(keras.models.load_model(model_file, compile=False, safe_mode=False), folder.with_name("named.keras"))
    try:
        signature = keras_signature(model)
        made = convertible(model, signature.inputs, is_trusted=True)
    except ModelkitError as exc:
        folder.with_name(REFUSED_FILE).write_text(str(exc))
        sys.exit(1)
    facts = GraphFacts(signature.activations, signature.paths)
    folder.with_name(FACTS_FILE).write_bytes(msgspec.json.encode(facts))
    folder.with_name(CHANGES_FILE).write_text(json.dumps(made.changes))
    _export(made.model, signature, str(folder))


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
