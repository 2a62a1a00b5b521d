"""Compressed bodies."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.contracts.content_coding import MIN_ENCODED_BYTES, choose_coding, decode_content, encode_content
from lambent.errors import ContentCodingInvalid, MediaTypeUnsupported, PayloadTooLarge


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress, "Deflate ": raw_deflate}


@pytest.mark.parametrize("coding", COMPRESS)
@given(body=st.binary(max_size=300))
def test_gzip_zlib_and_bare_deflate_are_undone(coding: str, body: bytes) -> None:
    assert decode_content(COMPRESS[coding](body), coding) == body


@pytest.mark.parametrize("coding", [None, "identity"])
def test_a_body_without_coding_stays_as_it_is(coding: str | None) -> None:
    assert decode_content(b"plain", coding) == b"plain"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "x"])
def test_other_codings_are_refused_with_the_list_of_ours(coding: str) -> None:
    with pytest.raises(MediaTypeUnsupported) as refusal:
        decode_content(b"x", coding)

    assert refusal.value.limit == ["gzip", "deflate"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda body: body[:-5], "ends too early"),
        (lambda body: body + b"more", "further bytes"),
        (lambda _: b"\xff" * 20, "corrupt"),
        (lambda _: b"", "ends too early"),
    ],
)
def test_spoilt_bodies_say_how(coding: str, spoil, reason: str) -> None:
    body = COMPRESS[coding](b"some text " * 50)

    with pytest.raises(ContentCodingInvalid, match=reason):
        decode_content(spoil(body), coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_takes_no_more_memory_than_the_limit(coding: str) -> None:
    bomb = COMPRESS[coding](bytes(50_000_000))
    tracemalloc.start()

    with pytest.raises(PayloadTooLarge) as refusal:
        decode_content(bomb, coding, max_bytes=1_000_000)

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refusal.value.limit == 1_000_000
    assert peak_bytes < 4_000_000


def test_the_limit_itself_is_allowed() -> None:
    assert len(decode_content(gzip.compress(bytes(1000)), "gzip", max_bytes=1000)) == 1000


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip;q=0.5", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0", None),
        ("*", "gzip"),
    ],
)
def test_an_answer_is_compressed_as_the_client_takes_it(accept: str | None, chosen: str | None) -> None:
    assert choose_coding(bytes(MIN_ENCODED_BYTES), accept) == chosen


def test_small_answers_stay_as_they_are() -> None:
    assert choose_coding(bytes(MIN_ENCODED_BYTES - 1), "gzip") is None


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_we_compress_can_be_undone(coding: str) -> None:
    body = b"[0.25, 0.75]" * 100

    encoded = encode_content(body, coding)

    assert len(encoded) < len(body) / 4
    assert decode_content(encoded, coding) == body
