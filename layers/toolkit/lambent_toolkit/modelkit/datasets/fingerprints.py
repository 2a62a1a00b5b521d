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
# Of a crowd with the same band, an item is compared with so many after it: all pairs of 10,000 frames of a film would
# be 50 million. So they are all told of, and kept together, but not every pair of them is listed.
_NEIGHBOURS = 50
_BATCH = 4096
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
    close = [_close(values, band) for band in range(_BANDS)]
    # A pair as one number, so that those that share several bands are counted once.
    ends = np.stack(np.divmod(np.unique(np.concatenate(close)), len(rows)), axis=1)
    thumbnails = np.stack([pixels[row] for row in rows]) if len(ends) else np.empty(0, np.uint8)
    pairs = []
    for start in range(0, len(ends), _BATCH):
        batch = ends[start : start + _BATCH]
        correlations = _correlations(thumbnails[batch[:, 0]], thumbnails[batch[:, 1]])
        for place in np.flatnonzero(correlations >= MIN_CORRELATION):
            first, second = rows[batch[place]].tolist()
            pairs.append(Pair(first, second, float(correlations[place])))
    return pairs


def _close(values: NDArray[np.uint64], band: int) -> NDArray[np.int64]:
    """Return pairs of places (first * n + second) whose hashes share a band and differ by three bits at most."""
    keys = (values >> np.uint64(band * _BAND_BITS)) & np.uint64((1 << _BAND_BITS) - 1)
    order = np.lexsort((values, keys))
    found = [np.empty(0, np.int64)]
    for step in range(1, min(_NEIGHBOURS, len(keys) - 1) + 1):
        is_equal = keys[order[step:]] == keys[order[:-step]]
        if not is_equal.any():
            break
        one, other = order[:-step][is_equal], order[step:][is_equal]
        is_close = np.bitwise_count(values[one] ^ values[other]) <= MAX_DISTANCE_BITS
        found.append((np.minimum(one, other) * len(keys) + np.maximum(one, other))[is_close])
    return np.concatenate(found)


def _correlations(ones: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return Pearson's correlation of thumbnails, pair by pair, which brightness and contrast leave as it is."""
    first, second = (each.reshape(len(each), -1).astype(np.float32) for each in (ones, others))
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(axis=1) / np.maximum(lengths, 1e-6))
