"""What a batch reads: an address in S3, or a local file or folder that is uploaded first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from lambent_toolkit.jobs.client import JobsClient, Json
from lambent_toolkit.modelkit.errors import InputUnusable

_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}
_TOLD = 5  # names in a message
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip cannot say an earlier time; always the same, so the same folder is one input


def batch_input(client: JobsClient, source: str) -> Json:
    """Return the ``input`` of a batch request, once a local file or folder is uploaded.

    Parameters
    ----------
    source   an ``s3://`` address, of a folder if it ends in ``/``; a .jsonl, .csv, .parquet or .zip file; or a folder,
             whose files are the items, which is uploaded as one zip

    Raises
    ------
    InputUnusable        no such file, or not of these kinds
    ServiceUnreachable   and what the API refuses
    """
    if source.startswith("s3://"):
        return {"prefix" if source.endswith("/") else "uri": source}
    with _as_file(Path(source)) as file:
        with file.open("rb") as opened:
            digest = file_digest(opened, "sha256").hexdigest()
        name = _plain_name(file)
        uri = client.upload_input(file, name=name, content_type=_TYPES[file.suffix.lower()], sha256=digest)
    return {"uri": uri}


@contextmanager
def _as_file(path: Path) -> Iterator[Path]:
    """Give the file to upload, which for a folder is a temporary zip."""
    if not path.exists():
        raise InputUnusable(f"{path} does not exist; name a file, a folder, or an s3:// address.")
    if path.is_dir():
        with TemporaryDirectory(prefix="lambent-input-") as folder:
            yield _zipped(path, Path(folder) / f"{path.resolve().name or 'items'}.zip")
        return
    if path.suffix.lower() not in _TYPES:
        raise InputUnusable(f"{path} is no input of a batch: take a {', '.join(_TYPES)} file, or a folder of items.")
    if not path.stat().st_size:
        raise InputUnusable(f"{path} is empty.")
    yield path


def _zipped(folder: Path, archive: Path) -> Path:
    """Write the files of a folder into a zip, in the order of their names; hidden ones are left out."""
    names = sorted(
        file.relative_to(folder)
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not names:
        raise InputUnusable(f"{folder} has no files.")
    shown = [name.as_posix().encode("utf-8", "backslashreplace").decode() for name in names]
    if odd := [each for each, name in zip(shown, names, strict=True) if each != name.as_posix()]:
        more = f" and {len(odd) - _TOLD} more" if len(odd) > _TOLD else ""
        raise InputUnusable(
            f"{folder} has names that are not UTF-8, and an item's id is its name: {', '.join(odd[:_TOLD])}{more}. "
            "Rename these files."
        )
    with ZipFile(archive, "w", ZIP_STORED) as packed:
        for name in names:
            # Pictures are compressed already, and the readers of stored members are the simplest.
            packed.writestr(ZipInfo(name.as_posix(), _EARLIEST), (folder / name).read_bytes())
    return archive


def _plain_name(path: Path) -> str:
    """Return a name that the API takes for an input, whatever the file is called here."""
    stem = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in path.stem)[:64]
    return f"{stem.lstrip('._-') or 'items'}{path.suffix.lower()}"
