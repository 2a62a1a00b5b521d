"""Which training items int8 and int16x8 are calibrated on: as many as it takes until the ranges stop growing.

The sample holds every class (of a regression: every tenth of the targets) about equally often, as far as there are
items: a rare class may have the extreme values that a sample by chance would miss. It is doubled until no tensor's
range has grown by more than the tolerance, twice in a row: one quiet doubling may be luck. Smaller samples are
beginnings of larger ones, so ranges only grow, and each doubling looks at new items only.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification, ModelContract
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.activation_ranges import ActivationRanges, growth
from lambent_toolkit.modelkit.quantization_report import CalibrationFigures, CalibrationRound
from lambent_toolkit.modelkit.recipe import Prepared, Split, Targets
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

CALIBRATION_FILE = "calibration.npz"
FIRST_ITEMS = 32
MOST_ITEMS = 2048
TOLERANCE = 0.02
QUIET_DOUBLINGS = 2
QUANTILES = 10
_SEED = 20

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """A sample of the training part.

    Parameters
    ----------
    rows      row numbers in the training part
    figures   how it was chosen
    """

    rows: Rows
    figures: CalibrationFigures


def choose_calibration(
    float_file: bytes,
    split: Split,
    *,
    tolerance: float = TOLERANCE,
    most_items: int = MOST_ITEMS,
    watcher: Watcher = SILENCE,
) -> Calibration:
    """Choose the calibration sample of a model; the same model and data give the same sample.

    Parameters
    ----------
    float_file   the float32 .tflite file of the model
    split        of which only the training part is looked at
    tolerance    the most that a range may have grown by in each of the last two doublings, as a share of it
    most_items   where to stop even so
    watcher      is told of every doubling

    Raises
    ------
    ModelNotFinite     a tensor has values that are no finite numbers
    ConversionFailed   the file cannot be run
    """
    train, contract = split.train, split.contract
    order, ranges = stratified_order(train.targets), ActivationRanges(float_file, contract)
    sizes = _sizes(min(most_items, len(order)))
    watcher.begin("choose calibration items", total=len(sizes))
    rounds: list[CalibrationRound] = []
    widths = ranges.widths()
    for before, size in zip([0, *sizes], sizes, strict=False):
        ranges.take(sample(train, order[before:size]))
        grown = growth(widths, ranges.widths()) if rounds else None
        widths = ranges.widths()
        rounds.append(CalibrationRound(items=size, range_growth=grown))
        watcher.advance(f"{size} items" if grown is None else f"{size} items, ranges grew by {grown:.1%}")
        if _is_quiet(rounds, tolerance):
            break
    rows = order[: rounds[-1].items]
    figures = CalibrationFigures(
        items=len(rows),
        items_by_stratum=_count_strata(train.targets, rows, contract),
        tolerance=tolerance,
        converged=_is_quiet(rounds, tolerance),
        rounds=rounds,
    )
    return Calibration(rows, figures)


def sample(train: Prepared, rows: Rows) -> dict[str, Array]:
    """Return the tensors of some rows of the training part, (rows, …) by input name."""
    return {name: array[rows] for name, array in train.tensors.items()}


def stratified_order(targets: Targets) -> Rows:
    """Return all row numbers, in an order of which every beginning holds each stratum about equally often; seeded."""
    random = np.random.default_rng(_SEED)
    strata, shuffled = _strata(targets), random.permutation(len(targets))
    turns = np.empty(len(targets), dtype=np.int64)
    for stratum in np.unique(strata):
        members = shuffled[strata[shuffled] == stratum]
        turns[members] = np.arange(len(members))
    # Who comes first within a turn is chance: the first class is not to be ahead in every one.
    return np.lexsort((random.permutation(len(targets)), turns))


def calibration_npz(calibration: Calibration, split: Split) -> bytes:
    """Return calibration.npz: which items it was, so that it can be repeated and proven.

    ``rows`` are row numbers in the training part of the data with the digest ``data_sha256``; ``items_sha256`` are the
    digests of the raw items, in the same order.
    """
    digests = [sha256(split.train.items[row]).hexdigest() for row in calibration.rows]
    buffer = BytesIO()
    np.savez_compressed(
        buffer, rows=calibration.rows, items_sha256=np.array(digests), data_sha256=np.array(split.sha256)
    )
    return buffer.getvalue()


def saved_rows(folder: Path, split: Split) -> Rows | None:
    """Return the rows that calibration.npz in a folder names; None if there is none, or it is of other data."""
    try:
        with np.load(folder / CALIBRATION_FILE, allow_pickle=False) as saved:
            return saved["rows"] if str(saved["data_sha256"]) == split.sha256 else None
    except FileNotFoundError:
        return None


def _is_quiet(rounds: list[CalibrationRound], tolerance: float) -> bool:
    grown = [each.range_growth for each in rounds[-QUIET_DOUBLINGS:] if each.range_growth is not None]
    return len(grown) == QUIET_DOUBLINGS and max(grown) <= tolerance


def _sizes(most: int) -> list[int]:
    sizes = [min(FIRST_ITEMS, most)]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return sizes


def _strata(targets: Targets) -> NDArray[np.int64]:
    """Return each row's class, the rarest of its labels, or the number of its target's quantile from 0."""
    if targets.ndim > 1:
        return _rarest(targets)
    if targets.dtype.kind == "i":
        return targets.astype(np.int64)
    edges = np.quantile(targets, np.linspace(0, 1, QUANTILES + 1)[1:-1])
    return np.digitize(targets, edges)


def _rarest(targets: Targets) -> NDArray[np.int64]:
    """Return the number of the rarest label that each row of (rows, labels) has; their number where it has none."""
    counts = targets.sum(axis=0)
    rarity = np.where(targets > 0, counts, len(targets) + 1)
    found: NDArray[np.int64] = np.where(targets.any(axis=1), rarity.argmin(axis=1), targets.shape[1])
    return found


def _count_strata(targets: Targets, rows: Rows, contract: ModelContract) -> dict[str, int]:
    numbers, counts = np.unique(_strata(targets)[rows], return_counts=True)
    spec = contract.postprocessing
    if isinstance(spec, Classification):
        # Of several labels an item there is one stratum more: no label.
        names = [(*spec.labels, "no label")[number] for number in numbers]
    elif targets.dtype.kind == "i":
        names = [str(number) for number in numbers]
    else:
        names = [f"quantile {number + 1} of {QUANTILES}" for number in numbers]
    return dict(zip(names, counts.tolist(), strict=True))
