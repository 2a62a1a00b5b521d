"""Which language a short text is in, by a small transformer.

Data: names in Unicode's CLDR as the installed Babel carries them: territories, languages, scripts, currencies, units,
time zones, months and days in 16 languages, some of them close relatives (Danish, Norwegian and Swedish; Spanish,
Portuguese and Italian; Russian and Ukrainian; Czech and Polish; German and Dutch).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from lambent.contracts.model import Classification, ModelContract, TensorSpec, TextPreprocessing
from lambent.domain.model import TOKENIZER_FILE, digest
from lambent_toolkit.modelkit.recipe import Count, Declaration, HyperParameters, LabelledItems, Rate, Share
from lambent_toolkit.modelkit.variants import VariantChoice

if TYPE_CHECKING:
    import keras
    from babel import Locale

LANGUAGES = ("cs", "da", "de", "el", "en", "es", "fr", "it", "ja", "nb", "nl", "pl", "pt", "ru", "sv", "uk")
MAX_TOKENS = 48
VOCABULARY = 1500
_NAMES_PER_LANGUAGE = 1500
_NAMES_PER_TEXT = 3
_MIN_LETTERS = 4
_SHORT, _LONG = 10, 25
_TEXTS_SEED = 7
_PAD, _UNKNOWN = "[PAD]", "[UNK]"


class Settings(HyperParameters, frozen=True, kw_only=True):
    """What `lambent train language --set` can change.

    Parameters
    ----------
    width   of a token's vector; a multiple of ``heads``
    heads   of the attention
    """

    width: Count = 64
    heads: Count = 4
    learning_rate: Rate = 2e-3
    epochs: Count = 6
    batch_size: Count = 64
    patience_epochs: Count = 2
    validation_share: Share = 0.05
    test_share: Share = 0.1
    variant: VariantChoice = "dynamic"


def data(_settings: Settings) -> LabelledItems:
    """Return short texts of one to three names of one language, joined by commas; every name is in one text only.

    A name that several of the languages have (Berlin, Peso) tells nothing and is left out.
    """
    names = {code: _names(code) for code in LANGUAGES}
    spread = Counter(folded for found in names.values() for folded in found)
    random = np.random.default_rng(_TEXTS_SEED)
    items: list[bytes] = []
    targets: list[int] = []
    for number, found in enumerate(names.values()):
        telling = [name for folded, name in found.items() if spread[folded] == 1]
        texts = _join([telling[row] for row in random.permutation(len(telling))[:_NAMES_PER_LANGUAGE]], random)
        items += [text.encode() for text in texts]
        targets += [number] * len(texts)
    lengths = [_length(len(item.decode())) for item in items]
    return LabelledItems(items, np.array(targets, dtype=np.int64), {"letters": lengths})


def contract(train: LabelledItems, _settings: Settings) -> Declaration:
    """Return the contract with a tokenizer of byte pairs (Sennrich et al., 2016) learned from the training texts."""
    tokenizer = _train_tokenizer([item.decode() for item in train.items])
    declared = ModelContract(
        name="language",
        inputs=(
            TensorSpec(name="ids", datatype="INT32", shape=(-1, MAX_TOKENS)),
            TensorSpec(name="mask", datatype="INT32", shape=(-1, MAX_TOKENS)),
        ),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, len(LANGUAGES))),),
        preprocessing=TextPreprocessing(
            tokenizer_sha256=digest(tokenizer),
            max_tokens=MAX_TOKENS,
            ids_input="ids",
            mask_input="mask",
            # The beginning of a long text tells its language as well.
            too_long="truncate",
        ),
        postprocessing=Classification(labels=LANGUAGES),
    )
    return Declaration(declared, {TOKENIZER_FILE: tokenizer})


def model(_contract: ModelContract, settings: Settings) -> keras.Model:
    """Return one transformer block (Vaswani et al., 2017) and a mean over the real tokens, compiled and untrained."""
    import keras
    from keras import layers, ops

    width = settings.width
    ids = keras.Input((MAX_TOKENS,), dtype="int32", name="ids")
    mask = keras.Input((MAX_TOKENS,), dtype="int32", name="mask")
    tokens = layers.Embedding(VOCABULARY, width)(ids) + layers.Embedding(MAX_TOKENS, width)(ops.arange(MAX_TOKENS))
    tokens = layers.Dropout(0.2)(tokens)
    visible = ops.expand_dims(ops.cast(mask, "bool"), 1)
    attended = layers.MultiHeadAttention(settings.heads, width // settings.heads)(
        tokens, tokens, attention_mask=visible
    )
    mixed = layers.LayerNormalization()(tokens + attended)
    wide = layers.Dense(2 * width, activation="relu")(mixed)
    block = layers.LayerNormalization()(mixed + layers.Dense(width)(wide))
    real = ops.expand_dims(ops.cast(mask, "float32"), -1)
    mean = layers.Dropout(0.3)(ops.sum(block * real, axis=1) / ops.sum(real, axis=1))
    scores = layers.Dense(len(LANGUAGES), activation="softmax", name="scores")(mean)
    network = keras.Model([ids, mask], scores, name="language")
    network.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def _names(code: str) -> dict[str, str]:
    """Return case-folded name → name, in the order of the names."""
    from babel import Locale

    locale = Locale.parse(code)
    found = sorted({name for name in _every_name(locale) if sum(map(str.isalpha, name)) >= _MIN_LETTERS})
    return {name.casefold(): name for name in found}


def _every_name(locale: Locale) -> list[str]:
    names: list[str] = []
    for table in (locale.territories, locale.languages, locale.scripts, locale.currencies):
        names += table.values()
    for contexts in (locale.months, locale.days):
        for widths in contexts.values():
            names += widths["wide"].values()
    for zone in locale.meta_zones.values():
        names += zone.get("long", {}).values()
    for widths in locale.unit_display_names.values():
        names += [widths["long"]] if "long" in widths else []
    return names


def _join(names: list[str], random: np.random.Generator) -> list[str]:
    texts = []
    while names:
        size = int(random.integers(1, _NAMES_PER_TEXT + 1))
        texts.append(", ".join(names[:size]))
        names = names[size:]
    return texts


def _length(letters: int) -> str:
    """Return how long a text is, as a slice: the shorter it is, the less it tells of its language."""
    if letters <= _SHORT:
        return f"1 to {_SHORT}"
    return f"{_SHORT + 1} to {_LONG}" if letters <= _LONG else f"over {_LONG}"


def _train_tokenizer(texts: list[str]) -> bytes:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        # The first special token has the id 0, the contract's pad_id.
        vocab_size=VOCABULARY,
        special_tokens=[_PAD, _UNKNOWN],
        limit_alphabet=VOCABULARY // 2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str().encode()
