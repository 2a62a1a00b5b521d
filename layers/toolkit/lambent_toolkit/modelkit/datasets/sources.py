"""Any source by its address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lambent_toolkit.modelkit.datasets.candidates import Source, SourceOptions
from lambent_toolkit.modelkit.datasets.layout import read_layout
from lambent_toolkit.modelkit.datasets.origins import S3_SCHEME, FolderOrigin, open_origin
from lambent_toolkit.modelkit.datasets.table_source import TABLE_SUFFIXES, read_table
from lambent_toolkit.modelkit.errors import SourceUnusable


def open_source(address: str, options: SourceOptions, *, s3: Any = None) -> Source:
    """List what a data set can be made of.

    Parameters
    ----------
    address   a folder, a .csv, .tsv, .jsonl or .ndjson file, or either as ``s3://bucket/key``
    s3        boto3 client; None makes one from the SDK's own settings

    Raises
    ------
    SourceUnusable      there is no such thing, or it is nothing of these
    SourceUnavailable
    """
    suffix = Path(address).suffix.lower()
    if address.startswith(S3_SCHEME):
        if suffix in TABLE_SUFFIXES:
            prefix, _, name = address.rpartition("/")
            return read_table(open_origin(prefix, s3), name, options)
        return read_layout(open_origin(address, s3), options)
    path = Path(address).expanduser()
    if path.is_dir():
        return read_layout(FolderOrigin(path), options)
    if not path.exists():
        raise SourceUnusable(f"There is no file or folder {address}.")
    if suffix not in TABLE_SUFFIXES:
        raise SourceUnusable(
            f"{address} is no source: name a folder with a folder for each class, a file "
            f"that ends in {', '.join(sorted(TABLE_SUFFIXES))}, or an s3:// prefix."
        )
    return read_table(FolderOrigin(path.parent), path.name, options)
