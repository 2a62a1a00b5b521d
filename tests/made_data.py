"""Real data as people keep it: digits in folders, wines as CSV, texts as JSON Lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lambent_toolkit.modelkit.datasets.adding import Added, AddOptions, NearDuplicates, add_data_set
from lambent_toolkit.modelkit.datasets.candidates import SourceOptions
from lambent_toolkit.modelkit.datasets.grouping import Shares
from lambent_toolkit.modelkit.recipes.digits import digit_png

SHARES = Shares(0.15, 0.2, 7)


@cache
def digits() -> list[tuple[bytes, str]]:
    """Return scikit-learn's 1,797 digits as PNG files, each with its class's name."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return [(digit_png(ink), str(target)) for ink, target in zip(bunch.images, bunch.target, strict=True)]


def digits_of(label: str, number: int) -> list[bytes]:
    """Return the first ``number`` digits of a class."""
    return [picture for picture, own in digits() if own == label][:number]


def write_digits(folder: Path, *, classes: str = "01", each: int = 12) -> Path:
    """Write ``each`` pictures of some classes, a folder for each class."""
    for label in classes:
        (folder / label).mkdir(parents=True)
        for number, picture in enumerate(digits_of(label, each)):
            (folder / label / f"{number:03}.png").write_bytes(picture)
    return folder


def write_wines(path: Path, *, change: Callable[[int, dict[str, Any]], None] = lambda _number, _row: None) -> Path:
    """Write scikit-learn's 178 wines with the column ``label``; ``change`` may alter each row, by number from 0."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*bunch.feature_names, "label"])
        writer.writeheader()
        for number, (cells, target) in enumerate(zip(bunch.data.tolist(), bunch.target, strict=True)):
            row = dict(zip(bunch.feature_names, cells, strict=True), label=bunch.target_names[target])
            change(number, row)
            writer.writerow(row)
    return path


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write JSON Lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def colours(number: int = 10) -> list[dict[str, Any]]:
    """Return rows of a text and a label, all different."""
    return [{"text": f"{word} {place}", "label": word} for word in ("red", "blue") for place in range(number)]


def add(
    name: str,
    source: Path | str,
    store: Path,
    *,
    shares: Shares = SHARES,
    near: NearDuplicates = "report",
    skip: bool = False,
    s3: Any = None,
    **columns: Any,
) -> Added:
    """Add a data set as the command does."""
    options = AddOptions(SourceOptions(**columns), shares, near_duplicates=near, skip_unreadable=skip)
    return add_data_set(name, str(source), options, store=store, s3=s3)
