"""The command that a verb proposes next works for any folder's name."""

import shlex
from pathlib import Path

import pytest

from lambent_toolkit.cli.screen import typed


@pytest.mark.parametrize("name", ["plain", "a folder [of mine]", "it's", "$HOME"])
def test_proposed_path_is_one_word_of_the_shell(name: str) -> None:
    assert shlex.split(f"lambent quantize {typed(Path(name))}") == ["lambent", "quantize", name]
