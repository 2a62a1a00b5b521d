"""Unzipped size of every layer and function, with its bytecode and largest packages. Lambda takes 250 MiB together."""

from __future__ import annotations

from pathlib import Path

from harness import build

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table

MIB = 1024 * 1024
LARGEST = 2
PREDICT = ("CoreLayer", "NumericLayer", "PredictFunction")


def main() -> None:
    """Print the table."""
    table = plain_table("folder", "unzipped", "bytecode", "largest parts", right=(1, 2))
    folders = sorted(path for path in build().folder.iterdir() if path.is_dir())
    for folder in folders:
        table.add_row(folder.name, _mib(size_bytes(folder)), _mib(size_bytes(folder, "*.pyc")), largest(folder))
    predict = [folder for folder in folders if folder.name in PREDICT]
    totals = [sum(size_bytes(folder, pattern) for folder in predict) for pattern in ("*", "*.pyc")]
    table.add_row("predict + layers", *(_mib(total) for total in totals), "", style="bold")
    screen().print(table)


def _mib(size: int) -> str:
    return f"{size / MIB:.2f} MiB"


def size_bytes(folder: Path, pattern: str = "*") -> int:
    """Return the sum of the sizes of all files below."""
    return sum(file.stat().st_size for file in folder.rglob(pattern) if file.is_file())


def largest(folder: Path) -> str:
    """Return the largest entries of a layer or function with their sizes."""
    inside = folder / "python" if (folder / "python").is_dir() else folder
    sizes = {entry.name: size_bytes(entry) if entry.is_dir() else entry.stat().st_size for entry in inside.iterdir()}
    top = sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]
    return ", ".join(f"{name} {size / MIB:.1f}" for name, size in top if size > MIB / 10)


if __name__ == "__main__":
    main()
