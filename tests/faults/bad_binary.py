"""Bad Open Inference Protocol requests with binary tensors, raw items and compressed bodies."""

from __future__ import annotations

import gzip
import struct
import zlib
from copy import deepcopy
from random import Random
from typing import Any

from bad_input import BadInput, bad, encoded, scrambled, truncated
from bad_oip import GOOD, infer
from plane import Request
from refusals import CANARY

from builders import picture

LENGTH = "inference-header-content-length"
_TAIL_BYTES = struct.calcsize("<6f4i")
_LARGEST = 1e37  # six of them still fit into 32 bits


def binary(random: Random, *, header: int | None = None, **changes: Any) -> Request:
    """Return a request of two binary tensors; ``changes`` are those of the first input, ``tail`` replaces the bytes."""
    tail = changes.pop("tail", struct.pack("<6f4i", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    request = deepcopy(GOOD)
    for each, size in zip(request["inputs"], (24, 16), strict=True):
        del each["data"]
        each["parameters"] = {"binary_data_size": size}
    request["inputs"][0].update(changes)
    text = encoded(request)
    length = len(text) if header is None else header
    return infer(text + tail, **{LENGTH: str(length), "content_type": "application/octet-stream"})


def _scrambled(random: Random) -> Request:
    """Return a scrambled request whose numbers, if they are still read, stay finite: `_not_finite` has the others."""
    while True:
        good = binary(random)
        body = scrambled(random, good.body)
        numbers = struct.unpack("<6f", body[-_TAIL_BYTES:-16]) if len(body) >= _TAIL_BYTES else ()
        # Sums of them stay within 32 bits too; NaN compares as false.
        if all(abs(number) < _LARGEST for number in numbers):
            return infer(body, **dict(good.headers))


def _not_finite(random: Random) -> Request:
    numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    numbers[random.randrange(6)] = random.choice([float("nan"), float("inf"), float("-inf")])
    return binary(random, tail=struct.pack("<6f4i", *numbers, 7, 8, 9, 10))


def _bad_header(random: Random) -> Request:
    values = ["", "-1", "1e3", "²", "0x10", "99999999", "9" * 400, " ", "NaN", CANARY, "18446744073709551616"]
    request = binary(random)
    return infer(request.body, **{LENGTH: random.choice(values)})


def _short_header(random: Random) -> Request:
    request = binary(random)
    length = random.randrange(len(request.body) - 40)
    return infer(request.body, **{LENGTH: str(length)})


def _bad_size(random: Random) -> Request:
    return binary(
        random, parameters={"binary_data_size": random.choice([-1, 1.5, "24", None, [], 2**63, 2**70, True, {}])}
    )


def _wrong_size(random: Random) -> Request:
    size = random.choice([0, 1, 12, 20, 23, 25, 28, 32, 40, 41, 2**31])
    return binary(random, parameters={"binary_data_size": size})


def _bytes_left(random: Random) -> Request:
    tail = struct.pack("<6f4i", *range(10))
    return binary(
        random, tail=random.choice([tail + random.randbytes(random.randint(1, 99)), truncated(random, tail, 0)])
    )


def _odd_coding(random: Random) -> Request:
    coding = random.choice(["br", "zstd", "compress", "gzip, gzip", "x-gzip", "gzip;q=1", "chunked", "*"])
    return infer(encoded(GOOD), content_encoding=coding)


def _bad_gzip(random: Random) -> Request:
    coding = random.choice(["gzip", "deflate"])
    packed = gzip.compress(encoded(GOOD)) if coding == "gzip" else zlib.compress(encoded(GOOD))
    start = 18 if coding == "gzip" else 2
    body = random.choice(
        [
            encoded(GOOD), b"", truncated(random, packed), packed + b"\x00" * random.randint(1, 9), packed + packed,
            packed[:start] + random.randbytes(len(packed) - start), random.randbytes(60), packed[1:],
        ]
    )  # fmt: skip
    return infer(body, content_encoding=coding)


def raw_pictures(items: list[bytes], *, tail: bytes | None = None, shape: list[int] | None = None) -> Request:
    """Return a request of encoded pictures in one BYTES tensor."""
    body = b"".join(struct.pack("<I", len(item)) + item for item in items) if tail is None else tail
    raw = {
        "name": "image",
        "shape": shape or [len(items)],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(body)},
    }
    text = encoded({"inputs": [raw]})
    return Request("POST", "/v2/models/shade/infer", text + body, {LENGTH: str(len(text))})


def _cut_strings(random: Random) -> Request:
    good = picture(255)
    whole = struct.pack("<I", len(good)) + good
    tail = random.choice(
        [
            truncated(random, whole), struct.pack("<I", 2**32 - 1) + good, struct.pack("<I", len(good) + 1) + good,
            whole + b"\x01", b"\x00\x00", whole[1:], random.randbytes(40),
        ]
    )  # fmt: skip
    return raw_pictures([], tail=tail, shape=[1])


def _bad_items(random: Random) -> Request:
    good = picture(255)
    items = [good, random.choice([b"", b"x", random.randbytes(50), truncated(random, good), good[:20] + good[:20]])]
    random.shuffle(items)
    return raw_pictures(items)


def _odd_type(random: Random) -> Request:
    types = [
        "text/plain",
        "image/png",
        "application/xml",
        CANARY,
        "application/json/x",
        "multipart/form-data",
        "*/*",
        "json",
    ]
    return infer(encoded(GOOD), content_type=random.choice(types))


BINARY = "request_invalid tensor_dtype_mismatch tensor_shape_mismatch json_invalid"
CLASSES: list[BadInput] = [
    bad("oip_header_length_no_number", _bad_header, "request_invalid json_invalid"),
    bad("oip_header_length_too_short", _short_header, "request_invalid json_invalid"),
    bad("oip_binary_size_no_size", _bad_size, BINARY),
    bad("oip_binary_size_not_its_shape", _wrong_size, BINARY),
    bad("oip_binary_bytes_left_or_missing", _bytes_left, BINARY),
    bad("oip_binary_and_data", lambda random: binary(random, data=[1, 2, 3, 4, 5, 6]), "request_invalid"),
    bad(
        "oip_binary_scrambled",
        _scrambled,
        f"{BINARY} tensor_name_unknown json_too_complex",
        can_be_good=True,
    ),
    bad("oip_binary_not_finite", _not_finite, "output_not_json"),
    bad(
        "oip_strings_cut_off",
        _cut_strings,
        "tensor_shape_mismatch image_format_unsupported image_corrupt request_invalid",
    ),
    bad("oip_item_no_picture", _bad_items, "image_format_unsupported image_corrupt source_empty", can_be_good=True),
    bad("oip_coding_unknown", _odd_coding, "media_type_unsupported"),
    bad("oip_coding_corrupt", _bad_gzip, "content_encoding_invalid json_invalid"),
    bad("oip_type_not_taken", _odd_type, "media_type_unsupported"),
]
