"""Bad pictures: not one, cut off, corrupt, too large, of another kind or under another name."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from random import Random

from bad_input import BadInput, Make, bad, flipped, scrambled, truncated
from PIL import Image
from plane import Request
from refusals import CANARY

from builders import picture

PREDICT = "/models/shade/predict"
KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_OTHER_KINDS = ("GIF", "TIFF", "BMP", "PPM", "ICO", "TGA", "PCX", "DIB", "EPS", "PDF", "SGI", "IM", "MSP", "JPEG2000")
_TEXTS = [
    b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    b"<?php echo 1; ?>", b"\x7fELF\x02\x01\x01", b"PK\x03\x04", b"GIF89a", b"<html></html>",
    b"RIFF\x00\x00\x00\x00WAVE",
    CANARY.encode(),
]  # fmt: skip


def photo(kind: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    """Return a picture with something in it, and a canary in its comment where the kind has one."""
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    buffer = BytesIO()
    image.save(buffer, format=kind, **({"comment": CANARY} if kind == "JPEG" else {}))
    return buffer.getvalue()


def send(body: bytes, media_type: str = "image/png", query: str = "") -> Request:
    """Return a request with a picture."""
    return Request("POST", PREDICT, body, {"content-type": media_type}, query)


def of_some_kind(random: Random) -> tuple[bytes, str]:
    """Return a picture of a kind that is taken, and its media type."""
    kind = random.choice(list(KINDS))
    return photo(kind), KINDS[kind]


def _damaged(change: Callable[[Random, bytes], bytes]) -> Make:
    def make(random: Random) -> Request:
        body, media_type = of_some_kind(random)
        return send(change(random, body), media_type)

    return make


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, data: bytes = b"", interlace: int = 0) -> bytes:
    """Return a PNG of this header, whatever its data is."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG with another size in its header."""
    body = bytearray(photo("JPEG"))
    at = body.index(b"\xff\xc0") + 5
    body[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(body)


def webp(width: int, height: int) -> bytes:
    """Return a lossless WebP of this header without any data."""
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", bits) + bytes(5)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _too_many_pixels(random: Random) -> Request:
    side = random.choice([1001, 5000, 16_383])
    other = random.choice([1001, 4000, 16_383])
    kind = random.choice([png, jpeg, webp])
    if kind is png and random.random() < 0.5:
        return send(png(random.choice([2**31 - 1, 10**6, 2**20]), side, colour=random.choice([0, 2, 6])))
    return send(kind(side, other), {png: "image/png", jpeg: "image/jpeg", webp: "image/webp"}[kind])


def _odd_header(random: Random) -> Request:
    body = random.choice(
        [
            png(0, 5), png(5, 0), png(2**31, 1), png(2**32 - 1, 2**32 - 1), png(4, 4, depth=3), png(4, 4, colour=5),
            png(4, 4, interlace=9), png(4, 4), png(4, 4, data=b"\x07" * 20), jpeg(0, 10), jpeg(10, 0), jpeg(0, 0),
        ]
    )  # fmt: skip
    return send(body, "image/jpeg" if body[:2] == b"\xff\xd8" else "image/png")


def _other_kind(random: Random) -> Request:
    kind = random.choice(_OTHER_KINDS)
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Pillow will not know IM any more
        Image.new("L" if kind != "MSP" else "1", (9, 9)).save(buffer, format=kind)
    return send(buffer.getvalue(), random.choice(list(KINDS.values())))


def _type(random: Random) -> Request:
    types = [
        "image/gif",
        "image/tiff",
        "image/svg+xml",
        "image/*",
        "text/plain",
        "application/pdf",
        "png",
        "image/png/x",
        "",
    ]
    return send(photo("PNG"), random.choice(types))


def _top_k(random: Random) -> Request:
    value = random.choice(
        ["0", "-1", "1.5", "", "abc", "101", "9" * 400, "1e1", "%C2%B2", "+1", "0x1", "null", "%00", "1%2C2"]
    )
    return send(picture(255), query=f"top_k={value}")


PICTURE = "image_format_unsupported image_corrupt"
CLASSES: list[BadInput] = [
    bad("picture_empty", lambda random: send(b"", random.choice(list(KINDS.values()))), f"{PICTURE} source_empty"),
    bad("picture_noise", lambda random: send(random.randbytes(random.randint(1, 3000))), PICTURE),
    bad("picture_a_text", lambda random: send(random.choice(_TEXTS) * random.randint(1, 9)), PICTURE),
    bad("picture_of_another_kind", _other_kind, PICTURE),
    bad("picture_cut_off", _damaged(lambda random, body: truncated(random, body[:-30])), PICTURE, can_be_good=True),
    bad("picture_bits_flipped", _damaged(flipped), f"{PICTURE} image_too_large_decoded", can_be_good=True),
    bad("picture_scrambled", _damaged(scrambled), f"{PICTURE} image_too_large_decoded", can_be_good=True),
    bad("picture_behind_noise", _damaged(lambda random, body: random.randbytes(random.randint(1, 40)) + body), PICTURE),
    bad("picture_of_too_many_pixels", _too_many_pixels, "image_too_large_decoded"),
    bad("picture_with_an_odd_header", _odd_header, f"{PICTURE} image_too_large_decoded", can_be_good=True),
    bad("picture_type_not_taken", _type, "media_type_unsupported"),
    bad("picture_top_k_out_of_range", _top_k, "request_invalid"),
]
