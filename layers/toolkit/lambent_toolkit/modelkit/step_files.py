"""Files that one step leaves for the next."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lambent_toolkit.modelkit.errors import StepMissing


def read_step_file(folder: Path, name: str, *, step: str) -> bytes:
    """Return a file that the command ``step`` leaves; raises StepMissing, also if it is a folder or may not be read."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise StepMissing(f"There is no {name} in {folder}: run `lambent {step}` first.") from None
    except OSError as exc:
        raise StepMissing(
            f"{name} in {folder} cannot be read ({exc.strerror}): put it right, or remove it and run `lambent {step}`."
        ) from exc


def to_json(value: msgspec.Struct) -> bytes:
    """Return a record as indented JSON with a line's end."""
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"
