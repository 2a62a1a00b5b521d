"""Which range of pixels a model wants is told from what reaches its first learning layer."""

import numpy as np
import pytest

from lambent_toolkit.modelkit.importing.pixel_range import PROBES, InputPath, PixelReading, reading_of


def path(*lines: tuple[float, float]) -> InputPath:
    """Return the path of an input that reaches each learning layer as ``value * factor + shift``."""
    return InputPath(
        ("step",), (), tuple(tuple(each * factor + shift for each in PROBES) for factor, shift in lines), "l"
    )


def told(reading: PixelReading | None) -> str | None:
    return reading.name if reading else None


@pytest.mark.parametrize(
    ("factor", "shift", "name"),
    [
        (1 / 255, 0.0, "0 to 255"),
        (1 / 256, 0.0, "0 to 255"),
        (1 / 127.5, -1.0, "0 to 255"),
        (-1 / 255, 1.0, "0 to 255"),
        (1 / 57.4, -2.02, "0 to 255"),
        (1 / 25, -0.8, "0 to 255"),
        (1.0, -114.8, "0 to 255"),
        (255.0, 0.0, "0 to 1"),
        (2.0, -1.0, "0 to 1"),
        (1.0, -0.5, "0 to 1"),
        (1 / 0.29, -1.7, "0 to 1"),
        (1 / 0.31, -0.13 / 0.31, "0 to 1"),
        (0.5, 0.5, "-1 to 1"),
        (127.5, 127.5, "-1 to 1"),
        (1.0, 0.0, None),
        (0.5, 0.0, None),
        (1e-6, 0.0, None),
        (1e6, 0.0, None),
        (0.0, 0.0, None),
    ],
)
def test_only_a_range_that_a_network_can_learn_from_is_read(factor: float, shift: float, name: str | None) -> None:
    assert told(reading_of(path((factor, shift)))) == name


def test_layers_that_want_different_pixels_tell_nothing() -> None:
    assert reading_of(path((1 / 255, 0.0), (2.0, -1.0))) is None
    assert told(reading_of(path((1 / 255, 0.0), (1 / 127.5, -1.0)))) == "0 to 255"
    assert reading_of(InputPath()) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_normalization_by_the_data_s_own_figures_is_read_as_the_data_s_range(seed: int) -> None:
    random = np.random.default_rng(seed)
    unit = random.beta(*random.uniform(0.5, 4, 2), size=2000)

    for top, name in ((255.0, "0 to 255"), (1.0, "0 to 1")):
        data = unit * top
        assert told(reading_of(path((1 / data.std(), -data.mean() / data.std())))) == name, f"seed {seed}"
