"""Texts into token ids, with real tokenizers of every model that the library has."""

import json
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from builders import contract
from lambent.contracts.model import Limits, ModelContract, RawOutputs, TensorSpec, TextPreprocessing
from lambent.domain.model import ModelRef
from lambent.domain.preprocessing import Preprocessor, make_preprocessor, prepare_all
from lambent.errors import (
    MediaTypeUnsupported,
    ModelContractMismatch,
    PayloadTooLarge,
    TensorShapeMismatch,
    TextInvalid,
)
from lambent.services.load_model import ServedModel
from lambent.services.predict import Timings, run_tensors
from lambent_toolkit.fakes import FakeInterpreter

WORDS = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4, "day": 5, "sun": 6, "##ny": 7, "g": 8, "day,": 9}
MERGES = [("d", "a"), ("da", "y")]


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(WORDS, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def byte_pairs() -> Tokenizer:
    letters = {letter: index for index, letter in enumerate(["<unk>", "d", "a", "y", "da", "day"])}
    return Tokenizer(models.BPE(letters, MERGES, unk_token="<unk>"))


def unigram() -> Tokenizer:
    return Tokenizer(models.Unigram([("<unk>", 0.0), ("day", -1.0), ("d", -2.0), ("sun", -1.5)], unk_id=0))


def asset(tokenizer: Tokenizer) -> bytes:
    return tokenizer.to_str().encode()


def declare(tokenizer: bytes, *, inputs: tuple[TensorSpec, ...] | None = None, **spec: object) -> ModelContract:
    fields = {"tokenizer_sha256": sha256(tokenizer).hexdigest(), "max_tokens": 6, "ids_input": "ids", **spec}
    tokens = -1 if fields.get("pad_to") == "longest" else fields["max_tokens"]
    names = [fields.get(key) for key in ("ids_input", "mask_input", "types_input")]
    specs = tuple(TensorSpec(name=name, datatype="INT32", shape=(-1, tokens)) for name in names if name)
    return contract(
        inputs=inputs or specs,
        preprocessing=TextPreprocessing(**fields),
        postprocessing=RawOutputs(),
        limits=Limits(max_input_bytes=1000),
    )


def make(tokenizer: Tokenizer, **spec: object) -> Preprocessor:
    file = asset(tokenizer)
    return make_preprocessor(declare(file, **spec), {"tokenizer.json": file})


@pytest.mark.parametrize(
    ("tokenizer", "ids"),
    [
        (word_level(), [4, 5]),
        (word_piece(), [2, 4, 5, 3]),
        (byte_pairs(), [0, 0, 0, 1, 0, 5]),
        (unigram(), [0, 2, 0, 1]),
    ],
    ids=["WordLevel", "WordPiece", "BPE", "Unigram"],
)
def test_every_tokenizer_gives_the_ids_that_the_library_gives(tokenizer: Tokenizer, ids: list[int]) -> None:
    arrays = make(tokenizer).prepare("good day")

    assert arrays["ids"].tolist() == tokenizer.encode("good day").ids
    assert arrays["ids"].dtype == np.int32
    assert len(arrays["ids"]) == len(tokenizer.encode("good day").ids) <= 6
    assert arrays["ids"].tolist()[-1] == ids[-1]


def test_a_batch_is_padded_to_the_contracts_length_with_mask_and_types() -> None:
    preprocessor = make(word_piece(), mask_input="mask", types_input="types", pad_id=9)

    batch = preprocessor.collate([preprocessor.prepare("good day"), preprocessor.prepare("Sunny")])

    assert batch["ids"].tolist() == [[2, 4, 5, 3, 9, 9], [2, 6, 7, 3, 9, 9]]
    assert batch["mask"].tolist() == [[1, 1, 1, 1, 0, 0]] * 2
    assert batch["types"].tolist() == [[0] * 6] * 2


def test_a_batch_is_padded_to_its_longest_row_where_the_contract_says_so() -> None:
    preprocessor = make(word_level(), mask_input="mask", pad_to="longest")

    batch = preprocessor.collate([preprocessor.prepare("good day sun"), preprocessor.prepare("sun")])

    assert batch["ids"].tolist() == [[4, 5, 6], [6, 0, 0]]
    assert batch["mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_datatypes_are_the_contracts() -> None:
    file = asset(word_level())
    specs = (
        TensorSpec(name="mask", datatype="UINT8", shape=(-1, 6)),
        TensorSpec(name="ids", datatype="INT64", shape=(-1, 6)),
    )
    preprocessor = make_preprocessor(declare(file, inputs=specs, mask_input="mask"), {"tokenizer.json": file})

    batch = preprocessor.collate([preprocessor.prepare("sun")])

    assert {name: str(array.dtype) for name, array in batch.items()} == {"mask": "uint8", "ids": "int64"}


def test_a_text_of_too_many_tokens_is_refused_with_limit_and_count() -> None:
    with pytest.raises(TextInvalid) as refusal:
        make(word_level(), max_tokens=2).prepare("good day sun")

    assert (refusal.value.field, refusal.value.limit, refusal.value.got) == ("text", 2, 3)


def test_a_text_of_too_many_tokens_is_cut_off_where_the_contract_says_so_and_keeps_its_special_tokens() -> None:
    arrays = make(word_piece(), max_tokens=4, too_long="truncate").prepare("good day sunny day")

    assert arrays["ids"].tolist() == [2, 4, 5, 3]


def test_padding_and_truncation_of_the_file_itself_do_not_interfere() -> None:
    tokenizer = word_level()
    tokenizer.enable_padding(length=50, pad_id=7)
    tokenizer.enable_truncation(1)

    arrays = make(tokenizer).prepare("good day")

    assert arrays["ids"].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        ("good\x00day", "U\\+0000 at character 4"),
        ("good\x1bday", "U\\+001B"),
        ("good \ud800", "U\\+D800"),
        (b"good \xff", "byte 5"),
        ("x" * 31, "31 characters"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    with pytest.raises(TextInvalid, match=reason) as refusal:
        make(word_level(), max_characters=30).prepare(text)

    assert refusal.value.field == "text"


def test_a_text_without_a_single_known_token_is_refused() -> None:
    tokenizer = Tokenizer(models.WordLevel({"good": 0}, unk_token="none"))
    tokenizer.normalizer = normalizers.Replace("x", "")

    with pytest.raises(TextInvalid):
        make(tokenizer).prepare("xxx")


def test_tabs_and_line_ends_are_text_and_a_byte_order_mark_is_none() -> None:
    assert make(word_level()).prepare(b"\xef\xbb\xbfgood\tday\r\n")["ids"].tolist() == [4, 5]


def test_too_many_bytes_and_other_items_are_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        make(word_level()).prepare(b"x" * 1001)
    with pytest.raises(MediaTypeUnsupported):
        make(word_level()).prepare({"text": "good"})


def test_a_bad_text_among_several_is_named_by_its_place() -> None:
    with pytest.raises(TextInvalid) as refusal:
        prepare_all(make(word_level()), ["good", ""], field="texts")

    assert refusal.value.field == "texts[1]"


@given(st.text())
def test_any_text_becomes_tokens_or_is_refused(text: str) -> None:
    preprocessor = make(word_piece(), too_long="truncate", mask_input="mask")

    try:
        arrays = preprocessor.prepare(text)
    except TextInvalid:
        return

    assert 1 <= len(arrays["ids"]) <= 6
    assert arrays["mask"].all()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_refused(body: bytes) -> None:
    try:
        arrays = make(word_level(), too_long="truncate").prepare(body)
    except TextInvalid:
        return

    assert len(arrays["ids"]) >= 1


def test_a_tokenizer_that_is_not_the_contracts_is_refused() -> None:
    declared = declare(asset(word_level()))

    with pytest.raises(ModelContractMismatch, match="not the one"):
        make_preprocessor(declared, {"tokenizer.json": asset(word_piece())})
    with pytest.raises(ModelContractMismatch, match=r"no tokenizer\.json"):
        make_preprocessor(declared, {})


@pytest.mark.parametrize("file", [b"{}", b"not json", json.dumps({"model": 3}).encode()])
def test_a_file_that_is_no_tokenizer_is_refused(file: bytes) -> None:
    with pytest.raises(ModelContractMismatch, match="no file of the tokenizers library"):
        make_preprocessor(declare(file), {"tokenizer.json": file})


def test_a_length_that_leaves_no_room_for_the_special_tokens_is_refused() -> None:
    with pytest.raises(ModelContractMismatch):
        make(word_piece(), max_tokens=1, too_long="truncate")


def test_ids_that_the_input_cannot_hold_are_refused() -> None:
    file = asset(word_level())
    specs = (TensorSpec(name="ids", datatype="INT8", shape=(-1, 6)),)

    with pytest.raises(ModelContractMismatch, match="300"):
        make_preprocessor(declare(file, inputs=specs, pad_id=300), {"tokenizer.json": file})


def test_token_tensors_of_free_length_keep_the_limit_of_texts() -> None:
    tokenizer = word_level()
    declared = declare(asset(tokenizer), pad_to="longest", max_tokens=6)
    ran: list[int] = []
    interpreter = FakeInterpreter(lambda inputs: ran.append(inputs["ids"].shape[1]) or {})
    model = ServedModel(ModelRef("m", 1), declared, interpreter, make(tokenizer, pad_to="longest", max_tokens=6), 1)

    run_tensors(model, {"ids": np.ones((1, 6), np.int32)}, Timings())
    with pytest.raises(TensorShapeMismatch) as refusal:
        run_tensors(model, {"ids": np.ones((1, 7), np.int32)}, Timings())

    assert (refusal.value.limit, refusal.value.got) == (6, 7)
    assert ran == [6]
