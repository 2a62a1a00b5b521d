"""Pictures into tensors."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from builders import contract, picture
from lambent.contracts.model import ImagePreprocessing, Limits
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing import make_preprocessor, prepare_all
from lambent.domain.preprocessing.image import decode_image, scale_pixels
from lambent.errors import (
    ImageCorrupt,
    ImageFormatUnsupported,
    ImageTooLargeDecoded,
    PayloadTooLarge,
    SourceEmpty,
)

GREY = ImagePreprocessing(height=2, width=3, channels=1)
RGB = ImagePreprocessing(height=2, width=3, channels=3)
LIMITS = Limits(max_input_bytes=100_000, max_pixels=10_000)


def preprocess_image(picture: bytes, spec: ImagePreprocessing, limits: Limits) -> Array:
    return scale_pixels(decode_image(picture, spec, limits), spec)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_accepted_formats_become_scaled_float32_of_the_contracts_size(kind: str) -> None:
    array = preprocess_image(picture((255, 255, 255), mode="RGB", kind=kind), RGB, LIMITS)

    assert array.shape == (2, 3, 3)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, 1.0, atol=0.02)


def test_grey_models_see_the_luma_of_colour_pictures() -> None:
    array = preprocess_image(picture((255, 0, 0), mode="RGB"), GREY, LIMITS)

    np.testing.assert_allclose(array, 76 / 255, atol=0.005)


def test_colour_order_is_red_green_blue() -> None:
    array = preprocess_image(picture((255, 128, 0), mode="RGB"), RGB, LIMITS)

    np.testing.assert_allclose(array[0, 0], [1.0, 128 / 255, 0.0], atol=0.005)


def test_scale_and_offset_are_applied_in_that_order() -> None:
    spec = ImagePreprocessing(height=1, width=1, channels=1, scale=2 / 255, offset=-1.0)

    dark = preprocess_image(picture(0), spec, LIMITS)
    bright = preprocess_image(picture(255), spec, LIMITS)

    assert dark.item() == -1.0
    assert bright.item() == pytest.approx(1.0)


def test_transparent_pixels_show_the_background() -> None:
    see_through = picture((0, 0, 0, 0), mode="RGBA")

    assert preprocess_image(see_through, GREY, LIMITS).max() == 1.0
    black = ImagePreprocessing(height=1, width=1, channels=1, background=0)
    assert preprocess_image(see_through, black, LIMITS).max() == 0.0


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    buffer = BytesIO()
    Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16)).save(buffer, format="PNG")

    array = preprocess_image(buffer.getvalue(), GREY, LIMITS)

    np.testing.assert_allclose(array, 128 / 255, atol=0.005)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed_as_pillow_does(orientation: int) -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = BytesIO()
    image.save(buffer, format="PNG", exif=exif)
    with Image.open(BytesIO(buffer.getvalue())) as saved:
        expected = ImageOps.exif_transpose(saved)

    spec = ImagePreprocessing(height=expected.height, width=expected.width, channels=1, scale=1.0)
    array = preprocess_image(buffer.getvalue(), spec, LIMITS)

    np.testing.assert_array_equal(array[:, :, 0], np.asarray(expected))


def test_an_odd_exif_tag_beside_the_orientation_does_no_harm() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0100] = 4
    buffer = BytesIO()
    Image.new("L", (4, 4), 255).save(buffer, format="JPEG", exif=exif)
    # ImageWidth as type BYTE: Pillow's own transposition fails on it when it rewrites the tags.
    odd = buffer.getvalue().replace(b"\x01\x00\x00\x04", b"\x01\x00\x00\x01", 1)

    assert preprocess_image(odd, GREY, LIMITS).max() == 1.0


def test_empty_input_is_refused() -> None:
    with pytest.raises(SourceEmpty):
        preprocess_image(b"", GREY, LIMITS)


@pytest.mark.parametrize(
    "content", [b"hello world, I am a text", b"%PDF-1.7", b"GIF89a" + bytes(20), b"BM" + bytes(60)]
)
def test_other_files_are_refused_with_the_accepted_formats(content: bytes) -> None:
    with pytest.raises(ImageFormatUnsupported) as refusal:
        preprocess_image(content, GREY, LIMITS)

    assert refusal.value.limit == ["image/jpeg", "image/png", "image/webp"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_cut_off_pictures_are_refused_as_corrupt(kind: str, share: float) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (64, 64), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, format=kind)
    whole = buffer.getvalue()

    with pytest.raises(ImageCorrupt):
        preprocess_image(whole[: int(len(whole) * share)], GREY, LIMITS)


def test_a_bomb_is_refused_from_its_header_alone() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    bomb += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))

    with pytest.raises(ImageTooLargeDecoded) as refusal:
        preprocess_image(bomb, GREY, LIMITS)

    assert refusal.value.got == 3_600_000_000


def test_pictures_that_are_too_large_together_are_refused_before_any_is_decoded() -> None:
    preprocessor = make_preprocessor(contract(limits=Limits(max_pixels=10_000)), {})
    largest = picture(size=(100, 100))
    undecodable = largest[:60]

    assert len(prepare_all(preprocessor, [largest] * 4, field="images")) == 4
    with pytest.raises(ImageTooLargeDecoded) as refusal:
        prepare_all(preprocessor, [undecodable] + [largest] * 4, field="images")

    assert (refusal.value.field, refusal.value.limit, refusal.value.got) == ("images", 40_000, 50_000)


def test_a_bad_picture_among_several_is_named_by_its_place() -> None:
    preprocessor = make_preprocessor(contract(limits=Limits(max_pixels=10_000)), {})

    with pytest.raises(ImageTooLargeDecoded) as refusal:
        prepare_all(preprocessor, [picture(), picture(size=(5000, 5000))], field="images")

    assert (refusal.value.field, refusal.value.limit) == ("images[1]", 10_000)


def test_too_many_bytes_are_refused_before_anything_is_parsed() -> None:
    with pytest.raises(PayloadTooLarge) as refusal:
        preprocess_image(bytes(100_001), GREY, LIMITS)

    assert (refusal.value.limit, refusal.value.got) == (100_000, 100_001)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\x00\x00"}], ids=["VP8", "VP8L", "VP8X"])
def test_the_canvas_of_a_webp_is_checked_before_anything_opens_it(
    options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = BytesIO()
    Image.new("RGB", (500, 300)).save(buffer, format="WEBP", **options)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))

    with pytest.raises(ImageTooLargeDecoded, match="500 x 300") as caught:
        preprocess_image(buffer.getvalue(), GREY, LIMITS)
    assert caught.value.got == 150_000
