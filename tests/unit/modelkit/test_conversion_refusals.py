"""What the converter refuses is told by operator and layer, with one thing to do, and in no words of its compiler."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from builders import contract
from lambent_toolkit.modelkit.conversion_refusals import refused
from lambent_toolkit.modelkit.quantization import conversion_failure

UNRANGED = "Max and min for dynamic tensors should be recorded during calibration: Failed for tensor"
FOREIGN_WORDS = ("serving_default", "loc(", "<unknown>", "tf.", "tensor<", "/tmp", "PartitionedCall")
MLIR = (
    '<unknown>:0: error: loc(callsite(fused["Exp:", "functional_1/head_1/Exp@__inference_serve_7"] at "x")): '
    "'tf.Exp' op is neither a custom op nor a flex op"
)


class ConverterError(Exception):
    """As tf.lite raises it: words, and what was found as data."""

    def __init__(self, text: str, *errors: SimpleNamespace) -> None:
        super().__init__(text)
        self.errors = errors


def error(operator: str, place: str, code: int = 0) -> SimpleNamespace:
    call = [SimpleNamespace(name=f"{place}@__inference_serve_1")]
    return SimpleNamespace(
        operator=SimpleNamespace(name=operator), location=SimpleNamespace(call=call), error_code=code
    )


def model(name: str, *layers: str) -> SimpleNamespace:
    found = [SimpleNamespace(name=each) for each in (name, *layers)]
    return SimpleNamespace(name=name, _flatten_layers=lambda: found)


@pytest.mark.parametrize(
    ("place", "layers", "told"),
    [
        ("net_1/pool_1/MaxPool3D", ["pool"], "MaxPool3D of layer pool"),
        ("net/dense_1/MaxPool3D", ["dense", "dense_1"], "MaxPool3D of layer dense_1"),
        ("net_1/dense_1_1/MaxPool3D", ["dense", "dense_1"], "MaxPool3D of layer dense_1"),
        ("net_1/dense_1/MaxPool3D", ["dense", "dense_1"], "MaxPool3D of layer dense"),
        ("net_1/inner_1/odd_1/MaxPool3D", ["inner", "odd"], "MaxPool3D of layer odd"),
        ("net_1/MaxPool3D", ["pool"], "MaxPool3D, an operation outside of layers"),
    ],
)
def test_an_operator_is_told_with_its_layer_however_tensorflow_numbers_scopes(
    place: str, layers: list[str], told: str
) -> None:
    found = refused(ConverterError(MLIR, error("tf.MaxPool3D", place, code=1)), model("net", *layers))

    assert found.said == f"TensorFlow Lite has no kernel for {told}"


@pytest.mark.parametrize(
    ("operator", "advice"),
    [
        ("tf.TensorListReserve", "unroll=True"),
        ("tf.HashTableV2", "contract's preprocessing"),
        ("tf.StringLower", "contract's preprocessing"),
        ("tf.StridedSlice", "fixed length"),
        ("tf.Asinh", "without it"),
    ],
)
def test_each_kind_of_refusal_has_one_thing_to_do(operator: str, advice: str) -> None:
    raised = ConverterError(MLIR, error(operator, "net/one/X"))

    told = str(conversion_failure(raised, contract(), "float32", model=model("net", "one")))

    assert advice in told
    assert "--variant" not in told


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            ConverterError(f"Could not translate.\n{MLIR}\nCustom ops: Asinh, Exp\nDetails: x"),
            "no kernel for Asinh; Exp",
        ),
        (RuntimeError(MLIR), "cannot take Exp of layer functional_1/head_1"),
        (RuntimeError("Quantization to 16x8-bit not yet supported for op: 'EXP'."), "cannot take EXP"),
        (
            RuntimeError("tensorflow/lite/kernels/conv.cc:343 a != b Node number 3 (CONV_2D) failed to prepare."),
            "CONV_2D",
        ),
        (
            RuntimeError(f"{UNRANGED} serving_default_image:0\nEmpty min/max for tensor serving_default_image:0"),
            "no range for input image, which holds whole numbers",
        ),
        (ValueError(f"{UNRANGED} predict_my_image:0"), "no range for input image,"),
        (RuntimeError(f"{UNRANGED} net_1/inner_1/add;net_1/Relu"), "no range for tensor add."),
        (ValueError(""), "no reason"),
        (ValueError("/tmp/tmpabc/saved_model.pb is odd"), "is odd"),
    ],
)
def test_what_is_only_said_is_told_without_the_compilers_words(raised: Exception, told: str) -> None:
    failed = conversion_failure(raised, contract(), "int16x8")

    assert told in str(failed)
    assert "choose another --variant" in str(failed)
    assert not [word for word in FOREIGN_WORDS if word in str(failed)]
