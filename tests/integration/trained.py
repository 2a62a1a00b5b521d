"""A digits model trained for a moment, made once a test run and shared by the tests that need real files."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.workbench import Workbench

EPOCHS = 4
# Keras 3.15 reads TensorFlow 2.21's variables in a way that NumPy 2 calls deprecated; neither is ours.
FOREIGN_WARNINGS = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
_KEPT = []


@cache
def trained_folder() -> Path:
    """Return a workbench's folder after `train` and `quantize`."""
    folder = TemporaryDirectory(prefix="lambent-test-model-")
    _KEPT.append(folder)  # deleted when the interpreter ends
    bench = Workbench(Path(folder.name))
    bench.train(RECIPES["digits"].having(epochs=EPOCHS))
    bench.quantize(Wish(measured=()))
    return bench.folder
