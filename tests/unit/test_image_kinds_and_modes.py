"""Every kind of picture that a camera, a scanner or a drawing program makes."""

from io import BytesIO

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

from builders import contract, picture
from lambent.contracts.model import ImagePreprocessing, Limits, TensorSpec
from lambent.domain.preprocessing import Preprocessor, make_preprocessor
from lambent.domain.preprocessing.image import decode_image
from lambent.errors import ImageCorrupt, ImageFormatUnsupported, ImageTooLargeDecoded, MediaTypeUnsupported

LIMITS = Limits(max_input_bytes=1_000_000, max_pixels=1_000_000)


def noise(height: int, width: int) -> Image.Image:
    """Return a picture of these pixels, the same in every test."""
    return Image.fromarray(np.random.default_rng(11).integers(0, 255, (height, width, 3), dtype=np.uint8))


SCENE = noise(12, 16).resize((320, 240), Image.Resampling.BICUBIC)


def spec(height: int = 2, width: int = 2, channels: int = 3, **changes: object) -> ImagePreprocessing:
    return ImagePreprocessing(height=height, width=width, channels=channels, **changes)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def one_colour(body: bytes, channels: int = 3) -> list[int]:
    """Return the colour of a picture of one colour."""
    pixels = decode_image(body, spec(channels=channels), LIMITS)
    assert (pixels == pixels[0, 0]).all()
    return pixels[0, 0].tolist()


def palette_picture() -> Image.Image:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


@pytest.mark.parametrize(
    ("body", "colour"),
    [
        (picture(100, mode="L"), [100, 100, 100]),
        (picture((100, 255), mode="LA"), [100, 100, 100]),
        (picture((100, 0), mode="LA"), [255, 255, 255]),
        (picture((10, 20, 30), mode="RGB"), [10, 20, 30]),
        (picture((10, 20, 30, 255), mode="RGBA"), [10, 20, 30]),
        (picture((10, 20, 30, 0), mode="RGBA"), [255, 255, 255]),
        (picture(1, mode="1"), [255, 255, 255]),
        (picture(0, mode="1"), [0, 0, 0]),
        (encode(palette_picture()), [10, 20, 30]),
        (encode(palette_picture(), transparency=1), [255, 255, 255]),
        (encode(Image.fromarray(np.full((4, 4), 0x6400, dtype=np.uint16))), [100, 100, 100]),
    ],
    ids=[
        "grey", "grey+alpha", "grey transparent", "RGB", "RGBA", "RGBA transparent", "white bit", "black bit",
        "palette", "palette transparent", "16-bit grey",
    ],
)  # fmt: skip
def test_pngs_of_every_mode_show_their_colour(body: bytes, colour: list[int]) -> None:
    assert one_colour(body) == colour


def test_sixteen_bit_colour_keeps_its_upper_byte() -> None:
    # Pillow cannot write 16-bit colour: a hand-made PNG of one row of two pixels.
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\x00" + struct.pack(">6H", *[0x0A80, 0x1480, 0x1E80] * 2)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")

    assert one_colour(body) == [10, 20, 30]


@pytest.mark.parametrize("decode", ["full", "scaled"])
@pytest.mark.parametrize(("channels", "expected"), [(3, [255, 0, 0]), (1, [76])])
def test_cmyk_jpegs_as_adobe_writes_them_show_their_colour(decode: str, channels: int, expected: list[int]) -> None:
    # Pillow writes the Adobe marker with inverted values, as Photoshop does.
    body = picture((0, 255, 255, 0), mode="CMYK", size=(16, 16), kind="JPEG")

    pixels = decode_image(body, spec(channels=channels, decode=decode), LIMITS)

    np.testing.assert_allclose(pixels[0, 0].astype(int), expected, atol=3)


