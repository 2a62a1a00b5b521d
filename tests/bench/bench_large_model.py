"""A model of 1 GB: from the store to its first answer, and the memory it takes, by the way the service loads it.

The file is real (one fully connected layer, 16,384 x 16,384 FP32) and its weights are zeros, so it is sparse on disk.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

SIDE = 16_384
PIECE_BYTES = 1 << 20


def main() -> None:
    """Measure each way in a process of its own and print a table."""
    with TemporaryDirectory() as name:
        model = Path(name) / "model.tflite"
        write_model(model)
        size = f"{model.stat().st_size / 2**20:,.0f} MiB"
        print(f"| {size} | fetch, s | load, s | first run, s | own memory, MiB | mapped file, MiB |")
        print("|---|---|---|---|---|---|")
        for way in ("mapped", "in memory"):
            command = [sys.executable, __file__, str(model), way]
            figures = msgspec.json.decode(subprocess.run(command, check=True, capture_output=True).stdout)
            print(f"| {way} | " + " | ".join(f"{figure:,.2f}" for figure in figures) + " |")


def measure(model: Path, way: str) -> list[float]:
    """Return seconds of fetching, loading and running once, then resident MiB of the process itself and of files.

    Fetching is copying and hashing as a download does, or reading into memory without a hash.
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    start = perf_counter()
    with TemporaryDirectory() as name:
        scratch = Path(name) / "model.tflite"
        source = model.read_bytes() if way == "in memory" else b""
        if way == "mapped":
            copy_and_hash(model, scratch)
        copied = perf_counter()
        options = {"model_path": str(scratch)} if way == "mapped" else {"model_content": source}
        runtime = Interpreter(num_threads=1, **options)
        runtime.allocate_tensors()
        loaded = perf_counter()
    runtime.set_tensor(runtime.get_input_details()[0]["index"], np.ones((1, SIDE), dtype=np.float32))
    runtime.invoke()
    ran = perf_counter()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own_mib, file_mib = (int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return [copied - start, loaded - copied, ran - loaded, own_mib, file_mib]


def copy_and_hash(source: Path, target: Path) -> None:
    """Do what a download does, without the network."""
    from hashlib import sha256

    hashed = sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while piece := reader.read(PIECE_BYTES):
            writer.write(piece)
            hashed.update(piece)


def write_model(path: Path) -> None:
    """Write a .tflite file whose weights lie behind the flat buffer, as the format does for large models."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    def tensor(name: str, shape: list[int], buffer: int) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = name.encode(), shape, buffer, schema.TensorType.FLOAT32
        return made

    weights, size_bytes = schema.BufferT(), SIDE * SIDE * 4
    layer, options = schema.OperatorT(), schema.FullyConnectedOptionsT()
    layer.opcodeIndex, layer.inputs, layer.outputs = 0, [0, 1, -1], [2]
    layer.builtinOptionsType, layer.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, options
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    graph = schema.SubGraphT()
    graph.tensors = [tensor("x", [1, SIDE], 0), tensor("weights", [SIDE, SIDE], 1), tensor("y", [1, SIDE], 0)]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [layer]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), weights]

    weights.offset, weights.size = 4096, size_bytes
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    with path.open("wb") as file:
        file.write(builder.Output())
        file.truncate(4096 + size_bytes)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(msgspec.json.encode(measure(Path(sys.argv[1]), sys.argv[2])).decode())
    else:
        main()
