"""A .keras file looked through before Keras parses it: archive, configuration, weights."""

from __future__ import annotations

import json
import shutil
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from lambent.adapters.hdf5_weights import check_weights
from lambent.domain.keras_config import Finding, config_findings
from lambent.errors import ModelFormatRefused

CONFIG_MEMBER = "config.json"
METADATA_MEMBER = "metadata.json"
WEIGHTS_MEMBER = "model.weights.h5"
# The largest networks of keras.applications have configurations of 1 MB.
MAX_CONFIG_BYTES = 32 << 20
MAX_METADATA_BYTES = 64 << 10
MAX_WEIGHTS_BYTES = 8 << 30
# Keras stores members as they are; weights that somebody packed again shrink by a third, pruned ones to a tenth.
MAX_RATIO = 20
_MAX_BYTES = {
    CONFIG_MEMBER: MAX_CONFIG_BYTES,
    METADATA_MEMBER: MAX_METADATA_BYTES,
    WEIGHTS_MEMBER: MAX_WEIGHTS_BYTES,
}
_ASSETS = "assets/"
_REPORTED = 20
_ENCRYPTED = 0x1
_PIECE_BYTES = 1 << 20
_KEEP = "Save it as `model.save('model.keras')` does, from layers of Keras itself."


def check_keras_archive(model: Path, *, is_compiled: bool = False) -> None:
    """Check that a .keras file holds numbers and names only, so that loading it can run nothing of its maker's.

    Keras must read the very bytes that were checked: the caller lends a file that nobody else can write. It loads them
    with ``compile=False``, or says ``is_compiled`` here, see `config_findings`.

    Raises
    ------
    ModelFormatRefused   not a .keras archive; members beside the three of one; packed beyond reason; a configuration
                         that names what is not on the allow-list (each of the first 20 in ``errors``); weights that are
                         no plain numbers, or lie in other files
    """
    try:
        with model.open("rb") as file, ZipFile(file) as archive:
            _check_assets(archive)
            members = _checked_members(archive.infolist())
            _check_config(_read(archive, members[CONFIG_MEMBER]), is_compiled=is_compiled)
            _read(archive, members[METADATA_MEMBER])
            with _unpacked(archive, members[WEIGHTS_MEMBER]) as weights:
                check_weights(weights, size_bytes=members[WEIGHTS_MEMBER].file_size)
    except (BadZipFile, LargeZipFile, EOFError, NotImplementedError, zlib.error) as exc:
        raise _refused("The model file is not a .keras archive, or a part of it is missing or damaged.") from exc


def _check_assets(archive: ZipFile) -> None:
    """Name the layer that an archive brings files for, where that is one which is refused anyway."""
    configs = [info for info in archive.infolist() if info.filename == CONFIG_MEMBER]
    if len(configs) == 1 and any(name.startswith(_ASSETS) for name in archive.namelist()):
        _check_member(configs[0])
        _check_config(_read(archive, configs[0]), is_compiled=False)


def _checked_members(infos: list[ZipInfo]) -> dict[str, ZipInfo]:
    names = [info.filename for info in infos]
    if len(infos) != len(_MAX_BYTES) or set(names) != set(_MAX_BYTES):
        raise _refused(
            f"A .keras archive of a model without assets holds {', '.join(sorted(_MAX_BYTES))}, once each. {_KEEP}",
            limit=sorted(_MAX_BYTES),
            got=len(infos),
        )
    for info in infos:
        _check_member(info)
    return {info.filename: info for info in infos}


def _check_member(info: ZipInfo) -> None:
    mode = info.external_attr >> 16
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise _refused(f"{info.filename} in the .keras archive is encrypted or packed in an unusual way. {_KEEP}")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _refused(f"{info.filename} in the .keras archive is a link or something else that is no file. {_KEEP}")
    most = min(_MAX_BYTES[info.filename], MAX_RATIO * info.compress_size + MAX_METADATA_BYTES)
    if info.file_size > most:
        raise _refused(
            f"{info.filename} in the .keras archive unpacks to more bytes than a model has.",
            limit=most,
            got=info.file_size,
        )


def _read(archive: ZipFile, info: ZipInfo) -> bytes:
    with archive.open(info) as member:
        body = member.read(info.file_size + 1)
    if len(body) != info.file_size:
        raise BadZipFile(info.filename)
    return body


def _check_config(body: bytes, *, is_compiled: bool) -> None:
    try:
        # The very parser that Keras uses, so that both see the same objects; names given twice are refused.
        config = json.loads(body, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as exc:
        raise _refused("config.json in the .keras archive is not JSON, or is nested deeper than any model.") from exc
    findings = list(islice(config_findings(config, is_compiled=is_compiled), _REPORTED))
    if findings:
        raise ModelFormatRefused(
            f"The .keras file would load more than numbers: {_told(findings[0])}. Build the model from layers of Keras "
            "itself, or convert it where it was made and bring the .tflite file.",
            field=CONFIG_MEMBER,
            got=findings[0].what,
            errors=[{"where": each.where, "what": each.what, "detail": _told(each)} for each in findings],
        )


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _told(finding: Finding) -> str:
    return f"{finding.what} at {finding.where} {finding.why}"


@contextmanager
def _unpacked(archive: ZipFile, info: ZipInfo) -> Iterator[IO[bytes]]:
    """Lend a member as a file on disk: inside of an archive every step back would read it from its start again."""
    with TemporaryFile() as scratch, archive.open(info) as member:
        # The checksum is compared at the end: a flipped bit must not become a weight.
        shutil.copyfileobj(member, scratch, _PIECE_BYTES)
        scratch.flush()
        yield scratch


def _refused(detail: str, **fields: Any) -> ModelFormatRefused:
    return ModelFormatRefused(detail, field="model.keras", **fields)
