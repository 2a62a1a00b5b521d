"""Make the models of `fault_models`: words.tflite with its tokenizer.json, rows.tflite and pair.tflite.

Run from the repository's root: .venv/bin/python tests/faults/models/make_models.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import fault_models

from lambent_toolkit.modelkit.quantization import to_tflite


def tokenizer() -> str:
    """Return a tokenizer.json of a few words."""
    vocabulary = {word: index for index, word in enumerate(fault_models.VOCABULARY)}
    built = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    built.normalizer = normalizers.BertNormalizer()
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return built.to_str(pretty=True)


def words() -> keras.Model:
    """Return a network that adds up a weight a word: above zero is good, below is bad."""
    size = len(fault_models.VOCABULARY)
    ids = keras.Input((fault_models.MAX_TOKENS,), name="ids", dtype="int32")
    mask = keras.Input((fault_models.MAX_TOKENS,), name="mask", dtype="int32")
    embedding = keras.layers.Embedding(size, 2)
    weights = embedding(ids) * keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    model = keras.Model([ids, mask], keras.layers.Identity(name="scores")(keras.ops.sum(weights, axis=1)))
    table = np.zeros((size, 2), dtype=np.float32)
    table[fault_models.VOCABULARY.index("good")], table[fault_models.VOCABULARY.index("bad")] = (3, 0), (0, 3)
    embedding.set_weights([table])
    return model


def rows() -> keras.Model:
    """Return a network that adds a row up, red being worth 10 and green 20."""
    features = keras.Input((4,), name="features")
    dense = keras.layers.Dense(1, name="value")
    model = keras.Model(features, dense(features))
    dense.set_weights([np.array([[1], [1], [10], [20]], dtype=np.float32), np.zeros(1, dtype=np.float32)])
    return model


def pair() -> keras.Model:
    """Return a network that answers all its inputs' numbers, and their sum."""
    left = keras.Input((3,), name="left")
    right = keras.Input((2,), name="right", dtype="int32")
    both = keras.ops.concatenate([left, keras.ops.cast(right, "float32")], axis=-1)
    outputs = [keras.ops.sum(both, axis=-1, keepdims=True), both * 1.0]
    return keras.Model([left, right], outputs)


def main() -> None:
    """Write all files."""
    (fault_models.FOLDER / "tokenizer.json").write_text(tokenizer())
    made = {fault_models.words: words, fault_models.rows: rows, fault_models.pair: pair}
    for contract, build in made.items():
        spec = contract()
        (fault_models.FOLDER / f"{spec.name}.tflite").write_bytes(to_tflite(build(), spec, variant="float32"))


if __name__ == "__main__":
    main()
