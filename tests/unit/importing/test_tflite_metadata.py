"""What a .tflite file's maker packed into it becomes the draft's: labels, and the scale of pixels."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from ai_edge_litert.schema_py_generated import Model

from lambent.contracts.model import Classification, ImagePreprocessing, RawOutputs, TensorPreprocessing, TensorSpec
from lambent_toolkit.modelkit.errors import DraftUndecided
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.signature import Quantized, Signature
from lambent_toolkit.modelkit.importing.tflite_metadata import TensorNotes, labels_of, read_notes
from tflite_files import with_metadata, with_packed

SHADE = (Path(__file__).parents[2] / "fixtures" / "shade.float32.tflite").read_bytes()
LABELS = b"dark\nbright\n"
PICTURE = TensorSpec(name="image", datatype="FP32", shape=(-1, 2, 2, 3))
SCORES = TensorSpec(name="scores", datatype="FP32", shape=(-1, 2))


def numbers(body: bytes) -> tuple[int, int]:
    """Return the graph's numbers of input and output."""
    graph = Model.GetRootAs(body, 0).Subgraphs(0)
    return int(graph.Inputs(0)), int(graph.Outputs(0))


def signature(**more: object) -> Signature:
    return Signature((PICTURE,), (SCORES,), **more)


def test_labels_and_normalization_are_read_where_the_schema_has_them() -> None:
    described = with_metadata(SHADE, mean=[127.5], std=[128.0], label_files=[("labels.txt", "")])
    source, target = numbers(described)

    notes = read_notes(with_packed(described, labels=LABELS))

    assert not notes.is_damaged
    assert notes.tensors[source] == TensorNotes(mean=(127.5,), std=(128.0,))
    assert notes.tensors[target] == TensorNotes(labels=("dark", "bright"))
    assert notes.labels == ()


def test_labels_without_a_locale_count_before_translations() -> None:
    described = with_metadata(SHADE, label_files=[("labels_de.txt", "de"), ("labels.txt", "")])

    notes = read_notes(with_packed(described, labels_de=b"dunkel\nhell\n", labels=LABELS))

    assert notes.tensors[numbers(described)[1]].labels == ("dark", "bright")


def test_one_file_of_labels_that_belongs_to_no_tensor_is_told_apart() -> None:
    assert read_notes(with_packed(SHADE, labels=LABELS, readme=b"hello")).labels == ("dark", "bright")
    assert read_notes(with_packed(SHADE, labels=LABELS, labels_de=b"a\nb")).labels == ()
    assert read_notes(SHADE) == read_notes(with_packed(SHADE))


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        (b"a\r\nb\r\n\r\n", ("a", "b")),
        (b"crane\nowl\ncrane", ("crane 0", "owl", "crane 2")),
        (b"a\n\nb", ("a", "class 1", "b")),
        (b"", ()),
    ],
)
def test_labels_are_lines_and_each_stands_once(body: bytes, labels: tuple[str, ...]) -> None:
    assert labels_of(body) == labels


def test_damaged_metadata_is_told_and_stops_nothing() -> None:
    whole = with_packed(with_metadata(SHADE, mean=[1.0], std=[2.0], label_files=[("labels.txt", "")]), labels=LABELS)
    seed = 20
    random = Random(seed)

    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(8):
            damaged[random.randrange(len(whole))] = random.randrange(256)
        notes = read_notes(bytes(damaged))

        assert not (notes.is_damaged and notes.tensors), seed


def test_a_draft_takes_what_the_file_says_and_says_so() -> None:
    told = {"image": TensorNotes(mean=(127.5,), std=(127.5,)), "scores": TensorNotes(labels=("dark", "bright"))}

    draft = draft_contract("m", signature(notes=told))

    assert draft.contract.postprocessing == Classification(labels=("dark", "bright"))
    assert isinstance(draft.contract.preprocessing, ImagePreprocessing)
    assert (draft.contract.preprocessing.scale, draft.contract.preprocessing.offset) == (1 / 127.5, -1.0)
    assert any("mean 127.5, std 127.5" in sentence for sentence in draft.to_check)
    assert any("2 labels are those that are packed with the file" in sentence for sentence in draft.to_check)


def test_labels_that_are_given_count_before_those_of_the_file() -> None:
    draft = draft_contract("m", signature(packed_labels=("dark", "bright")), labels=("x", "y"))

    assert draft.contract.postprocessing == Classification(labels=("x", "y"))
    assert draft_contract("m", signature(packed_labels=("a", "b"))).contract.postprocessing == Classification(
        labels=("a", "b")
    )


def test_labels_that_do_not_fit_are_not_used_and_told() -> None:
    draft = draft_contract("m", signature(packed_labels=("a", "b", "c")))

    assert draft.contract.postprocessing == RawOutputs()
    assert any("3 labels, but scores has 2 numbers a row" in sentence for sentence in draft.to_check)


def test_what_a_file_quantizes_its_pixels_by_counts_before_its_metadata() -> None:
    told = {"image": TensorNotes(mean=(0.0,), std=(1.0,))}

    draft = draft_contract("m", signature(notes=told, quantized={"image": Quantized("UINT8", 1 / 255, 0)}))

    assert isinstance(draft.contract.preprocessing, ImagePreprocessing)
    assert draft.contract.preprocessing.scale == pytest.approx(1 / 255)


def test_a_scale_for_each_channel_is_no_picture_of_a_contract() -> None:
    told = {"image": TensorNotes(mean=(123.7, 116.8, 103.9), std=(58.4, 57.1, 57.4))}

    assert isinstance(draft_contract("m", signature(notes=told)).contract.preprocessing, TensorPreprocessing)
    with pytest.raises(DraftUndecided, match="scales each channel of image for itself"):
        draft_contract("m", signature(notes=told), preprocessing="image")


def test_metadata_that_is_damaged_is_told() -> None:
    draft = draft_contract("m", signature(has_damaged_notes=True))

    assert any("is damaged, and not used" in sentence for sentence in draft.to_check)


def test_the_range_of_an_input_is_its_scale_where_no_normalization_is_told() -> None:
    described = with_metadata(SHADE, low_high=(-1.0, 1.0))
    note = read_notes(described).tensors[numbers(described)[0]]

    draft = draft_contract("m", signature(notes={"image": note}))

    spec = draft.contract.preprocessing
    assert isinstance(spec, ImagePreprocessing)
    assert (spec.scale, spec.offset) == pytest.approx((2 / 255, -1.0))
    assert any("its numbers go from -1 to 1" in each for each in draft.to_check)


def test_a_normalization_counts_before_a_range() -> None:
    described = with_metadata(SHADE, mean=[0.0], std=[1.0], low_high=(0.0, 255.0))
    note = read_notes(described).tensors[numbers(described)[0]]

    spec = draft_contract("m", signature(notes={"image": note})).contract.preprocessing

    assert isinstance(spec, ImagePreprocessing)
    assert (spec.scale, spec.offset) == (1.0, 0.0)


def test_what_else_would_change_answers_is_told_not_to_be_followed() -> None:
    described = with_metadata(SHADE, threshold=0.25, other_units=[2], other_files=[4, 5])
    note = read_notes(described).tensors[numbers(described)[1]]

    told = draft_contract("m", signature(notes={"scores": note})).to_check

    assert note.unused == (
        "scores below 0.25 left out",
        "a calibration of the scores of its own",
        "a file of score calibration",
        "a vocabulary",
    )
    assert any("scores below 0.25 left out" in each and "answers are the model's own" in each for each in told)
