"""The language recipe's data: real names, each in one text only, and a tokenizer learned from the training part."""

import numpy as np
import pytest

from lambent.domain.model import TOKENIZER_FILE
from lambent_toolkit.modelkit.recipe import LabelledItems, Split, prepare, split_items
from lambent_toolkit.modelkit.recipes import RECIPES, language


@pytest.fixture(scope="module")
def everything() -> LabelledItems:
    return language.data(language.Settings())


@pytest.fixture(scope="module")
def split() -> Split:
    return prepare(RECIPES["language"])


def test_no_name_is_in_two_texts(everything: LabelledItems) -> None:
    texts = [item.decode().casefold() for item in everything.items]

    assert len(set(texts)) == len(texts)
    assert sum(text == "berlin" for text in texts) == 0


def test_every_language_has_enough_texts(everything: LabelledItems) -> None:
    counts = np.bincount(everything.targets)

    assert len(counts) == len(language.LANGUAGES) >= 12
    assert counts.min() > 300
    assert counts.max() < 2.5 * counts.min()


def test_texts_are_sliced_by_their_length(everything: LabelledItems) -> None:
    lengths = everything.slices["letters"]

    assert set(lengths) == {"1 to 10", "11 to 25", "over 25"}
    assert all(
        (len(item.decode()) <= 10) == (length == "1 to 10")
        for item, length in zip(everything.items, lengths, strict=True)
    )


def test_no_text_is_in_two_parts() -> None:
    parts = split_items(RECIPES["language"])

    every = [item for part in parts.values() for item in part.items]
    assert len(set(every)) == len(every)
    assert len(parts["test"]) == pytest.approx(0.1 * len(every), abs=1)


def test_same_training_texts_give_the_same_tokenizer(split: Split) -> None:
    train = split_items(RECIPES["language"])["train"]

    assert language.contract(train, language.Settings()).assets == split.declaration.assets
    assert set(split.declaration.assets) == {TOKENIZER_FILE}


def test_tokenizer_learns_from_the_training_part_only(split: Split) -> None:
    train = split_items(RECIPES["language"])["train"]
    fewer = train.take(np.arange(len(train) // 2))

    assert language.contract(fewer, language.Settings()).assets != split.declaration.assets


def test_ids_and_mask_tell_the_same_tokens_real(split: Split) -> None:
    ids, mask = split.test.tensors["ids"], split.test.tensors["mask"]

    assert ids.shape == mask.shape == (len(split.test), language.MAX_TOKENS)
    assert np.array_equal(ids != 0, mask == 1)
    assert ids.max() < language.VOCABULARY
