"""Unzipped size of every layer, with its largest packages. Lambda takes 250 MB of function and layers together."""

from __future__ import annotations

from pathlib import Path

from harness import build

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table

MB = 1_000_000
LARGEST = 4


def main() -> None:
    """Print the table."""
    table = plain_table("folder", "unzipped", "largest parts", right=(1,))
    total = 0
    for folder in sorted(path for path in build().folder.iterdir() if path.is_dir()):
        size = size_bytes(folder)
        total += size if folder.name.endswith("Layer") else 0
        table.add_row(folder.name, f"{size / MB:.2f} MB", largest(folder))
    table.add_row("[bold]layers together[/]", f"[bold]{total / MB:.2f} MB[/]", "")
    screen().print(table)


def size_bytes(folder: Path) -> int:
    """Return the sum of the sizes of all files below."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def largest(folder: Path) -> str:
    """Return the largest entries of a layer or function with their sizes."""
    inside = folder / "python" if (folder / "python").is_dir() else folder
    sizes = {entry.name: size_bytes(entry) if entry.is_dir() else entry.stat().st_size for entry in inside.iterdir()}
    top = sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]
    return ", ".join(f"{name} {size / MB:.1f}" for name, size in top if size > MB / 10)


if __name__ == "__main__":
    main()
