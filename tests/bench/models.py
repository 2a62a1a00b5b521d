"""Models for the benchmarks, made once and kept under .cache/lambent: `bench_model`, `publish_bench_model`.

| name | what | takes |
|---|---|---|
| mobilenet | MobileNetV2-224, full int8 | UINT8 pixels (-1, 224, 224, 3), or a picture |
| seed-cnn | the demo model, full int8 | FP32 (-1, 28, 28, 1), or a picture |
| seed-cnn-float32 | the same, float32 | the same |
| transformer | one attention block, dynamic range | INT32 token ids (-1, 128) |

Run this file to make them all: .venv/bin/python tests/bench/models.py
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
import networks
import numpy as np

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.model import CONTRACT_FILE, GOLDEN_FILE, KERAS_FILE, LIVE, TFLITE_FILE, ModelRef
from lambent.domain.preprocessing import make_preprocessor
from lambent.services.golden import GoldenVectors
from lambent.services.version_files import decode_contract
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.modelkit import quantization
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.watcher import Watcher
from lambent_toolkit.sandbox.stack_info import StackInfo

Files = dict[str, bytes]
GOLDEN_ITEMS = 8
# Scores are probabilities; one and a half steps of int8's 1/256.
GOLDEN_TOLERANCE = 1.5 / 256
_SOURCES = (Path(__file__), Path(networks.__file__), Path(quantization.__file__))
_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn", "simplejpeg")
# One class of twelve would be right by chance in 8 of 100.
_MIN_RIGHT_PHOTO, _MIN_RIGHT_PART = 0.98, 0.6


def bench_model(name: str) -> Path:
    """Return a folder with model.tflite, contract.json and golden.npz; they are made first if need be."""
    cache_dir = default_cache_dir()
    folder = cache_dir / f"bench-{name}-{_fingerprint()}"
    if not folder.exists():
        draft = cache_dir / f".bench-{name}-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with ConsoleWatcher(screen()) as watcher:
            files = MAKERS[name](watcher)
        for file, body in files.items():
            (draft / file).write_bytes(body)
        draft.rename(folder)
    return folder


def publish_bench_model(stack: StackInfo, name: str) -> ModelRef:
    """Publish a benchmark model to a stack under its own name and point the label ``live`` to it."""
    folder = bench_model(name)
    publisher = Publisher(stack)
    files = {file: (folder / file).read_bytes() for file in (TFLITE_FILE, GOLDEN_FILE)}
    ref = publisher.publish_files(files, decode_contract((folder / CONTRACT_FILE).read_bytes())).ref
    publisher.set_label(ref.name, LIVE, ref.version)
    return ref


def _mobilenet(watcher: Watcher) -> Files:
    with quiet():
        built = networks.build_mobilenet(watcher)
    files = _convert(built, watcher)
    _check_answers(files, built)
    return files


def _transformer(watcher: Watcher) -> Files:
    with quiet():
        built = networks.build_transformer(watcher)
    return _convert(built, watcher)


def _seed_cnn(watcher: Watcher) -> Files:
    artifact = build_demo_model(default_cache_dir(), watcher)
    contract = msgspec.structs.replace(artifact.contract, name="seed-cnn")
    return _files(artifact.files[TFLITE_FILE], contract, artifact.files[GOLDEN_FILE])


def _seed_cnn_float32(watcher: Watcher) -> Files:
    from lambent_toolkit.modelkit.training import from_keras_file

    artifact = build_demo_model(default_cache_dir(), watcher)
    contract = msgspec.structs.replace(artifact.contract, name="seed-cnn-float32")
    watcher.begin("seed-cnn in float32", total=1)
    model = to_tflite(from_keras_file(artifact.files[KERAS_FILE]), contract, variant="float32")
    raw = GoldenVectors.from_npz(artifact.files[GOLDEN_FILE]).raw
    return _with_golden(model, contract, raw, {})


MAKERS: dict[str, Callable[[Watcher], Files]] = {
    "mobilenet": _mobilenet,
    "seed-cnn": _seed_cnn,
    "seed-cnn-float32": _seed_cnn_float32,
    "transformer": _transformer,
}


def _convert(built: networks.Built, watcher: Watcher) -> Files:
    model = to_tflite(built.model, built.contract, variant=built.variant, calibration=built.calibration)
    watcher.advance(f"converted, {len(model) / 1e6:.1f} MB")
    return _with_golden(model, built.contract, built.raw[:GOLDEN_ITEMS], built.calibration)


def _with_golden(model: bytes, contract: ModelContract, raw: list[bytes], tensors: dict[str, Array]) -> Files:
    interpreter = networks.interpreter_of(model, contract)
    if raw:
        preprocessor = make_preprocessor(contract, {})
        tensors = preprocessor.collate([preprocessor.prepare(item) for item in raw])
    golden = GoldenVectors(raw, tensors, interpreter.run(tensors))
    contract = msgspec.structs.replace(contract, golden_tolerance=GOLDEN_TOLERANCE)
    return _files(model, contract, golden.to_npz())


def _files(model: bytes, contract: ModelContract, golden: bytes) -> Files:
    return {TFLITE_FILE: model, CONTRACT_FILE: msgspec.json.encode(contract), GOLDEN_FILE: golden}


def _check_answers(files: Files, built: networks.Built) -> None:
    """Stop unless the int8 file's best answer is right for crops that it was not fitted on."""
    interpreter = networks.interpreter_of(files[TFLITE_FILE], built.contract)
    preprocessor = make_preprocessor(built.contract, {})
    tensors = preprocessor.collate([preprocessor.prepare(item) for item in built.raw])
    said, truth = interpreter.run(tensors)["scores"].argmax(axis=1), np.array(built.truth)
    per_photo = networks.ROWS * networks.COLUMNS
    right_photo = float(np.mean(said // per_photo == truth // per_photo))
    right_part = float(np.mean(said == truth))
    screen().print(f"mobilenet on {len(truth)} unseen crops: photo {right_photo:.1%} right, part {right_part:.1%}")
    if right_photo < _MIN_RIGHT_PHOTO or right_part < _MIN_RIGHT_PART:
        raise SystemExit(f"mobilenet must be right for {_MIN_RIGHT_PHOTO:.0%} and {_MIN_RIGHT_PART:.0%}")


def _fingerprint() -> str:
    hashed = sha256(b"".join(source.read_bytes() for source in _SOURCES))
    hashed.update(" ".join(f"{name}=={version(name)}" for name in _PACKAGES).encode())
    return hashed.hexdigest()[:12]


if __name__ == "__main__":
    for each in MAKERS:
        screen().print(f"{each}: {bench_model(each)}")
