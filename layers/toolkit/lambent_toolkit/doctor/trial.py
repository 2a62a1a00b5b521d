"""One item of a version with the answer that it got where the version was made: its golden vectors, as requests."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import Any

import numpy as np

from lambent.contracts.model import (
    ImagePreprocessing,
    ModelContract,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.contracts.tensor_binary import array_to_bytes
from lambent.domain.model import ModelRef
from lambent.domain.postprocessing import postprocess
from lambent.domain.preprocessing.image_kinds import image_kind
from lambent.services.golden import GoldenVectors

HEADER_LENGTH = "Inference-Header-Content-Length"
_ROUNDED = 1e-5  # answers for people carry six decimals
_PNG = "image/png"
_KINDS = {"PNG": _PNG, "JPEG": "image/jpeg", "WebP": "image/webp"}
_ENDINGS = {_PNG: "png", "image/jpeg": "jpg", "image/webp": "webp", "text/plain": "txt"}
_CSV, _JSON = "text/csv", "application/json"


@dataclass(frozen=True)
class Trial:
    """A version's first golden item; all golden rows in one call where rows cannot be told apart."""

    ref: ModelRef
    contract: ModelContract
    golden: GoldenVectors

    @property
    def is_answered(self) -> bool:
        """Whether people may send items, and get labels, a number or outputs by name."""
        return not isinstance(self.contract.preprocessing, TensorPreprocessing)

    @property
    def item(self) -> bytes:
        """The raw item."""
        return self.golden.raw[0]

    @property
    def media_type(self) -> str:
        """The raw item's type, as the HTTP and the upload door take it."""
        if isinstance(self.contract.preprocessing, ImagePreprocessing):
            return _KINDS.get(image_kind(self.item), _PNG)
        return "text/plain" if isinstance(self.contract.preprocessing, TextPreprocessing) else _JSON

    @property
    def upload_name(self) -> str:
        """The end of a file's name that holds the item."""
        return f"item.{_ENDINGS.get(self.media_type, 'json')}"

    def media_body(self) -> tuple[bytes, str]:
        """Return body and type for POST /models/{model}/predict."""
        if not isinstance(self.contract.preprocessing, TabularPreprocessing):
            return self.item, self.media_type
        row = json.loads(self.item)
        table = StringIO(newline="")
        writer = csv.DictWriter(table, list(row))
        writer.writeheader()
        writer.writerow(row)
        return table.getvalue().encode(), _CSV

    def batch_item(self, item_id: str) -> dict[str, Any]:
        """Return the item inside a batch request."""
        if isinstance(self.contract.preprocessing, TextPreprocessing):
            return {"id": item_id, "text": self.item.decode()}
        if isinstance(self.contract.preprocessing, TabularPreprocessing):
            return {"id": item_id, "row": json.loads(self.item)}
        return {"id": item_id, "image": {"b64": b64encode(self.item).decode()}}

    @cached_property
    def _call(self) -> GoldenVectors:
        specs = (*self.contract.inputs, *self.contract.outputs)
        is_padded = getattr(self.contract.preprocessing, "pad_to", "") == "longest"
        return self.golden if is_padded or any(spec.shape[0] != -1 for spec in specs) else self.golden.part(0, 1)

    def oip_json(self) -> dict[str, Any]:
        """Return an Open Inference Protocol request whose tensors are JSON."""
        return {"inputs": [self._tensor(spec) | {"data": self._array(spec).tolist()} for spec in self.contract.inputs]}

    def oip_binary(self) -> tuple[bytes, int]:
        """Return a request whose tensors are bytes and that asks for bytes, and the length of its JSON."""
        parts = [array_to_bytes(self._array(spec)) for spec in self.contract.inputs]
        inputs = [
            self._tensor(spec) | {"parameters": {"binary_data_size": len(part)}}
            for spec, part in zip(self.contract.inputs, parts, strict=True)
        ]
        header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        return b"".join([header, *parts]), len(header)

    def _array(self, spec: TensorSpec) -> Array:
        return self._call.tensors[spec.name].ravel()

    def _tensor(self, spec: TensorSpec) -> dict[str, Any]:
        return {"name": spec.name, "shape": [*self._call.tensors[spec.name].shape], "datatype": spec.datatype}

    def why_wrong_prediction(self, got: Mapping[str, Any]) -> str:
        """Return how an answer for people differs from the recorded one; empty if it does not."""
        spec = self.contract.postprocessing
        outputs = {name: array[:1] for name, array in self.golden.outputs.items()}
        tolerance = self.contract.golden_tolerance + _ROUNDED
        if isinstance(spec, Regression):
            (number,) = postprocess(outputs, self.contract, top_k=1)
            wanted, tolerance = number.value, tolerance * max(1.0, abs(spec.scale))  # type: ignore[union-attr]
            return "" if abs(got["value"] - wanted) <= tolerance else f"it answers {got['value']}, recorded is {wanted}"
        if isinstance(spec, RawOutputs):
            told = {each["name"]: np.array(each["data"]) for each in got["outputs"]}
            return self._why_wrong(told, outputs)
        (best,) = postprocess(outputs, self.contract, top_k=len(spec.labels))
        scores = {each.label: each.score for each in best.top}  # type: ignore[union-attr]
        highest = max(scores.values(), default=0.0)
        label, score = got["label"], got["score"]
        if label is None and not scores:
            return ""
        wanted_score = scores.get(label, -1.0)
        # A label whose score is as good as the highest one's may be answered in its place.
        if abs(wanted_score - (score or 0.0)) <= tolerance and wanted_score >= highest - 2 * tolerance:
            return ""
        best_label = next(iter(scores), None)
        return f"it answers {label} with {score}, recorded is {best_label} with {highest}"

    def why_wrong_outputs(self, got: Mapping[str, Array]) -> str:
        """Return how answered tensors differ from the recorded ones; empty if they do not."""
        return self._why_wrong(got, self._call.outputs)

    def _why_wrong(self, got: Mapping[str, Array], recorded: Mapping[str, Array]) -> str:
        for name, wanted in recorded.items():
            found = got.get(name)
            if found is None or found.size != wanted.size:
                return f"output {name} has {0 if found is None else found.size} numbers, recorded are {wanted.size}"
            difference = float(np.max(np.abs(found.ravel().astype(float) - wanted.ravel().astype(float)), initial=0.0))
            if not difference <= self.contract.golden_tolerance + _ROUNDED:
                return f"output {name} differs from the recorded one by up to {difference:.6f}"
        return ""

    def binary_outputs(self, body: bytes, header_length: int) -> dict[str, Array]:
        """Return the tensors of a binary answer; raises ValueError where the bytes are not as many as it says."""
        header = json.loads(body[:header_length])
        found, at = {}, header_length
        for each in header["outputs"]:
            size = each["parameters"]["binary_data_size"]
            if at + size > len(body):
                raise ValueError(f"{each['name']} has {len(body) - at} bytes of {size}")
            dtype = DTYPE_BY_DATATYPE[each["datatype"]].newbyteorder("<")
            found[each["name"]] = np.frombuffer(body[at : at + size], dtype)
            at += size
        return found
