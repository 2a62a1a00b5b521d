"""A digits model trained for a moment, see the fixture ``trained_folder``."""

from pathlib import Path

import pytest

from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.workbench import Workbench

EPOCHS = 4
# Keras 3.15 reads TensorFlow 2.21's variables in a way that NumPy 2 calls deprecated; neither is ours.
FOREIGN_WARNINGS = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def train_for_a_moment(folder: Path) -> None:
    """Fill a workbench's folder by `train` and `quantize`."""
    bench = Workbench(folder)
    bench.train(RECIPES["digits"].having(epochs=EPOCHS))
    bench.quantize(Wish(measured=()))
