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
from lambent.domain.preprocessing.image_kinds import ACCEPTED_KINDS, image_kind
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
_SIDEWAYS = frozenset({5, 6, 7, 8})
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}
# A request's pictures together, in multiples of the largest single one: 700 bytes may be a picture of 16 million
# pixels, which takes a quarter of a second to decode, and a request has room for a thousand of them.
_REQUEST_PICTURES = 4
# Of a WebP half as many pixels as of others are taken: each costs 16 bytes of memory instead of 8, for libwebp's
# canvas, its bytes, Pillow's picture of them and the one that is resized.
_WEBP_COST = 2
# Rows of a picture of 16-bit grey that are turned into 8 bits at a time.
_BAND_ROWS = 256
_Size = tuple[int, int]


class ImagePreprocessor:
    """Fills the contract's first input with pixels: UINT8 as they are, FP32 scaled."""

    accepted_media = ACCEPTED_IMAGES
    item_name = "image"

    def __init__(self, contract: ModelContract) -> None:
        if not isinstance(contract.preprocessing, ImagePreprocessing):
            raise Misconfigured("An image preprocessor needs a contract with image preprocessing.")
        self._spec = contract.preprocessing
        self._limits = contract.limits
        self._input = contract.inputs[0].name
        self._is_scaled = contract.inputs[0].datatype != "UINT8"

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one picture as (height, width, channels); raises as `decode_image`, and MediaTypeUnsupported."""
        if not isinstance(item, bytes):
            raise MediaTypeUnsupported("This model takes pictures.", limit=list(ACCEPTED_IMAGES))
        pixels = decode_image(item, self._spec, self._limits)
        return {self._input: scale_pixels(pixels, self._spec) if self._is_scaled else pixels}

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Check the pixels of all pictures of a request, from their headers; raises ImageTooLargeDecoded.

        What is wrong with a single picture is left to `prepare`, which is asked for each of them.
        """
        largest = self._limits.max_pixels
        limit = _REQUEST_PICTURES * largest
        pixels = sum(min(_header_pixels(item), largest) for item in items if isinstance(item, bytes))
        if pixels > limit:
            raise ImageTooLargeDecoded(
                f"The {len(items)} images of the request have {pixels} pixels together, at most {limit} are taken; "
                "send them in several requests, or smaller ones.",
                field="image",
                limit=limit,
                got=pixels,
            )

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Stack pictures to (n, height, width, channels); a single one is not copied."""
        if len(prepared) == 1:
            return {self._input: prepared[0][self._input][np.newaxis]}
        return {self._input: np.stack([arrays[self._input] for arrays in prepared])}


def scale_pixels(pixels: Array, spec: ImagePreprocessing) -> Array:
    """Return ``pixel * scale + offset`` as float32, rounded after each of the two."""
    scaled: Array = pixels.astype(np.float32)
    np.multiply(scaled, np.float32(spec.scale), out=scaled)
    np.add(scaled, np.float32(spec.offset), out=scaled)
    return scaled


def decode_image(picture: bytes, spec: ImagePreprocessing, limits: Limits) -> Array:
    """Turn an encoded picture into the pixels that the model sees.

    Parameters
    ----------
    picture : bytes            JPEG, PNG or WebP, at most ``limits.max_input_bytes``; of an animation, the first frame
    spec : ImagePreprocessing  size in pixels, channels, how to decode and to fit
    limits : Limits            bytes and pixels; pixels (of all frames) are checked from the header, before decoding

    Returns
    -------
    ndarray  uint8, shape (height, width, channels), RGB or grey, upright as EXIF says; may be read-only

    Raises
    ------
    SourceEmpty, PayloadTooLarge, ImageFormatUnsupported, ImageTooLargeDecoded, ImageCorrupt
    """
    _check_bytes(picture, limits)
    _check_webp_canvas(picture, limits)
    try:
        with Image.open(BytesIO(picture), formats=_PILLOW_FORMATS) as image:
            _check_pixels(image, limits)
            orientation = image.getexif().get(_ORIENTATION, 1)
            pixels = _decode_scaled(picture, image, spec, orientation) if spec.decode == "scaled" else None
            if pixels is None:
                pixels = _decode_fully(image, spec, orientation)
    except _DAMAGE as exc:
        # Pillow's texts may hold file names.
        raise ImageCorrupt("The image is damaged or cut off: it cannot be decoded to its end.", field="image") from exc
    return np.asarray(pixels).reshape(spec.height, spec.width, spec.channels)


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
    kind = image_kind(picture)
    if kind not in ACCEPTED_KINDS:
        what = f"looks like {kind}" if kind else "is of no known image format"
        raise ImageFormatUnsupported(
            f"The content {what}; send a JPEG, PNG or WebP image.", field="image", limit=list(ACCEPTED_IMAGES), got=kind
        )


def _check_webp_canvas(picture: bytes, limits: Limits) -> None:
    """Check a WebP's canvas before Pillow opens it: libwebp allocates the whole of it then, decoded or not.

    Source: RFC 9649, sections 2.5 (VP8), 2.6 (VP8L) and 2.7 (VP8X); of anything else Pillow tells what is wrong.
    """
    chunk, head = picture[12:16], picture[20:30]
    if picture[8:12] != b"WEBP" or len(head) < 10:  # noqa: PLR2004 - the longest of the three headers
        return
    if chunk == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (4, 7))
    elif chunk == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        return
    _check_size(width, height, 1, _webp_pixels(limits))


def _webp_pixels(limits: Limits) -> int:
    return limits.max_pixels // _WEBP_COST


def _header_pixels(picture: bytes) -> int:
    """Return the pixels of a picture as its header tells them, 0 if it has none that can be read."""
    try:
        with Image.open(BytesIO(picture), formats=_PILLOW_FORMATS) as image:
            return image.width * image.height * _frames(image)
    except _DAMAGE:
        return 0


def _frames(image: Image.Image) -> int:
    # A JPEG's further "frames" are a phone's other shots (MPO), which are never decoded.
    return 1 if image.format in {"JPEG", "MPO"} else int(getattr(image, "n_frames", 1))


def _check_pixels(image: Image.Image, limits: Limits) -> None:
    limit = _webp_pixels(limits) if image.format == "WEBP" else limits.max_pixels
    _check_size(image.width, image.height, _frames(image), limit)


def _check_size(width: int, height: int, frames: int, limit: int) -> None:
    pixels = width * height * frames
    if pixels > limit:
        times = f" in {frames} frames" if frames > 1 else ""
        raise ImageTooLargeDecoded(
            f"The image has {width} x {height} pixels{times}, at most {limit} are taken of its format.",
            field="image",
            limit=limit,
            got=pixels,
        )


def _decode_scaled(
    picture: bytes, image: Image.Image, spec: ImagePreprocessing, orientation: int
) -> Image.Image | None:
    """Return a JPEG's pixels by way of its scaled decoding, or None where only the full way is left.

    Other formats, CMYK, and JPEGs that libjpeg warns about (a few stray bytes are common) are decoded fully.
    """
    if image.mode not in {"L", "RGB"} or image.format not in {"JPEG", "MPO"}:
        return None
    import simplejpeg  # only where the contract asks for it

    height, width = (spec.width, spec.height) if orientation in _SIDEWAYS else (spec.height, spec.width)
    try:
        decoded = simplejpeg.decode_jpeg(
            picture, "GRAY" if spec.channels == 1 else "RGB", min_height=height, min_width=width
        )
    except ValueError:
        return None
    small = _fit(Image.fromarray(decoded[:, :, 0] if spec.channels == 1 else decoded), (width, height), spec)
    turn = _TURNS.get(orientation)
    return small if turn is None else small.transpose(turn)


def _decode_fully(image: Image.Image, spec: ImagePreprocessing, orientation: int) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion clips at 255 instead of scaling.
        image = _in_8_bits(image)
    mode = "L" if spec.channels == 1 else "RGB"
    upright = _converted(image, "RGBA" if image.has_transparency_data else mode)
    turn = _TURNS.get(orientation)
    if turn is not None:
        upright.load()
        vars(image).pop("_decoder", None)  # libwebp's canvases, which Pillow keeps beside the picture made of them
        upright = _in_place_of(upright, upright.transpose(turn))
    small = _fit(upright, (spec.width, spec.height), spec)
    if small.mode == "RGBA":
        # Laid over the background when it is small already: the memory of a large picture is paid once.
        background = Image.new("RGBA", small.size, (spec.background,) * 3 + (255,))
        background.alpha_composite(small)
        small = background
    return small if small.mode == mode else small.convert(mode)


def _in_8_bits(image: Image.Image) -> Image.Image:
    grey = np.empty((image.height, image.width), dtype=np.uint8)
    for top in range(0, image.height, _BAND_ROWS):
        band = image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height)))
        grey[top : top + _BAND_ROWS] = np.asarray(band).astype(np.uint32) >> 8
    return _in_place_of(image, Image.fromarray(grey))


def _converted(image: Image.Image, mode: str) -> Image.Image:
    # Pillow copies what has the mode already.
    return image if image.mode == mode else _in_place_of(image, image.convert(mode))


def _in_place_of(image: Image.Image, made: Image.Image) -> Image.Image:
    """Return what was made of a picture, whose own pixels are let go: of a large one there is no room for three."""
    image.close()
    return made


def _fit(image: Image.Image, size: _Size, spec: ImagePreprocessing) -> Image.Image:
    """Return ``image`` in ``size`` (width, height): stretched, or the largest centred part of the same proportions."""
    resampling = _RESAMPLING[spec.resize]
    if spec.fit == "stretch":
        return image.resize(size, resampling)
    scale = min(image.width / size[0], image.height / size[1])
    left, top = (image.width - size[0] * scale) / 2, (image.height - size[1] * scale) / 2
    # Rounding may lie a hair outside of the picture, which Pillow refuses.
    right, bottom = min(left + size[0] * scale, image.width), min(top + size[1] * scale, image.height)
    return image.resize(size, resampling, box=(max(left, 0.0), max(top, 0.0), right, bottom))
