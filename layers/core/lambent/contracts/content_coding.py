"""Compressed bodies (RFC 9110, section 8.4): gzip and deflate in, within a bound, and out where it pays."""

from __future__ import annotations

import zlib

from lambent.errors import ContentCodingInvalid, MediaTypeUnsupported, PayloadTooLarge

CODINGS = ("gzip", "deflate")
# What an uncompressed request of this size could never be: the door takes 4.65 MB. Room for five times as much.
MAX_DECODED_BYTES = 24_000_000
# Below this a network frame or two is saved and the milliseconds of compressing are lost.
MIN_ENCODED_BYTES = 16_384
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15  # window bits as zlib tells the formats apart
_FASTEST = 1


def decode_content(body: bytes, coding: str | None, *, max_bytes: int = MAX_DECODED_BYTES) -> bytes:
    """Undo a request's Content-Encoding.

    Parameters
    ----------
    body : bytes
    coding : str or None   the header's value; None and "identity" leave the body alone
    max_bytes : int        largest decoded size; at most that much memory is taken, whatever the body promises

    Raises
    ------
    MediaTypeUnsupported   a coding that is neither gzip nor deflate, or several on top of each other
    PayloadTooLarge        more than ``max_bytes`` decoded
    ContentCodingInvalid   corrupt, cut off, or followed by further bytes
    """
    name = (coding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in CODINGS:
        raise MediaTypeUnsupported(
            f"Content-Encoding may be one of {', '.join(CODINGS)}, or absent.",
            field="Content-Encoding",
            limit=list(CODINGS),
            got=name[:64],
        )
    decoder = zlib.decompressobj(_GZIP if name == "gzip" else _deflate_window_bits(body))
    try:
        decoded = decoder.decompress(body, max_bytes + 1)
    except zlib.error as exc:
        raise _invalid(name, "it is corrupt") from exc
    if len(decoded) > max_bytes:
        raise PayloadTooLarge(
            f"The body decodes to more than {max_bytes} bytes. Split the request or use the upload or batch door.",
            field="body",
            limit=max_bytes,
        )
    if not decoder.eof:
        raise _invalid(name, "it ends too early")
    if decoder.unused_data:
        raise _invalid(name, "further bytes follow its end")
    return decoded


def _deflate_window_bits(body: bytes) -> int:
    """Tell the zlib format, which "deflate" means, from the bare deflate stream that some clients send instead."""
    is_zlib = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
    return _ZLIB if is_zlib else _RAW_DEFLATE


def _invalid(name: str, reason: str) -> ContentCodingInvalid:
    return ContentCodingInvalid(
        f"The body is announced as Content-Encoding {name}, but {reason}. Compress it again, or leave the header out.",
        field="Content-Encoding",
    )


def choose_coding(body: bytes, accept_encoding: str | None) -> str | None:
    """Return the coding that an answer should get, or None: it is small, or the client takes none of ours."""
    if accept_encoding is None or len(body) < MIN_ENCODED_BYTES:
        return None
    accepted = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        accepted[name.strip()] = parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return next((name for name in CODINGS if accepted.get(name, accepted.get("*", False))), None)


def encode_content(body: bytes, coding: str) -> bytes:
    """Compress an answer: gzip, or deflate in the zlib format; fast rather than small."""
    compressor = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP if coding == "gzip" else _ZLIB)
    return compressor.compress(body) + compressor.flush()
