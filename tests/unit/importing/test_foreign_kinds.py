"""A file is what its content says; what could run code is never loaded to find out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import h5py
import pytest

from foreign_files import keras_archive
from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing import kinds
from lambent_toolkit.modelkit.importing.kinds import recognise
from lambent_toolkit.modelkit.importing.reading import read_model

FIXTURES = Path(__file__).parents[2] / "fixtures"


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def unpacked(body: bytes) -> bytes:
    return body


@pytest.mark.parametrize("name", ["model.pkl", "model.keras", "model.tflite", "model.h5", "weights"])
@pytest.mark.parametrize("wrap", [unpacked, gzip.compress, bz2.compress, lzma.compress, zlib.compress])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_under_any_name_and_in_any_wrapping_is_refused_and_not_run(
    name: str, wrap: Callable[[bytes], bytes], protocol: int, tmp_path: Path
) -> None:
    trace = tmp_path / "was-here"
    model = tmp_path / name
    model.write_bytes(wrap(pickle.dumps(Touch(trace), protocol=protocol)))

    for is_trusted in (False, True):
        with pytest.raises(ForeignModelRefused, match="is a pickle"):
            read_model(model, is_trusted=is_trusted)

    assert not trace.exists()


def test_the_pickle_of_these_tests_would_have_run(tmp_path: Path) -> None:
    trace = tmp_path / "was-here"

    pickle.loads(pickle.dumps(Touch(trace)))

    assert trace.exists()


def test_an_archive_of_pickles_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.pt"
    with ZipFile(model, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02N.")

    with pytest.raises(ForeignModelRefused, match="archive with pickles"):
        recognise(model)


def test_hdf5_is_refused_whatever_its_name_unless_it_is_trusted(tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    with h5py.File(model, "w") as file:
        file["a"] = 1
        file.attrs["model_config"] = b"{}"

    with pytest.raises(ForeignModelRefused, match=r"HDF5.*--trust"):
        read_model(model)

    assert recognise(model).kind == "hdf5"


def test_hdf5_of_keras_2_is_not_told_to_be_saved_as_keras(tmp_path: Path) -> None:
    model = tmp_path / "model.h5"
    with h5py.File(model, "w") as file:
        file.attrs["model_config"] = b"{}"
        file.attrs["keras_version"] = b"2.11.0"

    with pytest.raises(ForeignModelRefused, match=r"Keras 2\.11\.0.*model\.export\('FOLDER'\).*--trust") as caught:
        read_model(model)

    assert "as .keras" not in str(caught.value)


def test_a_damaged_hdf5_file_is_told_to_be_damaged(tmp_path: Path) -> None:
    model = tmp_path / "model.h5"
    model.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))

    for is_trusted in (False, True):
        with pytest.raises(ForeignModelRefused, match="damaged"):
            read_model(model, is_trusted=is_trusted)


def test_a_keras_file_with_code_is_refused_with_every_place(tmp_path: Path) -> None:
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {}, "registered_name": None}
    model = keras_archive(tmp_path / "m.keras", {"class_name": "Sequential", "module": "keras", "config": [layer] * 2})

    with pytest.raises(ForeignModelRefused) as caught:
        read_model(model)

    assert "config[0]" in str(caught.value)
    assert "config[1]" in str(caught.value)
    assert "--trust" in str(caught.value)


SAFETENSORS = b'{"dense.kernel":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


def archive_of(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"{}")

    return write


@pytest.mark.parametrize(
    ("make", "named", "way_on"),
    [
        (lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x05"), "ONNX", "SavedModel"),
        (lambda path: path.write_bytes(b"\x08\x0a\x3a\x90\x01graph"), "ONNX", "SavedModel"),
        (lambda path: path.write_bytes(len(SAFETENSORS).to_bytes(8, "little") + SAFETENSORS), "safetensors", ".keras"),
        (lambda path: path.write_bytes(b"GGUF\x03\x00\x00\x00"), "GGUF", ".keras"),
        (
            lambda path: path.write_text('{"format": "layers-model", "modelTopology": {}}'),
            "TensorFlow.js",
            "SavedModel",
        ),
        (archive_of("serialized_exported_program.json", "version"), "torch.export", "litert_torch"),
        (archive_of("m/archive_format", "m/models/model.json"), "torch.export", "litert_torch"),
        (archive_of("dense.npy", "bias.npy"), "NumPy", ".keras"),
    ],
)
def test_models_of_other_kinds_are_named_with_the_way_on(
    make: Callable[[Path], object], named: str, way_on: str, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    make(model)

    for is_trusted in (False, True):
        with pytest.raises(ForeignModelRefused) as caught:
            read_model(model, is_trusted=is_trusted)

        assert named in str(caught.value)
        assert way_on in str(caught.value)


@pytest.mark.parametrize("version", [b"3.15.1", b"2.15.0"])
def test_weights_alone_are_told_to_be_weights_trusted_or_not(version: bytes, tmp_path: Path) -> None:
    model = tmp_path / "model.weights.h5"
    with h5py.File(model, "w") as file:
        file["layers/dense/vars/0"] = [1.0]
        file.attrs["keras_version"] = version

    for is_trusted in (False, True):
        with pytest.raises(ForeignModelRefused, match=r"weights and no layers.*model\.save"):
            read_model(model, is_trusted=is_trusted)


def test_a_keras_file_of_keras_2_is_told_which_call_writes_one_that_works(tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    with ZipFile(model, "w") as archive:
        archive.writestr("metadata.json", b'{"keras_version": "2.15.0"}')
        archive.writestr("config.json", b'{"module": "keras.src.engine.functional", "class_name": "Functional"}')

    for is_trusted in (False, True):
        with pytest.raises(ForeignModelRefused) as caught:
            read_model(model, is_trusted=is_trusted)

        assert "Keras 2.15.0" in str(caught.value)
        assert "model.export('FOLDER')" in str(caught.value)
        assert "save_format='tf'" in str(caught.value)
        assert "--trust" not in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "advice"),
    [
        ({"class_name": "Mine", "module": None, "config": {}, "registered_name": "p>Mine"}, "model.export('FOLDER')"),
        (
            {
                "class_name": "TextVectorization",
                "module": "keras.layers",
                "config": {"vocabulary": None},
                "registered_name": None,
            },
            "keras.Model(LAYER.output",
        ),
    ],
)
def test_what_trust_cannot_help_is_not_told_to_trust(layer: dict[str, object], advice: str, tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "module": "keras", "config": {"layers": [layer]}}
    model = keras_archive(tmp_path / "m.keras", config)

    for is_trusted in (False, True):
        with pytest.raises(ForeignModelRefused) as caught:
            read_model(model, is_trusted=is_trusted)

        assert advice in str(caught.value)
        assert "--trust loads it" not in str(caught.value)


def directory(path: Path) -> None:
    path.mkdir()


def packed_saved_model(path: Path) -> None:
    with ZipFile(path, "w") as archive:
        archive.writestr("m/saved_model.pb", b"")


def other_archive(path: Path) -> None:
    with ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: None, "There is no"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (directory, r"no saved_model\.pb"),
        (lambda path: path.write_bytes(b"\x00" * 100), "no model that is known"),
        (lambda path: path.write_text("def model(): ..."), "no model that is known"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"\x00" * 50), "cut off or damaged"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (packed_saved_model, "unpack it"),
        (other_archive, "not one that Keras wrote"),
    ],
    ids=["missing", "empty", "folder", "zeros", "text", "half-archive", "loop", "packed", "other-archive"],
)
def test_what_is_no_model_is_told_so(make: Callable[[Path], object], why: str, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    make(path)

    with pytest.raises(ForeignModelRefused, match=why):
        recognise(path)


def test_the_graph_of_a_saved_model_alone_is_answered_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")

    with pytest.raises(ForeignModelRefused, match="give its folder"):
        recognise(tmp_path / "saved_model.pb")


def test_a_saved_model_with_a_link_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    (tmp_path / "variables").symlink_to("/etc")

    with pytest.raises(ForeignModelRefused, match="is a link"):
        recognise(tmp_path)


def test_a_model_over_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MAX_MODEL_BYTES", 10)
    (tmp_path / "model.tflite").write_bytes(b"\x00\x00\x00\x00TFL3" + b"\x00" * 3)

    with pytest.raises(ForeignModelRefused, match="11 bytes, a model at most 10"):
        recognise(tmp_path / "model.tflite")


def test_the_digest_of_a_folder_changes_with_every_file_and_name(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    digests = [recognise(folder).sha256]

    (folder / "fingerprint.pb").write_bytes(b"a")
    digests.append(recognise(folder).sha256)
    (folder / "fingerprint.pb").rename(folder / "other.pb")
    digests.append(recognise(folder).sha256)

    assert len(set(digests)) == 3


@pytest.mark.parametrize("name", ["shade.float32.tflite", "foreign/flex.tflite"])
def test_a_tflite_file_is_known_by_its_identifier(name: str) -> None:
    assert recognise(FIXTURES / name).kind == "tflite"


def test_a_checkpoint_is_told_to_hold_weights_and_no_layers(tmp_path: Path) -> None:
    for name in ("checkpoint", "ckpt.index", "ckpt.data-00000-of-00001"):
        (tmp_path / name).write_bytes(b"1")

    with pytest.raises(ForeignModelRefused, match=r"a checkpoint: it holds weights and no layers.*\.keras"):
        recognise(tmp_path)
