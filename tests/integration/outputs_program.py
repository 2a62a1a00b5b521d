"""Print the digest of every output of every model in a folder, in a process that sees one interpreter only.

Arguments: the folder, and a seed for the inputs.
"""

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter


def _make_input(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    # Wide integers are ids of tokens, and beyond a vocabulary a model reads whatever lies there.
    largest = 1 if dtype in (np.int32, np.int64) else 100
    return (random.random(shape) * (largest + 0.99)).astype(dtype)


def digest_outputs(model: Path, seed: int) -> str:
    """Run a model on made inputs; what it cannot run, it says in the same words each time."""
    random = np.random.default_rng(seed)
    try:
        interpreter = Interpreter(model_content=model.read_bytes())
        runner = interpreter.get_signature_runner()
        inputs = {
            name: _make_input(random, each["shape"], np.dtype(each["dtype"]))
            for name, each in sorted(runner.get_input_details().items())
        }
        outputs = runner(**inputs)
    except (ValueError, RuntimeError, TypeError) as exc:
        return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
    # As lists where they are objects, such as texts: their bytes in memory are addresses.
    told = [
        each.tobytes() if each.dtype != object else repr(each.tolist()).encode() for _, each in sorted(outputs.items())
    ]
    return sha256(b"".join(told)).hexdigest()


for path in sorted(Path(sys.argv[1]).rglob("*.tflite")):
    if path.parent.name != "crashing":  # ends the process, as its name says
        print(path.name, digest_outputs(path, int(sys.argv[2])))
