"""A shard's results as the bytes of a part: JSON Lines, perhaps compressed, or Parquet.

The same lines give the same bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.lines import CONTENT_TYPE, decode_lines, encode_lines
from lambent.contracts.parquet_parts import decode_parquet, encode_parquet

GZIP_LEVEL = 6


def part_file(shard: int, output: OutputOptions) -> str:
    """Return the file name of a shard's results."""
    if output.format == "parquet":
        return f"part-{shard:05d}.parquet"
    return f"part-{shard:05d}.jsonl" + (".gz" if output.compression == "gzip" else "")


def part_content_type(output: OutputOptions) -> str:
    """Return a part's media type."""
    if output.format == "parquet":
        return "application/vnd.apache.parquet"
    return "application/gzip" if output.compression == "gzip" else CONTENT_TYPE


def encode_part(lines: Sequence[dict[str, Any]], output: OutputOptions) -> bytes:
    """Return a part of these results, in their order."""
    if output.format == "parquet":
        return encode_parquet(lines)
    body = encode_lines(lines)
    # Without a time in the header, or the same results would have other bytes every second.
    return gzip.compress(body, GZIP_LEVEL, mtime=0) if output.compression == "gzip" else body


def decode_part(body: bytes, output: OutputOptions) -> list[dict[str, Any]]:
    """Return the results in a part; those of Parquet lack the fields that were null."""
    if output.format == "parquet":
        return decode_parquet(body)
    return decode_lines(gzip.decompress(body) if output.compression == "gzip" else body)
