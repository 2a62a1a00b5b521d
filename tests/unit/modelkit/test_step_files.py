"""A step that finds no folder of the step before says so."""

from pathlib import Path

import pytest

from lambent_toolkit.modelkit.errors import StepMissing
from lambent_toolkit.modelkit.step_files import read_step_file


def test_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"")

    with pytest.raises(StepMissing, match=r"training\.json in .*model cannot be read \(Not a directory\)"):
        read_step_file(tmp_path / "model", "training.json", step="train")


def test_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "training.json").mkdir()

    with pytest.raises(StepMissing, match="Is a directory"):
        read_step_file(tmp_path, "training.json", step="train")
