"""A digit can be drawn on any console."""

import numpy as np

from lambent_toolkit.demo.pictures import draw

TENSOR = np.zeros((28, 28, 1), dtype=np.float32)
TENSOR[:14, :14] = 1.0


def test_letters_are_dense_where_the_ink_is() -> None:
    lines = draw(TENSOR, is_terminal=False).plain.split("\n")

    assert len(lines) == 14
    assert lines[0] == "@" * 14 + " " * 14
    assert lines[-1].strip() == ""


def test_terminal_gets_two_rows_of_pixels_a_line() -> None:
    drawn = draw(TENSOR, is_terminal=True)

    assert drawn.plain == "\n".join(["▀" * 28] * 14)
    assert "rgb(255,255,255) on rgb(255,255,255)" in {str(span.style) for span in drawn.spans}
