"""Model files as strangers make them: well-meant ones and malicious ones, built by hand, without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import h5py
import numpy as np

File = TypeVar("File", Path, BytesIO)
DENSE = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {
        "name": "dense",
        "units": 2,
        "activation": "relu",
        "kernel_initializer": {
            "module": "keras.initializers",
            "class_name": "GlorotUniform",
            "config": {"seed": None},
            "registered_name": None,
        },
    },
    "registered_name": None,
    "build_config": {"input_shape": [None, 3]},
}


def sequential(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a Sequential model."""
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "m", "layers": list(layers)},
        "registered_name": None,
    }


def layer(class_name: str, *, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    """Return the configuration of one layer."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def weights(fill: Callable[[h5py.File], None] | None = None) -> bytes:
    """Return model.weights.h5 of one dense layer, and of what ``fill`` adds."""
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.zeros((3, 2), np.float32)
        group["1"] = np.zeros(2, np.float32)
        if fill:
            fill(file)
    return buffer.getvalue()


def keras_archive(
    path: File, config: Any = None, *, weights_body: bytes | None = None, more: Mapping[str | ZipInfo, bytes] = {}
) -> File:
    """Write a .keras file, to a path or into memory; ``config`` may be bytes that are no JSON."""
    body = config if isinstance(config, bytes) else json.dumps(config or sequential(DENSE)).encode()
    with ZipFile(path, "w", ZIP_STORED) as archive:
        archive.writestr("metadata.json", b'{"keras_version": "3.15.1"}')
        archive.writestr("config.json", body)
        archive.writestr("model.weights.h5", weights() if weights_body is None else weights_body)
        for name, member in more.items():
            archive.writestr(name, member)
    return path
