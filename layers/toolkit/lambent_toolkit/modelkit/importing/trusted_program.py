"""Load a Keras model that may hold code, and leave it as a SavedModel: started by path from `reading`, with --trust.

Arguments: a .keras or .h5 file, and the folder to write; what the graph tells is left beside it, as `GraphFacts`.
Whatever code is in the file runs here, in a process that ends afterwards and has none of the caller's environment
variables.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def main(model_file: str, folder: str) -> None:
    """Load, and export with the model's own tensor names as the signature."""
    import keras
    import msgspec
    import tensorflow as tf

    from lambent.adapters.keras_structure import call_flat
    from lambent_toolkit.modelkit.importing.layer_names import with_scope_names
    from lambent_toolkit.modelkit.importing.signature import FACTS_FILE, GraphFacts, keras_signature

    model = keras.models.load_model(model_file, compile=False, safe_mode=False)
    beside = Path(folder).parent
    model.save(beside / "named.keras")
    archive = (beside / "named.keras").read_bytes()
    if (renamed := with_scope_names(archive)) != archive:
        (beside / "named.keras").write_bytes(renamed)
        model = keras.models.load_model(beside / "named.keras", compile=False, safe_mode=False)
    signature = keras_signature(model)
    (beside / FACTS_FILE).write_bytes(msgspec.json.encode(GraphFacts(signature.activations, signature.paths)))

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
    main(sys.argv[1], sys.argv[2])
