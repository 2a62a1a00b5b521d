"""Labels are read from a list or a file as they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing.inputs import read_labels


def test_a_long_list_of_labels_is_no_file_name() -> None:
    labels = [f"class_{number:03}" for number in range(200)]

    assert read_labels(", ".join(labels)) == tuple(labels)


@pytest.mark.parametrize(
    "text", ["cat\ndog\n", "\ufeffcat\r\ndog\r\n", "cat\ndog\n\n \n"], ids=["plain", "mark", "blank end"]
)
def test_labels_of_a_file_are_its_lines_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(text.encode())

    assert read_labels(str(file)) == ("cat", "dog")


def test_a_file_that_is_not_there_is_no_label(tmp_path: Path) -> None:
    with pytest.raises(ForeignModelRefused, match=r"There is no file .*lables\.txt: name one with a label a line"):
        read_labels(str(tmp_path / "lables.txt"))


def test_an_empty_label_is_named_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("cat\n\ndog\n")

    with pytest.raises(ForeignModelRefused, match=r"line 2 of .*labels\.txt"):
        read_labels(str(file))
    with pytest.raises(ForeignModelRefused, match="number 3 of the labels"):
        read_labels("cat,dog,")
