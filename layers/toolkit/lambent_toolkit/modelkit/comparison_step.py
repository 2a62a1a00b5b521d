"""The step `lambent compare`: compare.json and compare.html of two models."""

from __future__ import annotations

from pathlib import Path

from lambent_toolkit.modelkit.evaluating.comparing import Compared, compare
from lambent_toolkit.modelkit.evaluating.comparison_page import COMPARISON_PAGE, comparison_page
from lambent_toolkit.modelkit.evaluating.contestants import Ready
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together

COMPARISON_FILE = "compare.json"


def run_comparison(
    first: Ready, second: Ready, folder: Path, *, data_name: str | None = None, watcher: Watcher = SILENCE
) -> Compared:
    """Leave compare.json and compare.html in a folder; raises as `compare` does, and FolderNotWritable."""
    compared = compare(first, second, data_name=data_name, watcher=watcher)
    written = {
        COMPARISON_PAGE: comparison_page(compared).encode(),
        COMPARISON_FILE: to_json(compared.comparison),
    }
    write_together(folder, written, last=COMPARISON_FILE)
    return compared
