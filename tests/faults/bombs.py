"""Requests whose bytes are few and whose content is not."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from bad_binary import raw_pictures
from bad_input import encoded
from bad_items import row, text
from bad_jobs import submit
from bad_media import form, part, table
from bad_oip import GOOD, infer
from bad_pictures import jpeg, png, send, webp
from PIL import Image
from plane import Request


@dataclass(frozen=True)
class Bomb:
    """How it is made, how it may be refused, and whether a decoder may also pass over what is too much in it."""

    make: Callable[[], Request]
    codes: tuple[str, ...]
    is_harmless: bool = False


def _png_that_inflates() -> Request:
    # A small picture by its header, whose data inflates to 200 MB.
    return send(png(900, 900, data=bytes(200_000_000)))


def _png_with_a_text_that_inflates() -> Request:
    small = png(4, 4, data=b"\0\0\0\0\0" * 4)
    body = b"canary\0\0" + zlib.compress(bytes(200_000_000))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    return send(small[:33] + chunk + small[33:])


def _animation() -> Request:
    frames = [Image.new("RGB", (900, 900), (index, 0, 0)) for index in range(60)]
    buffer = BytesIO()
    frames[0].save(buffer, format="WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return send(buffer.getvalue(), "image/webp")


def _gzip(bytes_: int, coding: str = "gzip") -> Request:
    body = gzip.compress(bytes(bytes_), 9) if coding == "gzip" else zlib.compress(bytes(bytes_), 9)
    return infer(body, content_encoding=coding)


def _gzip_of_json() -> Request:
    return infer(gzip.compress(b'{"inputs":[' + b"[]," * 7_000_000 + b"[]]}"), content_encoding="gzip")


def _many_small_objects() -> Request:
    return infer(b'{"inputs":[' + b'{"a":{}},' * 470_000 + b"{}]}")


def _row_of_many_columns() -> Request:
    return row(b'{"rows":[{' + b",".join(b'"%d":1' % index for index in range(380_000)) + b"}]}")


IMAGE = ("image_too_large_decoded",)
CORRUPT = ("image_corrupt", "image_too_large_decoded", "payload_too_large")
COMPLEX = ("json_too_complex",)
BOMBS: dict[str, Bomb] = {
    "png_header_of_4_gigapixels": Bomb(lambda: send(png(65_000, 65_000)), IMAGE),
    "png_header_of_the_largest_size": Bomb(lambda: send(png(2**31 - 1, 2**31 - 1, colour=6, depth=16)), IMAGE),
    "png_whose_data_inflates": Bomb(_png_that_inflates, CORRUPT, is_harmless=True),
    "png_whose_text_inflates": Bomb(_png_with_a_text_that_inflates, CORRUPT, is_harmless=True),
    "jpeg_header_of_4_gigapixels": Bomb(lambda: send(jpeg(65_500, 65_500), "image/jpeg"), IMAGE),
    "webp_header_of_268_megapixels": Bomb(lambda: send(webp(16_384, 16_384), "image/webp"), IMAGE),
    "webp_of_sixty_frames": Bomb(_animation, ("image_format_unsupported", *CORRUPT), is_harmless=True),
    "pictures_by_tensor_protocol": Bomb(lambda: raw_pictures([png(65_000, 65_000)] * 8), IMAGE),
    "gzip_of_a_gigabyte": Bomb(lambda: _gzip(1_000_000_000), ("payload_too_large",)),
    "deflate_of_a_gigabyte": Bomb(lambda: _gzip(1_000_000_000, "deflate"), ("payload_too_large",)),
    "gzip_of_21_mb_of_json": Bomb(_gzip_of_json, COMPLEX),
    "json_100_000_deep": Bomb(lambda: infer(b"[" * 100_000 + b"]" * 100_000), COMPLEX),
    "json_object_100_000_deep": Bomb(lambda: infer(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), COMPLEX),
    "json_2_million_deep_unclosed": Bomb(lambda: infer(b"[" * 2_300_000 + b"0"), COMPLEX),
    "json_of_1_5_million_values": Bomb(lambda: infer(b"[" + b"[]," * 1_500_000 + b"0]"), COMPLEX),
    "json_of_940_000_objects": Bomb(_many_small_objects, ("request_invalid",)),
    "json_number_of_4_million_digits": Bomb(lambda: infer(b'{"id":' + b"7" * 4_000_000 + b"}"), COMPLEX),
    "json_escapes": Bomb(lambda: infer(b'{"id":"' + b"\\\\" * 2_300_000), ("json_invalid",)),
    "json_quotes": Bomb(lambda: infer(b'"' * 4_600_000), COMPLEX),
    "json_keys": Bomb(lambda: infer(b"{" + b",".join(b'"%d":{' % index for index in range(400_000))), COMPLEX),
    "job_as_deep_as_fits": Bomb(lambda: submit(b"[" * 65_000), COMPLEX),
    "tensor_of_a_shape_beyond_memory": Bomb(
        lambda: infer(encoded({"inputs": [{**GOOD["inputs"][0], "shape": [2**40, 3]}, GOOD["inputs"][1]]})),
        ("tensor_shape_mismatch",),
    ),
    "row_of_380_000_columns": Bomb(_row_of_many_columns, ("payload_too_large", "column_invalid", "request_invalid")),
    "csv_of_a_million_columns": Bomb(
        lambda: table(b"c," * 1_000_000 + b"c\n1\n"), ("column_invalid", "payload_too_large")
    ),
    "csv_of_a_quote_never_closed": Bomb(lambda: table(b'width\n"' + b"1\n" * 2_000_000), ("column_invalid",)),
    "form_of_40_000_parts": Bomb(lambda: form(part(b"x") * 40_000), ("request_invalid", "request_malformed")),
    "text_of_one_word_of_190_000": Bomb(lambda: text(b"g" * 190_000), ("text_invalid",)),
}
