"""Check examined items and their parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.datasets.candidates import CONTROL_CHARACTERS, Problem
from lambent_toolkit.modelkit.datasets.checks import (
    MAX_LISTED,
    MAX_PROBLEMS,
    Checks,
    ClassCount,
    ColumnSpread,
    Duplicates,
    LeakFound,
    NearPair,
    Suspect,
    Suspects,
    TargetSpread,
)
from lambent_toolkit.modelkit.datasets.examination import Examined
from lambent_toolkit.modelkit.datasets.fingerprints import Pair, near_duplicates
from lambent_toolkit.modelkit.datasets.giveaways import find_giveaways
from lambent_toolkit.modelkit.datasets.grouping import Assignment
from lambent_toolkit.modelkit.datasets.label_noise import find_noise
from lambent_toolkit.modelkit.datasets.manifest import Kind
from lambent_toolkit.modelkit.splitting import PARTS, Part

_IDS = 5
_EXCERPT_CHARACTERS = 160


@dataclass(frozen=True)
class Examination:
    """All that is known of a data set's items, row by row.

    Parameters
    ----------
    labels    class names in the order of their numbers; empty for regression
    targets   int64 class numbers or float64 numbers, shape (n,)
    groups    int64, shape (n,): items of the same content have the same number
    pairs     near duplicates of different content
    """

    kind: Kind
    items: list[Examined]
    labels: tuple[str, ...]
    targets: NDArray[Any]
    groups: NDArray[np.int64]
    pairs: list[Pair]


def find_pairs(items: Sequence[Examined], kind: Kind) -> list[Pair]:
    """Return near duplicates of different content: pictures that look alike, texts of the same letters and digits."""
    firsts: dict[str, int] = {}
    for row, item in enumerate(items):
        firsts.setdefault(item.sha256, row)
    rows = list(firsts.values())
    hashes = [items[row].features.hash for row in rows]
    if kind == "image":
        pixels = [items[row].features.pixels for row in rows]
        found = near_duplicates(hashes, [each for each in pixels if each is not None])
        return [Pair(rows[pair.first], rows[pair.second], pair.correlation) for pair in found]
    seen: dict[int, int] = {}
    pairs = []
    for row, value in zip(rows, hashes, strict=True):
        if value is not None and seen.setdefault(value, row) != row:
            pairs.append(Pair(seen[value], row, 1.0))
    return pairs


def check(
    data: Examination, assignment: Assignment, *, problems: Sequence[Problem], notes: Sequence[str], seed: int
) -> Checks:
    """Return everything that `Checks` holds; takes some seconds for the labels."""
    parts = assignment.parts
    copies = _copies(data)
    conflicts = [each for each in copies if len(each.labels) > 1]
    near = _near(data, parts)
    return Checks(
        classes=_classes(data, parts),
        targets=() if data.labels else _targets(data, parts),
        columns=_columns(data) if data.kind == "tabular" else (),
        problems=tuple(problems[:MAX_PROBLEMS]),
        problem_count=len(problems),
        duplicates=tuple(copies[:MAX_LISTED]),
        duplicate_groups=len(copies),
        duplicate_items=sum(each.count - 1 for each in copies),
        conflicts=tuple(conflicts[:MAX_LISTED]),
        conflict_groups=len(conflicts),
        leaks=tuple(_leaks(data, assignment)[:MAX_LISTED]),
        leak_count=len(assignment.leaks),
        near=tuple(near[:MAX_LISTED]),
        near_count=len(near),
        near_leaks=sum(each.is_leak for each in near),
        suspects=_suspects(data, parts, seed=seed) if data.labels else Suspects(),
        giveaways=_giveaways(data, seed=seed),
        notes=(*notes, *assignment.notes),
    )


def _classes(data: Examination, parts: Sequence[Part | None]) -> tuple[ClassCount, ...]:
    counted = Counter(zip(data.targets.tolist(), parts, strict=True))
    return tuple(
        ClassCount(label=label, **{part: counted[number, part] for part in PARTS})
        for number, label in enumerate(data.labels)
    )


def _targets(data: Examination, parts: Sequence[Part | None]) -> tuple[TargetSpread, ...]:
    spreads = []
    for part in PARTS:
        values = data.targets[[each == part for each in parts]]
        low, median, high = np.quantile(values, (0, 0.5, 1)).tolist()
        spreads.append(
            TargetSpread(split=part, count=len(values), low=low, mean=float(values.mean()), median=median, high=high)
        )
    return tuple(spreads)


def _columns(data: Examination) -> tuple[ColumnSpread, ...]:
    rows = [item.features.row or {} for item in data.items]
    return tuple(
        _column(name, [row.get(name) for row in rows]) for name in dict.fromkeys(key for row in rows for key in row)
    )


def _giveaways(data: Examination, *, seed: int) -> tuple[str, ...]:
    if data.kind != "tabular" or not data.labels:
        return ()
    return tuple(find_giveaways([item.features.row or {} for item in data.items], data.targets, seed=seed))


def _column(name: str, cells: list[Any]) -> ColumnSpread:
    values = [cell for cell in cells if cell is not None]
    is_number = bool(values) and all(isinstance(value, int | float) for value in values)
    return ColumnSpread(
        name=name,
        is_number=is_number,
        missing=len(cells) - len(values),
        distinct=len(set(values)),
        low=float(min(values)) if is_number else None,
        high=float(max(values)) if is_number else None,
    )


def _copies(data: Examination) -> list[Duplicates]:
    rows_of: dict[str, list[int]] = {}
    for row, item in enumerate(data.items):
        rows_of.setdefault(item.sha256, []).append(row)
    copies = [
        Duplicates(
            ids=tuple(data.items[row].candidate.id for row in rows[:_IDS]),
            count=len(rows),
            labels=tuple(dict.fromkeys(data.items[row].candidate.label or "" for row in rows)) if data.labels else (),
        )
        for rows in rows_of.values()
        if len(rows) > 1
    ]
    return sorted(copies, key=lambda each: (-each.count, each.ids))


def _leaks(data: Examination, assignment: Assignment) -> list[LeakFound]:
    return [
        LeakFound(
            id=data.items[leak.left_out].candidate.id,
            was_in=leak.was_in,
            kept=data.items[leak.kept].candidate.id,
            kept_in=leak.kept_in,
        )
        for leak in assignment.leaks
    ]


def _near(data: Examination, parts: Sequence[Part | None]) -> list[NearPair]:
    pairs = []
    for pair in data.pairs:
        first_split, second_split = parts[pair.first], parts[pair.second]
        if first_split is None or second_split is None:
            continue
        first, second = data.items[pair.first].candidate, data.items[pair.second].candidate
        pairs.append(
            NearPair(
                first=first.id,
                second=second.id,
                first_split=first_split,
                second_split=second_split,
                first_label=first.label,
                second_label=second.label,
                correlation=pair.correlation,
            )
        )
    return sorted(pairs, key=lambda each: (not each.is_leak, -each.correlation, each.first, each.second))


def _suspects(data: Examination, parts: Sequence[Part | None], *, seed: int) -> Suspects:
    """Examine one item of every content that is in a part."""
    firsts: dict[int, int] = {}
    for row, (group, part) in enumerate(zip(data.groups.tolist(), parts, strict=True)):
        if part is not None:
            firsts.setdefault(group, row)
    rows = np.array(list(firsts.values()))
    noise = find_noise([data.items[row].features for row in rows], data.targets[rows], kind=data.kind, seed=seed)
    listed = []
    for doubt in noise.doubts[:MAX_LISTED]:
        row = int(rows[doubt.row])
        item = data.items[row]
        listed.append(
            Suspect(
                id=item.candidate.id,
                split=parts[row] or "train",
                given=item.candidate.label or "",
                predicted=data.labels[doubt.predicted],
                given_confidence=doubt.given_confidence,
                predicted_confidence=doubt.predicted_confidence,
                excerpt=excerpt(item),
            )
        )
    return Suspects(
        listed=tuple(listed),
        count=len(noise.doubts),
        examined=noise.examined,
        accuracy=noise.accuracy,
        note=noise.note,
    )


def excerpt(item: Examined) -> str:
    """Return the beginning of a text or a row on one line; nothing of a picture."""
    if item.features.text is not None:
        text = " ".join(item.features.text[: 4 * _EXCERPT_CHARACTERS].split())
    elif item.features.row is not None:
        text = ", ".join(f"{name} {value}" for name, value in item.features.row.items())
    else:
        return ""
    text = CONTROL_CHARACTERS.sub("·", text)
    return text if len(text) <= _EXCERPT_CHARACTERS else f"{text[: _EXCERPT_CHARACTERS - 1]}…"
