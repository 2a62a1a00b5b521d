"""Small files and names that a person gives beside a model: contract, labels, tokenizer."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from lambent.contracts.model import ModelContract
from lambent.domain.model import TOKENIZER_FILE
from lambent.errors import InvalidInput
from lambent.services.version_files import decode_contract
from lambent_toolkit.modelkit.errors import ContractDisagrees, ForeignModelRefused
from lambent_toolkit.modelkit.whole_files import write_whole

MAX_SIDE_BYTES = 64 << 20
_LISTS = (".csv", ".json", ".labels", ".list", ".names", ".pbtxt", ".txt")


def read_contract(path: Path) -> ModelContract:
    """Read contract.json; raises ForeignModelRefused (unreadable), ContractDisagrees (not a contract)."""
    try:
        return decode_contract(_read(path, "contract"))
    except InvalidInput as exc:
        where = f" at {exc.field}" if exc.field else ""
        raise ContractDisagrees(f"{path} is not a contract{where}: {exc.detail}") from exc


def write_contract(path: Path, contract: ModelContract) -> None:
    """Write a new contract; raises ForeignModelRefused (the file exists), FolderNotWritable."""
    if path.exists():
        raise ForeignModelRefused(f"{path} exists already, perhaps with your own changes: remove it or name another.")
    write_whole(path, msgspec.json.format(msgspec.json.encode(contract)) + b"\n")


def read_tokenizer(path: Path | None) -> dict[str, bytes]:
    """Return tokenizer.json as the asset that it is; nothing without a path; raises ForeignModelRefused."""
    return {} if path is None else {TOKENIZER_FILE: _read(path, "tokenizer")}


def read_labels(given: str | None) -> tuple[str, ...]:
    """Return labels, given as ``a,b,c`` or as a file with one a line.

    Raises
    ------
    ForeignModelRefused   the file cannot be read, a label is empty or stands twice
    """
    if given is None:
        return ()
    path = Path(given)
    if is_file := _exists(path):
        try:
            # Editors of Windows begin a file with a mark, which is no part of the first label.
            text = _read(path, "labels").decode("utf-8-sig").rstrip()
        except UnicodeDecodeError:
            raise ForeignModelRefused(f"{path} is not text in UTF-8: write one label a line.") from None
        labels = tuple(line.strip() for line in text.splitlines())
    elif path.suffix.lower() in _LISTS and "," not in given:
        raise ForeignModelRefused(f"There is no file {given}: name one with a label a line, or the labels as a,b,c.")
    else:
        labels = tuple(label.strip() for label in given.split(","))
    if not labels or not all(labels):
        place = labels.index("") + 1 if labels else 1
        where = f"line {place} of {path}" if is_file else f"number {place} of the labels"
        raise ForeignModelRefused(f"A label is empty, {where}: give one a line, or a,b,c.")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ForeignModelRefused(f"Labels stand twice: {', '.join(twice[:5])}.")
    return labels


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than any file's: many labels
        return False


def read_size(given: str | None) -> tuple[int, int] | None:
    """Return height and width, given as ``224x192``; raises ForeignModelRefused."""
    if given is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", given.strip().lower())
    if found is None:
        raise ForeignModelRefused(f"A size is HEIGHTxWIDTH in pixels, such as 224x224, not {given}.")
    return int(found[1]), int(found[2])


def model_name(path: Path) -> str:
    """Return a name for the model of a file: its own, or that of its folder if it is only called model."""
    stem = path.absolute().stem
    chosen = path.absolute().parent.name if stem in ("model", "saved_model") else stem
    return re.sub(r"[^a-z0-9_-]+", "-", chosen.lower()).strip("-_")[:64] or "model"


def _read(path: Path, what: str) -> bytes:
    try:
        if path.stat().st_size > MAX_SIDE_BYTES:
            raise ForeignModelRefused(f"{path} is larger than any {what} ({MAX_SIDE_BYTES} bytes).")
        return path.read_bytes()
    except OSError as exc:
        raise ForeignModelRefused(f"The {what} {path} cannot be read: {exc.strerror}.") from exc
