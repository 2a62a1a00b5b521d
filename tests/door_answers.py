"""The same items at every door of a stack, and by how much each answer differs from Keras's."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from door_models import ITEMS, DoorModel, Tensors, expected_scores
from lambent.contracts.lines import decode_lines
from lambent.contracts.model import Classification, Regression
from lambent.contracts.tensor import DATATYPE_BY_DTYPE, DTYPE_BY_DATATYPE
from lambent.domain.model import LIVE
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import StackInfo
from patience import PATIENCE_S, wait_for

TENSOR_DOORS = ("/v1 tensors", "/v1 rows", "/v2 JSON", "/v2 binary")
ITEM_DOORS = ("/v1 items", "media", "upload", "batch, CPU")
DOORS = (*TENSOR_DOORS, *ITEM_DOORS)
_TENANT = "differences"
_LENGTH = "Inference-Header-Content-Length"
_PLURAL = {"image": "images", "row": "rows", "text": "texts"}
_SUFFIX = {"image": ".png", "row": ".json", "text": ".txt"}
_ALL_LABELS = {"top_k": 5}
_ENDED = ("SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED")


class Doors:
    """All doors of a running stack, for one model that is published to it.

    What takes long is begun at once and waited for when it is asked for.
    """

    def __init__(self, stack: StackInfo, http: httpx.Client, model: DoorModel) -> None:
        self._http, self._model, self._name = http, model, model.contract.name
        self._s3, self._bucket = stack.client("s3"), stack.buckets["data"]
        publisher = Publisher(stack)
        ref = publisher.publish_files(model.files, model.contract).ref
        publisher.set_label(ref.name, LIVE, ref.version)
        if model.kind is not None:
            self._begin(model.kind)

    def differences(self) -> dict[str, float]:
        """Return the largest difference from Keras by door; doors that do not take such a model are left out."""
        model = self._model
        found = {door: _largest(ask(), model.keras) for door, ask in self._tensor_doors()}
        if model.kind is not None:
            found["/v1 items"] = _largest(
                self._tfs({"instances": self._as_json(model.items)}, of_rows=True), model.keras
            )
            found |= {door: self._answered(list(ask())) for door, ask in self._people_doors()}
        return found

    def _tensor_doors(self) -> Iterator[tuple[str, Callable[[], Tensors]]]:
        tensors = self._model.tensors
        columns = {name: array.tolist() for name, array in tensors.items()}
        rows = [{name: array[row].tolist() for name, array in tensors.items()} for row in range(ITEMS)]
        # A row of a table's columns is an item: its tensor has no name there.
        named = self._model.kind != "row"
        plain = next(iter(tensors.values())).tolist()
        yield "/v1 tensors", lambda: self._tfs({"inputs": columns if named else plain}, of_rows=False)
        yield "/v1 rows", lambda: self._tfs({"instances": rows if named else plain}, of_rows=True)
        yield "/v2 JSON", self._oip
        yield "/v2 binary", self._oip_binary

    def _people_doors(self) -> Iterator[tuple[str, Callable[[], Sequence[Any]]]]:
        yield "media", self._media
        yield "upload", self._uploaded
        yield "batch, CPU", self._batch

    def _tfs(self, body: Mapping[str, Any], *, of_rows: bool) -> Tensors:
        answer = self._post(f"/v1/models/{self._name}:predict", json=body)["predictions" if of_rows else "outputs"]
        names = [spec.name for spec in self._model.contract.outputs]
        if len(names) == 1:
            return {names[0]: np.array(answer)}
        return {name: np.array([row[name] for row in answer] if of_rows else answer[name]) for name in names}

    def _oip(self) -> Tensors:
        inputs = [{**_described(name, array), "data": array.ravel().tolist()} for name, array in self._given()]
        answer = self._post(f"/v2/models/{self._name}/infer", json={"inputs": inputs})
        return {each["name"]: np.reshape(each["data"], each["shape"]) for each in answer["outputs"]}

    def _oip_binary(self) -> Tensors:
        inputs = [
            {**_described(name, array), "parameters": {"binary_data_size": array.nbytes}}
            for name, array in self._given()
        ]
        header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        body = header + b"".join(array.tobytes() for _, array in self._given())
        answer = self._http.post(
            f"/v2/models/{self._name}/infer", content=body, headers={_LENGTH: str(len(header))}
        ).raise_for_status()
        at = int(answer.headers[_LENGTH])
        found = {}
        for each in json.loads(answer.content[:at])["outputs"]:
            size = each["parameters"]["binary_data_size"]
            numbers = np.frombuffer(answer.content[at : at + size], DTYPE_BY_DATATYPE[each["datatype"]])
            found[each["name"]] = numbers.reshape(each["shape"])
            at += size
        return found

    def _given(self) -> list[tuple[str, Any]]:
        return [(name, np.ascontiguousarray(array)) for name, array in self._model.tensors.items()]

    def _media(self) -> list[Any]:
        kind = str(self._model.kind)
        body = {_PLURAL[kind]: self._as_json(self._model.items)}
        answer: list[Any] = self._post(f"/models/{self._name}/predict", json=body, params=_ALL_LABELS)["predictions"]
        return answer

    def _begin(self, kind: str) -> None:
        items = [{"id": f"i{place}", kind: item} for place, item in enumerate(self._as_json(self._model.items))]
        job = {"schema_version": 1, "id": self._name, "model": self._name, "lane": "cpu", "input": {"items": items}}
        self._post("/jobs", json=job)
        for place, item in enumerate(self._model.items):
            body = item if isinstance(item, bytes) else (item if isinstance(item, str) else json.dumps(item)).encode()
            self._s3.put_object(Bucket=self._bucket, Key=f"inbox/{self._place(place)}", Body=body)

    def _uploaded(self) -> Iterator[Any]:
        for place in range(ITEMS):
            key = f"results/{self._place(place)}.json"
            wait_for(lambda key=key: self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key)["KeyCount"], what=key)
            yield json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _batch(self) -> list[Any]:
        path = f"/jobs/{self._name}"
        wait_for(lambda: self._http.get(path).json()["state"] in _ENDED, what=f"the end of {path}")
        parts = self._http.get(f"{path}/results", headers={"Accept": "application/json"}).json()["parts"]
        return [line for part in parts for line in decode_lines(httpx.get(part["url"], timeout=PATIENCE_S).content)]

    def _place(self, place: int) -> str:
        return f"{_TENANT}/{self._name}/{place}{_SUFFIX[str(self._model.kind)]}"

    def _as_json(self, items: Sequence[Any]) -> list[Any]:
        return [{"b64": b64encode(item).decode()} if isinstance(item, bytes) else item for item in items]

    def _post(self, path: str, **request: Any) -> Any:
        answer = self._http.post(path, **request)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json()

    def _answered(self, answers: Sequence[Any]) -> float:
        """Return the largest difference of answers for people from what Keras's outputs make."""
        model, spec = self._model, self._model.contract.postprocessing
        assert len(answers) == ITEMS, answers
        if isinstance(spec, Classification):
            found = [{each["label"]: each["score"] for each in answer["top"]} for answer in answers]
            assert all(scores.keys() == set(spec.labels) for scores in found), found
            return float(
                np.abs([[row[label] for label in spec.labels] for row in found] - expected_scores(model)).max()
            )
        if isinstance(spec, Regression):
            values = model.keras[model.contract.outputs[0].name][:, 0].astype(np.float64) * spec.scale + spec.offset
            return float(np.abs([answer["value"] for answer in answers] - values).max())
        named = [{each["name"]: np.reshape(each["data"], each["shape"]) for each in one["outputs"]} for one in answers]
        return _largest({name: np.stack([each[name] for each in named]) for name in model.keras}, model.keras)


def _described(name: str, array: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "datatype": DATATYPE_BY_DTYPE[array.dtype]}


def _largest(outputs: Tensors, keras: Tensors) -> float:
    assert outputs.keys() == keras.keys(), (outputs.keys(), keras.keys())
    assert all(outputs[name].shape == array.shape for name, array in keras.items()), outputs
    return max(float(np.abs(outputs[name].astype(np.float64) - array).max()) for name, array in keras.items())