@pytest.mark.parametrize("decode", ["full", "scaled"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_jpegs_serve_grey_and_colour_models(decode: str, channels: int) -> None:
    body = picture(100, size=(16, 16), kind="JPEG")

    assert decode_image(body, spec(channels=channels, decode=decode), LIMITS)[0, 0].tolist() == [100] * channels


def test_full_decoding_is_pillows_own_conversion_and_resizing_bit_for_bit() -> None:
    body = encode(SCENE, "JPEG")
    with Image.open(BytesIO(body)) as image:
        expected = np.asarray(image.convert("RGB").resize((30, 20), Image.Resampling.BILINEAR))

    np.testing.assert_array_equal(decode_image(body, spec(20, 30), LIMITS), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_scaled_decoding_is_libjpegs_smallest_covering_size_then_pillows_resizing(channels: int) -> None:
    body = encode(SCENE, "JPEG")
    decoded = simplejpeg.decode_jpeg(body, "GRAY" if channels == 1 else "RGB", min_height=50, min_width=60)
    expected = Image.fromarray(decoded.squeeze()).resize((60, 50), Image.Resampling.BILINEAR)

    pixels = decode_image(body, spec(50, 60, channels, decode="scaled"), LIMITS)

    assert decoded.shape[:2] == (60, 80)
    np.testing.assert_array_equal(pixels, np.asarray(expected).reshape(50, 60, channels))


def test_scaled_decoding_differs_from_full_only_slightly() -> None:
    body = encode(SCENE, "JPEG", quality=90)

    full, scaled = (decode_image(body, spec(48, 64, decode=decode), LIMITS) for decode in ("full", "scaled"))

    assert np.abs(full.astype(int) - scaled).mean() < 4


@pytest.mark.parametrize("decode", ["full", "scaled"])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright_whichever_way_they_are_decoded(decode: str, fit: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encode(SCENE, "JPEG", exif=exif, quality=95)
    with Image.open(BytesIO(body)) as saved:
        upright = ImageOps.exif_transpose(saved).convert("RGB")
    size = (60, 45)
    expected = upright.resize(size) if fit == "stretch" else ImageOps.fit(upright, size, Image.Resampling.BILINEAR)

    pixels = decode_image(body, spec(size[1], size[0], decode=decode, fit=fit), LIMITS)

    assert np.abs(pixels.astype(int) - np.asarray(expected)).mean() < 3


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (101, 99), (7, 1), (1, 1)])
def test_cropping_keeps_proportions_and_the_centre(size: tuple[int, int]) -> None:
    image = noise(size[1], size[0])

    pixels = decode_image(encode(image), spec(33, 50, fit="crop"), LIMITS)

    expected = np.asarray(ImageOps.fit(image, (50, 33), Image.Resampling.BILINEAR))
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_jpeg_with_stray_bytes_is_decoded_fully_rather_than_refused() -> None:
    body = encode(SCENE, "JPEG")
    stray = body[:20] + b"\x00\x00\x00" + body[20:]  # between two segments

    scaled = decode_image(stray, spec(decode="scaled"), LIMITS)

    np.testing.assert_array_equal(scaled, decode_image(stray, spec(), LIMITS))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off_jpegs_are_refused_by_scaled_decoding_too(share: float) -> None:
    body = encode(SCENE, "JPEG")

    with pytest.raises(ImageCorrupt):
        decode_image(body[: int(len(body) * share)], spec(decode="scaled"), LIMITS)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_all_frames_of_an_animation_count_and_the_first_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (100, 100), (colour, 0, 0)) for colour in (200, 0, 100)]
    body = encode(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)

    assert one_colour(body)[0] == 200
    with pytest.raises(ImageTooLargeDecoded, match="3 frames") as refusal:
        decode_image(body, spec(), Limits(max_pixels=29_999))
    assert refusal.value.got == 30_000


@pytest.mark.parametrize("decode", ["full", "scaled"])
def test_a_phones_jpeg_with_several_shots_is_its_first(decode: str) -> None:
    shots = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    body = encode(shots[0], "MPO", save_all=True, append_images=shots[1:])

    pixels = decode_image(body, spec(decode=decode), Limits(max_pixels=256))

    np.testing.assert_allclose(pixels[0, 0].astype(int), [254, 0, 0], atol=2)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (encode(SCENE, "GIF"), "GIF"),
        (encode(SCENE, "TIFF"), "TIFF"),
        (encode(SCENE, "BMP"), "BMP"),
        (encode(SCENE, "EPS"), "EPS"),
        (encode(SCENE, "PDF"), "PDF"),
        (encode(SCENE, "ICO"), "ICO"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "HEIC"),
        (b"\x00\x00\x00\x18ftypavif" + bytes(20), "AVIF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"PK\x03\x04" + bytes(20), "ZIP archive"),
        (b"hello world", "text"),
        (b"/9j/4AAQSkZJRgABAQ", "base64 text"),
        (b"data:image/png;base64,iVBORw0KGgo", "base64 text"),
        (b"\x01\x02\x03\x04", None),
    ],
    # The content as an id holds the time at which it was made, and no two processes would collect the same tests.
    ids=lambda value: None if isinstance(value, str) else "content" if isinstance(value, bytes) else "unknown",
)
def test_a_refusal_says_what_was_sent(content: bytes, kind: str | None) -> None:
    with pytest.raises(ImageFormatUnsupported, match=kind or "no known image format") as refusal:
        decode_image(content, spec(), LIMITS)

    assert refusal.value.got == kind


def preprocessor(datatype: str, **changes: object) -> Preprocessor:
    tensor = TensorSpec(name="image", datatype=datatype, shape=(-1, 2, 2, 3))
    return make_preprocessor(contract(inputs=(tensor,), preprocessing=spec(**changes), limits=LIMITS), {})


def test_a_model_of_uint8_gets_the_pixels_and_one_of_fp32_their_scaled_values() -> None:
    body = picture((10, 20, 30), mode="RGB")

    pixels = preprocessor("UINT8", scale=1.0, offset=0.0).prepare(body)["image"]
    floats = preprocessor("FP32", scale=1 / 127.5, offset=-1.0).prepare(body)["image"]

    assert (pixels.dtype, pixels[0, 0].tolist()) == (np.uint8, [10, 20, 30])
    np.testing.assert_array_equal(floats, pixels.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1))


def test_batches_are_stacked_and_a_single_picture_is_not_copied() -> None:
    preparer = preprocessor("FP32")
    first, second = preparer.prepare(picture(10)), preparer.prepare(picture(20))

    single, both = preparer.collate([first])["image"], preparer.collate([first, second])["image"]

    assert single.base is first["image"]
    assert both.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(both[0], single[0])


def test_a_text_is_no_picture() -> None:
    with pytest.raises(MediaTypeUnsupported):
        preprocessor("FP32").prepare("a text")
