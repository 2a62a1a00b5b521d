"""The largest pictures that a contract takes by default cost 128 MiB at most, of whatever kind they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lambent.contracts.model import ImagePreprocessing, Limits
from lambent.domain.preprocessing.image import decode_image
from lambent.errors import ImageTooLargeDecoded

MAX_GROWTH_BYTES = 128 * 1024 * 1024
# Name → mode, size, format, what is told to the encoder; the sizes are the largest that the default limits take.
KINDS: dict[str, tuple[str, tuple[int, int], str, dict[str, object]]] = {
    "png": ("RGB", (4000, 4000), "PNG", {"compress_level": 1}),
    "png with alpha": ("RGBA", (4000, 4000), "PNG", {"compress_level": 1}),
    "grey png with alpha": ("LA", (4000, 4000), "PNG", {"compress_level": 1}),
    "png of 16 bits": ("I;16", (4000, 4000), "PNG", {"compress_level": 1}),
    "png with a colour that is clear": ("RGB", (4000, 4000), "PNG", {"compress_level": 1, "transparency": (0, 0, 0)}),
    "png that lies on its side": ("RGB", (4000, 4000), "PNG", {"compress_level": 1, "turned": True}),
    "png with alpha that lies on its side": ("RGBA", (4000, 4000), "PNG", {"compress_level": 1, "turned": True}),
    "jpeg": ("RGB", (4000, 4000), "JPEG", {}),
    "jpeg of four colours": ("CMYK", (4000, 4000), "JPEG", {}),
    "webp": ("RGB", (4000, 2000), "WEBP", {"method": 0}),
    "webp without loss": ("RGB", (4000, 2000), "WEBP", {"method": 0, "lossless": True}),
    "webp with alpha": ("RGBA", (4000, 2000), "WEBP", {"method": 0}),
    "webp that lies on its side": ("RGBA", (4000, 2000), "WEBP", {"method": 0, "lossless": True, "turned": True}),
}
PROGRAM = """
import json, os
from test_memory_of_decoding import KINDS, encoded, growth_of_decoding
for name in KINDS:
    child = os.fork()
    if child == 0:
        print(json.dumps({"name": name, "grown_bytes": growth_of_decoding(encoded(name))}), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""


def encoded(name: str) -> bytes:
    mode, (width, height), kind, options = KINDS[name]
    options = dict(options)
    if options.pop("turned", False):
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    if mode == "I;16":
        image = Image.fromarray(np.full((height, width), 40_000, dtype=np.uint16))
    else:
        image = Image.new(mode, (width, height), (90,) * len(Image.new(mode, (1, 1)).getbands()))
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def growth_of_decoding(picture: bytes) -> int:
    """Return by how much this process's memory has grown at most while it decodes (proc(5), clear_refs)."""
    spec = ImagePreprocessing(width=64, height=64, channels=3, decode="full")
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_bytes()
    decode_image(picture, spec, Limits())
    return _peak_bytes() - before


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def grown_bytes() -> dict[str, int]:
    """Return what each kind takes, in a process of its own."""
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(folder.parent)])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {each["name"]: each["grown_bytes"] for each in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", KINDS)
def test_the_largest_picture_of_a_kind_is_decoded_within_its_memory(grown_bytes: dict[str, int], name: str) -> None:
    assert grown_bytes[name] <= MAX_GROWTH_BYTES


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_may_have_half_the_pixels_and_says_so(lossless: bool) -> None:
    spec, limits = ImagePreprocessing(width=4, height=4, channels=3), Limits(max_pixels=10_000)
    pictures = []
    for height in (50, 51):
        buffer = BytesIO()
        Image.new("RGB", (100, height)).save(buffer, "WEBP", lossless=lossless)
        pictures.append(buffer.getvalue())

    decode_image(pictures[0], spec, limits)
    with pytest.raises(ImageTooLargeDecoded) as refused:
        decode_image(pictures[1], spec, limits)

    assert (refused.value.limit, refused.value.got) == (5_000, 5_100)
