"""TensorFlow Serving REST: rows, columns or examples in; predictions, classes or values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lambent.contracts import tfs, tfs_answers
from lambent.contracts.media import ValuePrediction
from lambent.contracts.model import Classification, Regression
from lambent.contracts.tfs_examples import read_examples
from lambent.contracts.tfs_json import TfsBody, decode_body
from lambent.domain.call import Call, CallAnswer, Operation
from lambent.domain.postprocessing import per_label, postprocess
from lambent.domain.preprocessing import prepare_all
from lambent.errors import RequestInvalid
from lambent.services.predict import PredictService, Timings, run_tensors

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array
    from lambent.services.load_model import ServedModel

_JSON = "application/json"


def answer_tfs(call: Call, predict: PredictService, timings: Timings) -> CallAnswer:
    """Answer POST /v1/models/{model}:predict, :classify or :regress.

    No content type is asked for: curl says ``application/x-www-form-urlencoded`` in TensorFlow Serving's own examples.
    """
    with timings.step("decode"):
        body = decode_body(call.body)
    served = predict.model(call.choice, timings)
    return CallAnswer(_ANSWERERS[call.operation](body, served, timings), _JSON, served.ref)


def _predict(body: TfsBody, served: ServedModel, timings: Timings) -> bytes:
    with timings.step("decode"):
        tfs.check_signature(body.signature_name, method="predict")
        sent = tfs.read_predict(body, served.contract)
    outputs = run_tensors(served, _tensors(sent, served, timings), timings)
    with timings.step("encode"):
        is_row = sent.field == tfs.INSTANCES
        return tfs_answers.encode_rows(outputs) if is_row else tfs_answers.encode_columns(outputs)


def _classify(body: TfsBody, served: ServedModel, timings: Timings) -> bytes:
    spec = served.contract.postprocessing
    if not isinstance(spec, Classification):
        raise RequestInvalid("This model has no labels to classify by; use :predict.", field="method")
    outputs = _outputs(body, served, timings, method="classify")
    with timings.step("encode"):
        rows = outputs[spec.output or served.contract.outputs[0].name]
        return tfs_answers.encode_classes(per_label(rows.reshape(len(rows), -1), spec)[0], spec.labels)


def _regress(body: TfsBody, served: ServedModel, timings: Timings) -> bytes:
    if not isinstance(served.contract.postprocessing, Regression):
        raise RequestInvalid("This model is no regression; use :predict.", field="method")
    outputs = _outputs(body, served, timings, method="regress")
    with timings.step("postprocess"):
        predictions = postprocess(outputs, served.contract, top_k=1)
    with timings.step("encode"):
        return tfs_answers.encode_values([each for each in predictions if isinstance(each, ValuePrediction)])


def _outputs(body: TfsBody, served: ServedModel, timings: Timings, *, method: str) -> Mapping[str, Array]:
    with timings.step("decode"):
        tfs.check_signature(body.signature_name, method=method)
        sent = read_examples(body, served.contract)
    return run_tensors(served, _tensors(sent, served, timings), timings)


def _tensors(sent: tfs.TfsInput, served: ServedModel, timings: Timings) -> Mapping[str, Array]:
    if sent.tensors is not None:
        return sent.tensors
    with timings.step("preprocess"):
        return served.preprocessor.collate(prepare_all(served.preprocessor, sent.items or [], field=sent.field))


_ANSWERERS: dict[Operation, Callable[[TfsBody, ServedModel, Timings], bytes]] = {
    Operation.TFS_PREDICT: _predict,
    Operation.TFS_CLASSIFY: _classify,
    Operation.TFS_REGRESS: _regress,
}
