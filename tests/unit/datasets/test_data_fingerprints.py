"""Pictures that look alike: changed copies are found, other pictures are not."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lambent.contracts.model import ImagePreprocessing, Limits
from lambent.domain.preprocessing.image import decode_image
from lambent_toolkit.modelkit.datasets.fingerprints import difference_hash, near_duplicates
from lambent_toolkit.modelkit.datasets.grouping import groups_of

SMALL = ImagePreprocessing(height=16, width=16, channels=3, resize="box")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Return one of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg"))


@pytest.fixture(scope="module")
def flower() -> Image.Image:
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("flower.jpg"))


def small(picture: Image.Image, kind: str = "PNG", **options: int) -> np.ndarray:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return np.asarray(decode_image(buffer.getvalue(), SMALL, Limits()))


def pairs(*pictures: np.ndarray) -> list[tuple[int, int]]:
    found = near_duplicates([difference_hash(each) for each in pictures], list(pictures))
    return [(pair.first, pair.second) for pair in found]


def test_resized_recompressed_and_darkened_copies_are_found_and_another_photo_is_not(photo, flower) -> None:
    resized = small(photo.resize((200, 133)))
    recompressed = small(photo, "JPEG", quality=30)
    darkened = small(ImageEnhance.Brightness(photo).enhance(0.7))

    found = pairs(small(photo), small(flower), resized, recompressed, darkened)

    assert found == [(0, 2), (0, 3), (0, 4), (2, 3), (2, 4), (3, 4)]


def test_mirrored_and_cropped_pictures_are_others(photo) -> None:
    mirrored = small(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    assert pairs(small(photo), mirrored, small(photo.crop((150, 100, 400, 300)))) == []


def test_a_crowd_of_copies_is_one_group_although_not_every_pair_is_compared(photo) -> None:
    pixels = small(photo)
    random = np.random.default_rng(1)
    crowd = [np.clip(pixels.astype(int) + random.integers(-3, 4), 0, 255).astype(np.uint8) for _ in range(300)]

    found = near_duplicates([difference_hash(each) for each in crowd], crowd)

    assert len(found) < 300 * 299 / 2
    assert len(set(groups_of(range(300), found).tolist())) == 1


def test_blank_pictures_are_not_all_alike() -> None:
    blank = [np.full((16, 16, 3), shade, np.uint8) for shade in (0, 100, 255)]

    assert [difference_hash(each) for each in blank] == [None] * 3
    assert pairs(*blank) == []


def test_hashes_three_bits_apart_are_compared_wherever_the_bits_are(photo) -> None:
    pixels = small(photo)
    value = difference_hash(pixels) or 0

    for bits in ((0, 20, 40), (61, 62, 63), (15, 16, 17)):
        other = value ^ sum(1 << bit for bit in bits)
        assert len(near_duplicates([value, other], [pixels, pixels])) == 1
    far = value ^ 0b1111
    assert near_duplicates([value, far], [pixels, pixels]) == []
