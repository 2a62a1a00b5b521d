"""What gets fuzzed: every decoder of a client's bytes, called as its door calls it; and a seed for each."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import fault_models
from bad_binary import binary
from bad_input import encoded
from bad_media import BOUNDARY, CSV, form, part
from bad_oip import GOOD
from bad_pictures import photo
from bad_tfs import GOOD as GOOD_TFS
from chance import SEED

from builders import picture
from lambent.contracts import oip, oip_raw, tfs, tfs_json
from lambent.contracts.batch_request import BatchInput, BatchSubmission
from lambent.contracts.content_coding import decode_content
from lambent.contracts.decoding import decode_json
from lambent.contracts.media_requests import read_json_items
from lambent.contracts.model import ModelContract
from lambent.contracts.multipart import read_files
from lambent.contracts.tables import read_rows
from lambent.contracts.tensor_binary import byte_strings
from lambent.contracts.uploads import UploadRequest
from lambent.domain.preprocessing import make_preprocessor
from lambent.services.fetch_item import fetch_item
from lambent.services.read_items import read_items
from lambent_toolkit.fakes import FakeIsolation, FakeObjectStore

Decode = Callable[[bytes], object]
_PAIR, _SHADE, _WORDS, _ROWS = fault_models.pair(), fault_models.shade(), fault_models.words(), fault_models.rows()
_IMAGES = make_preprocessor(_SHADE, {})
_TEXTS = make_preprocessor(_WORDS, {"tokenizer.json": fault_models.read("tokenizer.json")})
_TABLES = make_preprocessor(_ROWS, {})


def _json(data: bytes) -> object:
    return decode_json(data, object, what="request body")


def _requests(data: bytes) -> None:
    for type_ in (BatchSubmission, UploadRequest):
        decode_json(data, type_, what="request body")


def _oip_json(data: bytes) -> object:
    return oip.read_inputs(oip.decode_infer(data), _PAIR)


def _oip_binary(data: bytes) -> object:
    """Read a body whose first two bytes say how much of the rest is JSON."""
    call = oip.decode_infer(data[2:], str(int.from_bytes(data[:2], "little")))
    return oip_raw.read_raw_items(call, _SHADE) or oip.read_inputs(call, _PAIR)


def _byte_strings(data: bytes) -> object:
    return byte_strings(memoryview(data[1:]), count=data[0] if data else 0, field="inputs[0]")


def _tfs(data: bytes) -> object:
    return tfs.read_predict(tfs_json.decode_body(data), _PAIR)


def _tfs_items(data: bytes) -> object:
    return tfs.read_predict(tfs_json.decode_body(data), _SHADE)


def _coding(data: bytes) -> object:
    return decode_content(data[1:], "gzip" if data[:1] < b"\x80" else "deflate", max_bytes=100_000)


def _media_json(data: bytes) -> None:
    for contract in (_SHADE, _WORDS, _ROWS):
        read_json_items(data, contract)


def _batch(name: str, contract: ModelContract) -> Decode:
    """Return what reads an input of a batch of this name, and of an archive the members."""
    uri = f"s3://fake-bucket/inputs/acme/{name}"

    def read(data: bytes) -> None:
        store = FakeObjectStore(objects={f"inputs/acme/{name}": data})
        source = BatchInput(uri=uri)
        for item in read_items(store, source, tenant="acme", contract=contract, isolation=FakeIsolation()):
            if item.member is not None:
                fetch_item(store, item, max_bytes=100_000)

    return read


def _zip() -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"x" * 300)
        archive.writestr("deep/b.png", b"y")
    return buffer.getvalue()


def _row(data: bytes) -> object:
    return _TABLES.prepare(data)


TARGETS: dict[str, Decode] = {
    "json": _json,
    "job_and_upload_requests": _requests,
    "oip_json": _oip_json,
    "oip_binary": _oip_binary,
    "byte_strings": _byte_strings,
    "tfs": _tfs,
    "tfs_items": _tfs_items,
    "media_json": _media_json,
    "csv": lambda data: read_rows(data, _ROWS.preprocessing.columns, max_rows=8),
    "multipart": lambda data: read_files(data, f"multipart/form-data; boundary={BOUNDARY}", max_files=8),
    "multipart_type": lambda data: read_files(b"", data.decode("latin-1"), max_files=8),
    "image": _IMAGES.prepare,
    "text": _TEXTS.prepare,
    "row": _row,
    "batch_jsonl": _batch("t.jsonl", _SHADE),
    "batch_csv": _batch("t.csv", _ROWS),
    "batch_zip": _batch("t.zip", _SHADE),
    "content_coding": _coding,
}


def seeds() -> dict[str, list[bytes]]:
    """Return good inputs of each decoder, from which chance begins."""
    from random import Random

    infer = binary(Random(SEED))
    length = int(infer.headers["inference-header-content-length"]).to_bytes(2, "little")
    good: dict[str, list[Any]] = {
        "json": [encoded(GOOD), b'{"a": [1.5e3, null, true, "\\u00e9"]}'],
        "job_and_upload_requests": [
            b'{"schema_version": 1, "id": "a", "model": "m", "input": {"manifest_uri": "s3://b/k"}}'
        ],
        "oip_json": [encoded(GOOD)],
        "oip_binary": [length + infer.body],
        "byte_strings": [b"\x02\x01\x00\x00\x00a\x02\x00\x00\x00bc"],
        "tfs": [encoded(GOOD_TFS), b'{"inputs": {"left": [[1, 2, NaN]], "right": [[4, 5]]}}'],
        "tfs_items": [b'{"instances": [{"b64": "iVBORw0KGgo="}]}', b'{"inputs": {"image": ["AAAA"]}}'],
        "media_json": [b'{"image": {"b64": "AAAA"}}', b'{"texts": ["good"]}', b'{"rows": [{"width": 1}]}'],
        "csv": [CSV],
        "multipart": [form(part(picture()), part(picture())).body],
        "multipart_type": [f'multipart/form-data; boundary="{BOUNDARY}"; charset=utf-8'.encode()],
        "image": [photo("JPEG"), photo("PNG"), photo("WEBP"), picture()],
        "text": [b"good day", "böse \u2003 Nacht".encode()],
        "row": [b'{"width": 4, "height": 2.5, "colour": "red"}'],
        "batch_jsonl": [b'{"id": "a", "uri": "a.png"}\n{"id": "b", "row": {"width": 4}}\n{"id": "c", "text": "x"}'],
        "batch_csv": [b'id,width,colour\r\na,4,"red"\r\nb,,blue\r\n'],
        "batch_zip": [_zip()],
        "content_coding": [b"\x00" + gzip.compress(b"good day" * 9), b"\xff" + b"x\x9cKL\x04\x00\x01\x88\x00\xc4"],
    }
    return good
