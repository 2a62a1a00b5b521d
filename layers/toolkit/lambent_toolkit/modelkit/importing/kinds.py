"""What a model file is, by its content: names and endings prove nothing."""

from __future__ import annotations

import bz2
import lzma
import pickletools
import re
import stat
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile, ZipFile

from lambent_toolkit.modelkit.errors import ForeignModelRefused

Kind = Literal["keras", "saved_model", "tflite", "hdf5"]
GRAPH_FILE = "saved_model.pb"
MAX_MODEL_BYTES = 2 << 30  # of a .tflite file, which is addressed by 32-bit signed offsets
_HEAD_BYTES = 1 << 16
_PEEK_BYTES = 1 << 12
# Of its first form, and of the one since PyTorch 2.8.
_TORCH_MEMBERS = frozenset({"serialized_exported_program.json", "archive_format"})
_HDF5 = b"\x89HDF\r\n\x1a\n"
_TAKEN = "Lambent takes model.keras, a SavedModel folder or model.tflite."
_PICKLE = (
    "is a pickle: loading it runs whatever its maker wrote into it, so it is never loaded, also not with --trust. "
    "Load it where it was made and save the model as .keras or as a SavedModel."
)
_ONNX = (
    "is an ONNX model. Convert it where it was made, e.g. by onnx2tf, which writes a SavedModel and .tflite files, and "
    "import one of these."
)
_TORCH = (
    "was written by torch.export. Convert it where it was made by LiteRT's converter for PyTorch "
    "(litert_torch.convert(module, inputs).export('model.tflite'), formerly ai_edge_torch), and import that file."
)
_WEIGHTS = (
    "holds weights and no layers ({}). Load them into their model where it was made, and write the whole model as "
    ".keras or as a SavedModel."
)
# Of protobuf: field 1 (ir_version) as a number, then field 2 (producer), 7 (graph) or 8 (operators) with a length.
_ONNX_HEAD = re.compile(rb"\x08[\x01-\x1f][\x12\x3a\x42]", re.DOTALL)
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": lambda head: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _PEEK_BYTES),
    b"BZh": lambda head: bz2.BZ2Decompressor().decompress(head, _PEEK_BYTES),
    b"\xfd7zXZ": lambda head: lzma.LZMADecompressor().decompress(head, _PEEK_BYTES),
    b"\x78": lambda head: zlib.decompressobj().decompress(head, _PEEK_BYTES),
}


@dataclass(frozen=True)
class ForeignModel:
    """A model that somebody else made, recognised and of a reasonable size, but not yet known to be harmless.

    ``sha256`` is of the file; of a folder, of its files' paths and digests in sorted order.
    """

    path: Path
    kind: Kind
    size_bytes: int
    sha256: str


