"""Parts of data: no content in two of them, each class in each by its share, the same seed the same parts."""

from collections import Counter
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent_toolkit.modelkit.datasets.fingerprints import Pair
from lambent_toolkit.modelkit.datasets.grouping import Shares, groups_of, keep_split, split_groups
from lambent_toolkit.modelkit.errors import DataUnusable, SettingInvalid
from lambent_toolkit.modelkit.splitting import PARTS

SHARES = Shares(0.2, 0.2, 7)


@st.composite
def contents_and_targets(draw: st.DrawFn) -> tuple[list[str], np.ndarray]:
    """Draw rows of two to four classes, each of 5 to 12 contents, some of which occur several times."""
    contents, targets = [], []
    for number in range(draw(st.integers(2, 4))):
        for content in range(draw(st.integers(5, 12))):
            copies = draw(st.integers(1, 4))
            contents += [f"{number}-{content}"] * copies
            targets += [number] * copies
    order = draw(st.permutations(range(len(contents))))
    return [contents[place] for place in order], np.array([targets[place] for place in order])


@given(contents_and_targets(), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_no_content_is_in_two_parts_and_no_row_in_none(data, seed: int) -> None:
    contents, targets = data

    parts = split_groups(targets, groups_of(contents), Shares(0.2, 0.2, seed)).parts

    assert None not in parts
    assert max(Counter(content for content, _ in set(zip(contents, parts, strict=True))).values()) == 1


@given(contents_and_targets())
@settings(max_examples=60)
def test_contents_of_each_class_are_in_each_part_by_its_share_within_one(data) -> None:
    contents, targets = data

    parts = split_groups(targets, groups_of(contents), SHARES).parts

    where = dict(zip(contents, zip(parts, targets, strict=True), strict=True)).values()
    classes, counted = Counter(target for _, target in where), Counter(where)
    sizes = {"test": ceil(0.2 * len(where)), "validation": ceil(0.2 * len(where))}
    for (part, size), number in ((pair, number) for pair in sizes.items() for number in classes):
        assert abs(counted[part, number] - size * classes[number] / len(where)) <= 1


@given(contents_and_targets(), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_same_seed_gives_the_same_parts(data, seed: int) -> None:
    contents, targets = data
    shares = Shares(0.2, 0.2, seed)

    first, again = (split_groups(targets, groups_of(contents), shares) for _ in range(2))

    assert first == again


@given(contents_and_targets(), st.data())
@settings(max_examples=60)
def test_a_split_of_ones_own_is_kept_but_for_copies_of_what_measures(data, drawn: st.DataObject) -> None:
    contents, targets = data
    own = [
        "train",
        *drawn.draw(st.lists(st.sampled_from(PARTS), min_size=len(contents) - 1, max_size=len(contents) - 1)),
    ]
    own = ["train", "validation", "test", *own]
    contents, targets = ["t", "v", "e", *contents], np.array([0, 1, 0, *targets])

    done = keep_split(own, targets, groups_of(contents), SHARES)

    for row, (before, after) in enumerate(zip(own, done.parts, strict=True)):
        rivals = {own[other] for other, content in enumerate(contents) if content == contents[row]}
        strongest = next(part for part in ("test", "validation", "train") if part in rivals)
        assert after == (before if before == strongest else None)
    assert [leak.left_out for leak in done.leaks] == [row for row, part in enumerate(done.parts) if part is None]


def test_parts_that_the_source_lacks_are_taken_from_its_training_part() -> None:
    targets = np.repeat([0, 1], 20)
    own = ["train"] * 15 + ["test"] * 5 + ["train"] * 15 + ["test"] * 5

    done = keep_split(own, targets, groups_of(range(40)), SHARES)

    assert [part == "test" for part in done.parts] == [part == "test" for part in own]
    assert done.parts.count("validation") == 6
    assert "no validation part: 20% of its training part" in done.notes[0]


def test_copies_follow_into_a_part_that_is_taken_from_training() -> None:
    contents = [*range(20), *range(20), *range(100, 105)]
    own = ["train"] * 40 + ["test"] * 5

    done = keep_split(own, np.array([0, 1] * 22 + [0]), groups_of(contents), SHARES)

    assert done.parts[:20] == done.parts[20:40]
    assert done.parts[:20].count("validation") == 4


@pytest.mark.parametrize(
    ("own", "said"),
    [(["test"] * 4, "no training part"), (["train", "test", "test", "test"], "too few to take a validation part")],
)
def test_own_split_without_enough_to_train_on_is_refused(own, said: str) -> None:
    with pytest.raises(DataUnusable, match=said):
        keep_split(own, np.array([0, 1, 0, 1]), groups_of(range(4)), SHARES)


def test_near_duplicates_can_be_kept_together_through_a_chain() -> None:
    groups = groups_of(["a", "b", "c", "d", "a"], [Pair(0, 1, 0.99), Pair(1, 2, 0.99)])

    assert groups[0] == groups[1] == groups[2] == groups[4] != groups[3]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0, 0.2), (0.2, 1.5), (-0.1, 0.2)])
def test_shares_that_leave_a_part_empty_are_refused(shares) -> None:
    with pytest.raises(SettingInvalid, match="all three parts need items"):
        Shares(*shares, 7)
