"""Pictures that look alike although their files differ: resized, recompressed, brightened copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Two hashes within it, and thumbnails that correlate, are taken as one picture.
MAX_DISTANCE_BITS = 3
MIN_CORRELATION = 0.99
_BANDS = MAX_DISTANCE_BITS + 1
_BAND_BITS = 64 // _BANDS
_MIN_BITS = 6
# Of a crowd with the same band, an item is compared with so many after it: all pairs of 10,000 would be 50 million.
_NEIGHBOURS = 200
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Pair:
    """Two items' row numbers, first < second; ``correlation`` of their thumbnails, 1 for equal texts."""

    first: int
    second: int
    correlation: float


def difference_hash(pixels: NDArray[np.uint8]) -> int | None:
    """Return the dHash of a thumbnail: 64 bits, each whether brightness grows from one of 9 x 8 places to its right.

    Source: Krawetz, *Kind of Like That* (Hacker Factor, 2013). None of pictures with hardly any such edge, as blank
    ones are: all of them would be alike.

    Parameters
    ----------
    pixels : ndarray   uint8, shape (16, 16, 3), RGB
    """
    grey = pixels @ _LUMA
    rows = grey.reshape(8, 2, grey.shape[1]).mean(axis=1)
    places = np.linspace(0, grey.shape[1] - 1, 9)
    left = places.astype(int)
    right = np.minimum(left + 1, grey.shape[1] - 1)
    sampled = rows[:, left] + (rows[:, right] - rows[:, left]) * (places - left)
    bits = sampled[:, 1:] > sampled[:, :-1]
    if int(bits.sum()) < _MIN_BITS:
        return None
    return int.from_bytes(np.packbits(bits).tobytes())


def near_duplicates(hashes: list[int | None], pixels: list[NDArray[np.uint8]]) -> list[Pair]:
    """Return pairs of pictures that look alike: hashes at most 3 bits apart, and correlated thumbnails.

    Hashes are cut into four bands, of which two at most 3 bits apart share one at least (Manku, Jain and Das Sarma,
    *Detecting Near-Duplicates for Web Crawling*, 2007); only those that share one are compared. The correlation weeds
    out pictures of coarse likeness, of which small data sets are full.
    """
    rows = np.array([row for row, value in enumerate(hashes) if value is not None], dtype=np.int64)
    if len(rows) < 2:  # noqa: PLR2004 - a pair
        return []
    values = np.array([value for value in hashes if value is not None], dtype=np.uint64)
    found: dict[tuple[int, int], float] = {}
    for band in range(_BANDS):
        keys = (values >> np.uint64(band * _BAND_BITS)) & np.uint64((1 << _BAND_BITS) - 1)
        for first, second in _sharing(keys):
            is_close = np.bitwise_count(values[first] ^ values[second]) <= MAX_DISTANCE_BITS
            first, second = first[is_close], second[is_close]  # noqa: PLW2901 - narrowed
            for one, other in zip(rows[first].tolist(), rows[second].tolist(), strict=True):
                if (pair := (min(one, other), max(one, other))) not in found:
                    found[pair] = _correlation(pixels[one], pixels[other])
    alike = ((pair, correlation) for pair, correlation in sorted(found.items()) if correlation >= MIN_CORRELATION)
    return [Pair(one, other, correlation) for (one, other), correlation in alike]


def _sharing(keys: NDArray[np.uint64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return arrays of places with equal keys, by how far apart the two stand in the order of the keys."""
    order = np.argsort(keys, kind="stable")
    pairs = []
    for step in range(1, min(_NEIGHBOURS, len(keys) - 1) + 1):
        is_equal = keys[order[step:]] == keys[order[:-step]]
        if not is_equal.any():
            break
        pairs.append((order[:-step][is_equal], order[step:][is_equal]))
    return pairs


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return Pearson's correlation of two thumbnails, which brightness and contrast leave as it is."""
    first, second = (each.astype(np.float64).ravel() - each.mean() for each in (one, other))
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length else 0.0