def recognise(path: Path) -> ForeignModel:
    """Tell what a path holds; nothing of it is parsed but the first bytes and a list of names.

    Raises
    ------
    ForeignModelRefused   it is missing, empty, too large or unreadable, a pickle in whatever wrapping, or nothing known
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path)
        if not stat.S_ISREG(mode):
            raise ForeignModelRefused(f"{path} is neither a file nor a folder. {_TAKEN}")
        return _file(path)
    except FileNotFoundError:
        raise ForeignModelRefused(f"There is no {path}.") from None
    except OSError as exc:
        raise ForeignModelRefused(f"{path} cannot be read: {exc.strerror}.") from exc


def _file(path: Path) -> ForeignModel:
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise ForeignModelRefused(f"{path} is empty.")
    if size_bytes > MAX_MODEL_BYTES:
        raise ForeignModelRefused(f"{path} has {size_bytes} bytes, a model at most {MAX_MODEL_BYTES}.")
    with path.open("rb") as file:
        kind = _kind(file.read(_HEAD_BYTES), path)
    with path.open("rb") as file:
        hashed = sha256()
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return ForeignModel(path, kind, size_bytes, hashed.hexdigest())


def _kind(head: bytes, path: Path) -> Kind:
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(_HDF5):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path)
    if other := _other_form(head):
        raise ForeignModelRefused(f"{path} {other}")
    if _is_pickle(head) or _is_pickle(_unpacked(head)):
        raise ForeignModelRefused(f"{path} {_PICKLE}")
    if path.name == GRAPH_FILE:
        raise ForeignModelRefused(f"{path} is the graph of a SavedModel: give its folder, {path.parent}.")
    raise ForeignModelRefused(f"{path} is no model that is known here, whatever its name says. {_TAKEN}")


def _kind_of_archive(path: Path) -> Kind:
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except BadZipFile:
        raise ForeignModelRefused(f"{path} begins like an archive, but is cut off or damaged.") from None
    if "config.json" in names:
        return "keras"
    if any(name.endswith((".pkl", ".pickle")) for name in names):
        raise ForeignModelRefused(f"{path} is an archive with pickles inside, as PyTorch writes it, and {_PICKLE}")
    if any(name.rpartition("/")[2] in _TORCH_MEMBERS for name in names):
        raise ForeignModelRefused(f"{path} {_TORCH}")
    if names and all(name.endswith(".npy") for name in names):
        raise ForeignModelRefused(f"{path} {_WEIGHTS.format('NumPy arrays')}")
    if any(name.rpartition("/")[2] == GRAPH_FILE for name in names):
        raise ForeignModelRefused(f"{path} is a packed SavedModel: unpack it and give the folder.")
    raise ForeignModelRefused(f"{path} is an archive, but not one that Keras wrote. {_TAKEN}")


def _other_form(head: bytes) -> str | None:
    """Return what a file of another kind of model is, and the way on."""
    if _ONNX_HEAD.match(head):
        return _ONNX
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < MAX_MODEL_BYTES and b'"dtype"' in head:
        return _WEIGHTS.format("safetensors")
    if head.startswith(b"GGUF"):
        return _WEIGHTS.format("GGUF")
    if head.lstrip()[:1] == b"{" and b'"modelTopology"' in head:
        return "is a model of TensorFlow.js. Import the Keras model or the SavedModel that it was converted from."
    return None


def _is_pickle(head: bytes) -> bool:
    """Return whether these bytes begin a pickle of any protocol; nothing is unpickled."""
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return True
    names = []
    # Protocols 0 and 1 have no mark of their own: they are one if their operations can be read up to one that names
    # something to call.
    with suppress(ValueError, IndexError):
        for operation, _, _ in pickletools.genops(head):
            names.append(operation.name)
            if operation.name in ("GLOBAL", "INST", "REDUCE") or (operation.name == "STOP" and len(names) > 1):
                return True
    return False


def _unpacked(head: bytes) -> bytes:
    for mark, unpack in _UNPACK.items():
        if head.startswith(mark):
            with suppress(OSError, EOFError, zlib.error, lzma.LZMAError):
                return unpack(head)
    return b""


def _folder(path: Path) -> ForeignModel:
    if not (path / GRAPH_FILE).is_file():
        if any(found.with_suffix(".data-00000-of-00001").exists() for found in path.glob("*.index")):
            raise ForeignModelRefused(f"The folder {path} is a checkpoint: it {_WEIGHTS.format('variables')}")
        raise ForeignModelRefused(f"The folder {path} has no {GRAPH_FILE}, so it is no SavedModel. {_TAKEN}")
    files = sorted(found for found in path.rglob("*") if not found.is_dir() or found.is_symlink())
    for found in files:
        if found.is_symlink() or not found.is_file():
            raise ForeignModelRefused(f"{found} is a link or no plain file: a SavedModel holds its own files only.")
    size_bytes = sum(found.stat().st_size for found in files)
    if size_bytes > MAX_MODEL_BYTES:
        raise ForeignModelRefused(f"{path} has {size_bytes} bytes, a model at most {MAX_MODEL_BYTES}.")
    hashed = sha256()
    for found in files:
        hashed.update(f"{found.relative_to(path).as_posix()}\n{sha256(found.read_bytes()).hexdigest()}\n".encode())
    return ForeignModel(path, "saved_model", size_bytes, hashed.hexdigest())
