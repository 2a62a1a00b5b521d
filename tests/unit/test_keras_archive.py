"""A .keras file is looked through before Keras sees it: nothing of its maker's may run, be read or be fetched."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import h5py
import numpy as np
import pytest

from foreign_files import DENSE, keras_archive, layer, sequential, weights
from lambent.adapters.keras_archive import MAX_METADATA_BYTES, check_keras_archive
from lambent.domain.keras_config import MOST_LEVELS, MOST_VALUES
from lambent.errors import ModelFormatRefused


def test_a_model_of_keras_layers_passes(tmp_path: Path) -> None:
    check_keras_archive(keras_archive(tmp_path / "model.keras"))


def function(name: str, module: str, **changes: Any) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function", **changes}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(layer("Lambda", function={"class_name": "__lambda__", "config": {"value": "4wEA"}}), "Python code",
                     id="marshalled-code-CVE-2024-3660"),
        pytest.param(layer("system", module="os"), "no part of Keras", id="any-module-CVE-2025-1550"),
        pytest.param(layer("Dense", module="keras.layers.evil"), "no part of Keras", id="module-beginning-right"),
        pytest.param(layer("Activation", activation=function("get_file", "keras.utils")), "no activation",
                     id="fetching-a-file-CVE-2025-8747"),
        pytest.param(layer("Activation", activation=function("enable_unsafe_deserialization", "keras.config")),
                     "no activation", id="safe-mode-off-CVE-2025-9906"),
        pytest.param(layer("Activation", activation=function("load_model", "keras.models")), "no activation",
                     id="loading-another-model"),
        pytest.param(layer("Activation", activation=function("deserialize", "keras.layers")), "no activation",
                     id="building-objects"),
        pytest.param(layer("Activation", activation=function("get", "builtins")), "no activation", id="builder"),
        pytest.param(layer("Activation", activation=function("exec", "builtins")), "no activation", id="exec"),
        pytest.param(layer("Activation", activation=function("eval", "keras.losses")), "no activation", id="eval"),
        pytest.param(layer("Activation", activation=function("later_than_this", "keras.activations")), "no activation",
                     id="function-of-a-later-keras"),
        pytest.param(layer("Activation", activation=function("relu", "keras.losses")), "no activation",
                     id="function-of-another-module"),
        pytest.param(layer("Load", module="keras.src.ops.numpy"), "no part of Keras", id="operation-that-is-none"),
        pytest.param(layer("Fetch", module="keras.metrics"), "no part of Keras", id="class-of-a-later-keras"),
        pytest.param(layer("JVP", module="keras.src.ops.linalg"), "no part of Keras", id="operation-on-a-function"),
        pytest.param(layer("StringLookup", vocabulary="/etc/passwd"), "vocabulary from a path",
                     id="reading-a-file-CVE-2025-12058"),
        pytest.param(layer("TorchModuleWrapper", module_="gASV"), "pickle", id="pickle-CVE-2025-49655"),
        pytest.param(layer("TFSMLayer", filepath="/tmp/x"), "SavedModel", id="saved-model-CVE-2026-1462"),
        pytest.param({**layer("Mine"), "registered_name": "package>Mine"}, "custom object", id="custom-layer"),
        pytest.param({**DENSE, "registered_name": "package>Dense"}, "custom object", id="custom-good-name"),
        pytest.param(layer("Map", module="keras.src.ops.core"), "no part of Keras", id="operation-on-functions"),
        pytest.param(layer("__typespec__", module="os", spec_name="x"), "no part of Keras", id="type-from-any-module"),
        pytest.param({"class_name": "Lambda", "config": {}}, "Python code", id="older-form-without-module"),
        pytest.param({"class_name": "Dense", "config": {}}, "no part of Keras", id="older-form-of-a-good-layer"),
        pytest.param(layer("TimeDistributed", layer=layer("Lambda")), "Python code", id="inside-of-a-wrapper"),
        pytest.param({**DENSE, "build_config": {"x": [[layer("Lambda")]]}}, "Python code", id="where-none-belongs"),
        pytest.param({**DENSE, "class_name": ["Dense"]}, "no name", id="name-that-is-none"),
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_of_keras_is_refused_and_named(spec: Any, why: str, tmp_path: Path) -> None:
    model = keras_archive(tmp_path / "model.keras", sequential(DENSE, spec))

    with pytest.raises(ModelFormatRefused, match=why) as caught:
        check_keras_archive(model)

    assert caught.value.errors
    assert caught.value.errors[0]["where"].startswith("config.layers[1]")


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"units": nested(900)}, "deeper"),
        ({"units": nested(MOST_LEVELS)}, "deeper"),
        ({"units": [0] * (MOST_VALUES + 1)}, "more in it"),
        ({"units": 2**64}, "larger than any size"),
        ({"units": -(2**70)}, "larger than any size"),
        ({"batch_shape": [None, 2**20, 2**20]}, "elements"),
        ({"build_config": {"input_shape": [2**31]}}, "elements"),
    ],
    ids=["900 lists", "lists", "values", "number", "negative number", "shape", "inner shape"],
)
def test_what_is_larger_or_deeper_than_any_model_is_refused_before_keras_walks_it(
    changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    model = keras_archive(tmp_path / "model.keras", sequential(layer("Dense", **changes)))

    with pytest.raises(ModelFormatRefused, match=why):
        check_keras_archive(model)


def test_models_within_models_pass(tmp_path: Path) -> None:
    spec: Any = DENSE
    for _ in range(8):
        spec = sequential(spec)

    check_keras_archive(keras_archive(tmp_path / "model.keras", spec))


def test_an_evil_function_in_how_a_model_is_compiled_is_refused_where_keras_builds_it(tmp_path: Path) -> None:
    evil = {"compile_config": {"loss": function("eval", "builtins")}}
    model = keras_archive(tmp_path / "model.keras", {**sequential(DENSE), **evil})

    with pytest.raises(ModelFormatRefused, match="eval at compile_config"):
        check_keras_archive(model, is_compiled=True)
    with pytest.raises(ModelFormatRefused, match=r"eval at config\.layers\[0\]"):
        check_keras_archive(keras_archive(tmp_path / "model.keras", sequential({**sequential(DENSE), **evil})))


OWN_LOSS = {"module": None, "class_name": "Dice", "config": {}, "registered_name": "Dice"}


def test_how_the_outermost_model_was_compiled_is_left_out_unless_it_will_be_loaded_compiled(tmp_path: Path) -> None:
    compiled = {**sequential(DENSE), "compile_config": {"optimizer": "adam", "loss": OWN_LOSS}}
    model = keras_archive(tmp_path / "model.keras", compiled)

    check_keras_archive(model)

    with pytest.raises(ModelFormatRefused, match="Dice at compile_config"):
        check_keras_archive(model, is_compiled=True)


def test_how_an_inner_model_was_compiled_is_looked_at_since_keras_builds_it(tmp_path: Path) -> None:
    inner = {**sequential(DENSE), "compile_config": {"loss": OWN_LOSS}}

    with pytest.raises(ModelFormatRefused, match=r"Dice at config\.layers\[0\]\.compile_config"):
        check_keras_archive(keras_archive(tmp_path / "model.keras", sequential(inner)))


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("more", [{}, {"assets/_layer/vocabulary.txt": b"a"}], ids=["in the file", "in assets"])
def test_a_table_is_named_for_what_it_is_and_no_path_is_made_up(
    name: str, more: dict[Any, bytes], tmp_path: Path
) -> None:
    model = keras_archive(tmp_path / "model.keras", sequential(layer(name, vocabulary=["a"])), more=more)

    with pytest.raises(ModelFormatRefused, match=f"{name} at config") as caught:
        check_keras_archive(model)

    assert "no lane has" in caught.value.detail
    assert "path" not in caught.value.detail


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    model = keras_archive(tmp_path / "model.keras", sequential(layer("Lambda"), DENSE, layer("TFSMLayer")))

    with pytest.raises(ModelFormatRefused) as caught:
        check_keras_archive(model)

    assert [error["where"] for error in caught.value.errors or ()] == ["config.layers[0]", "config.layers[2]"]


def test_a_name_that_is_none_is_not_repeated_to_the_reader(tmp_path: Path) -> None:
    model = keras_archive(tmp_path / "model.keras", sequential(layer("\x1b[31m rm -rf")))

    with pytest.raises(ModelFormatRefused) as caught:
        check_keras_archive(model)

    assert "\x1b" not in caught.value.detail


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"class_name": "Dense"', id="cut-off"),
        pytest.param(b'{"class_name": "Dense", "class_name": "Lambda"}', id="a-name-twice"),
        pytest.param(b"[" * 100_000, id="nested-too-deep"),
        pytest.param(b"9" * 5000, id="a-number-of-5000-digits"),
    ],
)
def test_a_configuration_that_is_not_json_is_refused(config: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelFormatRefused, match="not JSON"):
        check_keras_archive(keras_archive(tmp_path / "model.keras", config))


def link(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"../../evil.py": b""}, id="path-traversal"),
        pytest.param({"/etc/cron.d/evil": b""}, id="absolute-path"),
        pytest.param({"assets/vocabulary.txt": b"a"}, id="assets"),
        pytest.param({link("link"): b"/etc/passwd"}, id="link"),
        pytest.param({"model.weights.npz": b""}, id="numpy-weights"),
        pytest.param({"data.pkl": b"\x80\x04N."}, id="pickle"),
        pytest.param({"config.json": b"{}"}, id="a-member-twice"),
    ],
)
def test_an_archive_holds_the_three_members_and_nothing_else(more: dict[Any, bytes], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate name", category=UserWarning)
        model = keras_archive(tmp_path / "model.keras", more=more)

    with pytest.raises(ModelFormatRefused, match="once each"):
        check_keras_archive(model)


def test_a_member_that_is_a_link_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    with ZipFile(model, "w") as archive:
        archive.writestr("metadata.json", b"{}")
        archive.writestr("model.weights.h5", weights())
        archive.writestr(link("config.json"), b"/etc/passwd")

    with pytest.raises(ModelFormatRefused, match="is a link"):
        check_keras_archive(model)


def test_a_member_that_unpacks_to_a_thousand_times_its_size_is_refused_unread(tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    with ZipFile(model, "w", ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", b"{}")
        archive.writestr("config.json", b" " * (MAX_METADATA_BYTES * 100))
        archive.writestr("model.weights.h5", weights())

    with pytest.raises(ModelFormatRefused, match="unpacks to more"):
        check_keras_archive(model)


def external(file: h5py.File) -> None:
    file.create_dataset("stolen", (4,), np.uint8, external=[("/etc/passwd", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), np.uint8)
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "secret", (4,))
    file.create_virtual_dataset("stolen", layout)


def loop(file: h5py.File) -> None:
    file["layers/again"] = file["layers"]


@pytest.mark.parametrize(
    ("fill", "why"),
    [
        pytest.param(lambda file: file.__setitem__("a", h5py.ExternalLink("/tmp/other.h5", "/b")), "holds a link",
                     id="external-link-CVE-2026-1669"),
        pytest.param(lambda file: file.__setitem__("a", h5py.SoftLink("/layers")), "holds a link", id="soft-link"),
        pytest.param(external, "another file", id="external-storage"),
        pytest.param(virtual, "another file", id="virtual-array"),
        pytest.param(lambda file: file.create_dataset("a", (1 << 40,), np.float32), "not there", id="shape-bomb"),
        pytest.param(lambda file: file.create_dataset("a", data=np.zeros(9), compression="gzip"), "filtered",
                     id="filter"),
        pytest.param(lambda file: file.create_dataset("a", data=["x"]), "than numbers", id="texts"),
        pytest.param(lambda file: file.__setitem__("a", np.dtype("f4")), "neither", id="named-type"),
        pytest.param(loop, "two names", id="group-that-holds-itself"),
    ],
)  # fmt: skip
def test_weights_are_plain_numbers_of_this_file(fill: Callable[[h5py.File], None], why: str, tmp_path: Path) -> None:
    model = keras_archive(tmp_path / "model.keras", weights_body=weights(fill))

    with pytest.raises(ModelFormatRefused, match=why):
        check_keras_archive(model)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"\x80\x04\x95.", b"\x89HDF\r\n\x1a\n" + bytes(64)])
def test_a_file_that_is_no_archive_is_refused(body: bytes, tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    model.write_bytes(body)

    with pytest.raises(ModelFormatRefused, match=r"not a \.keras archive"):
        check_keras_archive(model)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = keras_archive(tmp_path / "whole.keras").read_bytes()
    model = tmp_path / "model.keras"

    for size_bytes in range(0, len(whole), 97):
        model.write_bytes(whole[:size_bytes])

        with pytest.raises(ModelFormatRefused):
            check_keras_archive(model)


def test_a_bit_flipped_in_any_members_content_is_refused(tmp_path: Path) -> None:
    whole = keras_archive(tmp_path / "whole.keras").read_bytes()
    with ZipFile(tmp_path / "whole.keras") as archive:
        members = [(info.header_offset + 30 + len(info.filename), info.file_size) for info in archive.infolist()]
    model = tmp_path / "model.keras"

    for start, size_bytes in members:
        flipped = bytearray(whole)
        flipped[start + size_bytes // 2] ^= 0x04
        model.write_bytes(flipped)

        with pytest.raises(ModelFormatRefused):
            check_keras_archive(model)
