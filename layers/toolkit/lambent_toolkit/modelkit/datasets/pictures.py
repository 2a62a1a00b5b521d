"""Sizes of pictures and small copies of them."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from lambent.contracts.model import ImagePreprocessing, Limits
from lambent.domain.preprocessing.image import decode_image

SMALL_TYPE = "image/webp"
_SIDE_PX = 96
_QUALITY = 80
# EXIF 2.3, tag Orientation, and those of its values that turn a picture by a quarter.
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})


def small_copy(body: bytes, limits: Limits) -> bytes:
    """Return a picture as WebP, its longer side 96 pixels; raises as `decode_image`."""
    width, height = upright_size(body)
    scale = _SIDE_PX / max(width, height)
    size = ImagePreprocessing(
        width=max(1, round(width * scale)), height=max(1, round(height * scale)), channels=3, resize="bilinear"
    )
    buffer = BytesIO()
    Image.fromarray(decode_image(body, size, limits)).save(buffer, "WEBP", quality=_QUALITY)
    return buffer.getvalue()


def upright_size(body: bytes) -> tuple[int, int]:
    """Return width and height in pixels of a readable picture, turned as its EXIF data says."""
    with Image.open(BytesIO(body)) as image:
        width, height = image.size
        is_sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    return (height, width) if is_sideways else (width, height)
