"""The weights of a .keras file, checked before Keras reads them: numbers in this file, stored as they are."""

from __future__ import annotations

from typing import IO, Any

import h5py

from lambent.errors import ModelFormatRefused

_NUMBERS = "biuf"


def check_weights(file: IO[bytes], *, size_bytes: int) -> None:
    """Check that an HDF5 file holds groups and plain arrays of numbers only.

    HDF5 can say that an array lies in another file (external storage, external links, virtual arrays: CVE-2026-1669),
    that it is huge without a byte of it being there, and that a filter library must be loaded to read it.

    Parameters
    ----------
    file         seekable
    size_bytes   of the file

    Raises
    ------
    ModelFormatRefused
    """
    try:
        with h5py.File(file, "r") as weights:
            _check_tree(weights, size_bytes)
    # h5py has no errors of its own: each is the built-in one that came to its mind.
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as exc:
        raise _refused("is not an HDF5 file, or is damaged") from exc


def _check_tree(root: Any, size_bytes: int) -> None:
    pending, stored_bytes, seen = [root], 0, {_address(root)}
    while pending:
        group = pending.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refused("holds a link, which may lead to another file")
            found = group[name]
            if _address(found) in seen:
                raise _refused("holds one object under two names, perhaps a group inside of itself")
            seen.add(_address(found))
            if isinstance(found, h5py.Group):
                pending.append(found)
            else:
                stored_bytes += _checked_bytes(found)
    if stored_bytes > size_bytes:
        raise _refused("declares more numbers than it holds", size_bytes)


def _address(found: Any) -> int:
    return int(h5py.h5o.get_info(found.id).addr)


def _checked_bytes(array: Any) -> int:
    """Return the size of an array that is known to lie in the file, byte for byte."""
    if not isinstance(array, h5py.Dataset):
        raise _refused("holds an object that is neither a group nor an array")
    if array.dtype.kind not in _NUMBERS:
        raise _refused("holds something else than numbers")
    if array.is_virtual or array.external:
        raise _refused("takes an array from another file")
    if array.id.get_create_plist().get_nfilters():
        raise _refused("holds a filtered array; Keras stores them as they are")
    size_bytes = int(array.nbytes)
    if array.id.get_storage_size() != size_bytes:
        raise _refused("declares an array that is not there", size_bytes)
    return size_bytes


def _refused(why: str, limit: int | None = None) -> ModelFormatRefused:
    return ModelFormatRefused(f"model.weights.h5 in the .keras archive {why}.", field="model.keras", limit=limit)
