"""Pictures into tensors."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lambent.contracts.model import ImagePreprocessing, Limits, ModelContract
from lambent.contracts.tensor import Array
from lambent.errors import (
    ImageCorrupt,
    ImageFormatUnsupported,
    ImageTooLargeDecoded,
    MediaTypeUnsupported,
    Misconfigured,
    PayloadTooLarge,
    SourceEmpty,
)

if TYPE_CHECKING:
    from lambent.domain.preprocessing import RawItem

ACCEPTED_IMAGES = ("image/jpeg", "image/png", "image/webp")
# Pixels are checked against the model's own limit, from the header; Pillow's fixed one would come first.
Image.MAX_IMAGE_PIXELS = None
_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP")
# Damaged pictures make Pillow raise all of these.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, struct.error)
_ORIENTATION = 0x0112
# EXIF 2.3, tag Orientation. Pillow's own exif_transpose also rewrites the tags, and fails on odd ones.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


class ImagePreprocessor:
    """Fills the contract's first input with pixels."""

    accepted_media = ACCEPTED_IMAGES
    item_name = "image"

    def __init__(self, contract: ModelContract) -> None:
        if not isinstance(contract.preprocessing, ImagePreprocessing):
            raise Misconfigured("An image preprocessor needs a contract with image preprocessing.")
        self._spec = contract.preprocessing
        self._limits = contract.limits
        self._input = contract.inputs[0].name

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one picture's pixels; see `preprocess_image`."""
        if not isinstance(item, bytes):
            raise MediaTypeUnsupported("This model takes pictures.", limit=list(ACCEPTED_IMAGES))
        return {self._input: preprocess_image(item, self._spec, self._limits)}

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Stack pictures to (n, height, width, channels)."""
        return {self._input: np.stack([arrays[self._input] for arrays in prepared])}


def preprocess_image(picture: bytes, spec: ImagePreprocessing, limits: Limits) -> Array:
    """Turn an encoded picture into the model's input.

    Parameters
    ----------
    picture : bytes            JPEG, PNG or WebP, at most ``limits.max_input_bytes``
    spec : ImagePreprocessing  size in pixels, channels, scale and offset
    limits : Limits            bytes and pixels; pixels are checked from the header, before decoding

    Returns
    -------
    ndarray  float32, shape (height, width, channels), RGB or grey, ``pixel * scale + offset``

    Raises
    ------
    SourceEmpty, PayloadTooLarge, ImageFormatUnsupported, ImageTooLargeDecoded, ImageCorrupt
    """
    _check_bytes(picture, limits)
    try:
        with Image.open(BytesIO(picture), formats=_PILLOW_FORMATS) as image:
            _check_pixels(image, limits)
            pixels = _to_input(image, spec)
    except _DAMAGE as exc:
        # Pillow's texts may hold file names.
        raise ImageCorrupt("The image is damaged or cut off: it cannot be decoded to its end.", field="image") from exc
    array = np.asarray(pixels, dtype=np.float32).reshape(spec.height, spec.width, spec.channels)
    return array * np.float32(spec.scale) + np.float32(spec.offset)


def _check_bytes(picture: bytes, limits: Limits) -> None:
    if not picture:
        raise SourceEmpty("The image is empty (0 bytes).", field="image", got=0)
    if len(picture) > limits.max_input_bytes:
        raise PayloadTooLarge(
            f"The image has {len(picture)} bytes, the model takes at most {limits.max_input_bytes}.",
            field="image",
            limit=limits.max_input_bytes,
            got=len(picture),
        )
    is_known = (
        picture.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (picture.startswith(b"RIFF") and picture[8:12] == b"WEBP")
    )  # fmt: skip
    if not is_known:
        raise ImageFormatUnsupported(
            "The content is not a JPEG, PNG or WebP image.", field="image", limit=list(ACCEPTED_IMAGES)
        )


def _check_pixels(image: Image.Image, limits: Limits) -> None:
    pixels = image.width * image.height
    if pixels > limits.max_pixels:
        raise ImageTooLargeDecoded(
            f"The image has {image.width} x {image.height} pixels, at most {limits.max_pixels} are taken.",
            field="image",
            limit=limits.max_pixels,
            got=pixels,
        )


def _to_input(image: Image.Image, spec: ImagePreprocessing) -> Image.Image:
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    mode = "L" if spec.channels == 1 else "RGB"
    upright = image.convert("RGBA" if image.has_transparency_data else mode)
    if turn is not None:
        upright = upright.transpose(turn)
    small = upright.resize((spec.width, spec.height), _RESAMPLING[spec.resize])
    if small.mode == "RGBA":
        # Laid over the background when it is small already: the memory of a large picture is paid once.
        background = Image.new("RGBA", small.size, (spec.background,) * 3 + (255,))
        background.alpha_composite(small)
        small = background
    return small.convert(mode)
