"""The language recipe's data: real names, each in one text only, and a tokenizer learned from the training part."""

import numpy as np
import pytest

from lambent.domain.model import TOKENIZER_FILE
from lambent_toolkit.modelkit.recipe import LabelledItems, Split, prepare, split_items
from lambent_toolkit.modelkit.recipes import language


@pytest.fixture(scope="module")
def everything() -> LabelledItems:
    return language.load_items()


@pytest.fixture(scope="module")
def split() -> Split:
    return prepare(language.RECIPE)


def test_no_name_is_in_two_texts(everything: LabelledItems) -> None:
    texts = [item.decode().casefold() for item in everything.items]

    assert len(set(texts)) == len(texts)
    assert sum(text == "berlin" for text in texts) == 0


def test_every_language_has_enough_texts(everything: LabelledItems) -> None:
    counts = np.bincount(everything.classes)

    assert len(counts) == len(language.LANGUAGES) >= 12
    assert counts.min() > 300
    assert counts.max() < 2.5 * counts.min()


def test_no_text_is_in_both_parts() -> None:
    train, test = split_items(language.RECIPE)

    assert not set(train.items) & set(test.items)
    assert len(test) == language.RECIPE.test_items


def test_same_training_texts_give_the_same_tokenizer(split: Split) -> None:
    train, _ = split_items(language.RECIPE)

    assert language.declare(train).assets == split.declaration.assets
    assert set(split.declaration.assets) == {TOKENIZER_FILE}


def test_tokenizer_learns_from_the_training_part_only(split: Split) -> None:
    train, _ = split_items(language.RECIPE)
    fewer = train.take(np.arange(len(train) // 2))

    assert language.declare(fewer).assets != split.declaration.assets


def test_ids_and_mask_tell_the_same_tokens_real(split: Split) -> None:
    ids, mask = split.test.tensors["ids"], split.test.tensors["mask"]

    assert ids.shape == mask.shape == (language.RECIPE.test_items, language.MAX_TOKENS)
    assert np.array_equal(ids != 0, mask == 1)
    assert ids.max() < language.VOCABULARY
