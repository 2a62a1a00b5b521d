"""A .keras archive with another configuration has the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

from foreign_files import DENSE, keras_archive, sequential, weights
from lambent.adapters.keras_archive import check_keras_archive
from lambent_toolkit.modelkit.keras_files import with_config, without_inner_compilation

COMPILED = {"optimizer": "adam", "loss": {"class_name": "Dice", "config": {}}}


def test_only_how_inner_models_were_compiled_goes(tmp_path: Path) -> None:
    inner = {**sequential(DENSE), "compile_config": COMPILED}
    outer = {**sequential({**sequential(inner), "compile_config": COMPILED}), "compile_config": COMPILED}
    model, changed = keras_archive(tmp_path / "m.keras", outer), tmp_path / "changed.keras"

    with_config(model, changed, without_inner_compilation)

    check_keras_archive(changed)
    with ZipFile(changed) as archive:
        config = json.loads(archive.read("config.json"))
        assert archive.read("model.weights.h5") == weights()
    assert config == {**sequential(sequential(sequential(DENSE))), "compile_config": COMPILED}
