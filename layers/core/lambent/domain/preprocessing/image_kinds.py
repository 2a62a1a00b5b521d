"""What a file is, by its first bytes, so that a refusal can say what was sent."""

from __future__ import annotations

ACCEPTED_KINDS = ("JPEG", "PNG", "WebP")
_MIN_TEXT = 8
# Offset, bytes, name; the first match counts. From the formats' own specifications.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (0, b"BM", "BMP"),
    (0, b"%PDF-", "PDF"),
    (0, b"%!PS", "EPS"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypmsf1", "HEIC"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftyp", "MP4 video"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"8BPS", "Photoshop"),
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip archive"),
)


def image_kind(content: bytes) -> str | None:
    """Return the name of a file's format, or None if it is not known; never looks further than 1 KB."""
    for offset, signature, name in _SIGNATURES:
        if content.startswith(signature, offset):
            # RIFF also holds sounds and films: only its fourth word tells.
            return name if name != "WebP" or content.startswith(b"RIFF") else None
    return _text_kind(content[:1024])


def _text_kind(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"<svg" in head.lower():
        return "SVG"
    if start[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "HTML"
    if start.startswith((b"data:image/", b"/9j/", b"iVBORw0KGgo", b"UklGR")):
        return "base64 text"
    is_text = len(start) >= _MIN_TEXT and all(9 <= byte < 127 for byte in start)  # noqa: PLR2004 - ASCII
    return "text" if is_text else None
