"""A tenant's name is checked wherever one comes in, by the same rule."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

import pytest

from lambent.contracts.decoding import decode_json
from lambent.contracts.messages import read_infer_message
from lambent.contracts.notifications import NotifyMessage
from lambent.domain.names import is_name, parse_upload_key
from lambent.errors import EnvelopeInvalid, RequestInvalid, UploadKeyInvalid
from lambent.services.dispatch import DispatchService
from programs import ROOT, load_file

BAD = ["a/b", "../x", "x#y", "", ".", "a" * 65, "Acme", "ä", "a\n", "\na", "a b", "a\0", "-a", "a*", "a?", "a${b}"]
GOOD = ["a", "0", "acme", "a-b_c", "a" * 64]
MESSAGES: list[dict[str, Any]] = [
    {"kind": "shard", "job_id": "j", "shard": 0},
    {"kind": "call", "job_id": "j"},
    {
        "kind": "tensor", "model": "m", "version": 1, "tensor_key": "k", "result_stem": "s", "source_key": "k",
        "source_name": "n", "source_etag": "e",
    },
]  # fmt: skip


@pytest.mark.parametrize("tenant", [*BAD, *GOOD])
def test_messages_take_the_names_that_tenants_may_have(tenant: str) -> None:
    taken, blamed = [], []
    for message in MESSAGES:
        try:
            taken.append(read_infer_message(json.dumps({**message, "tenant": tenant})).tenant)
        except EnvelopeInvalid as error:
            blamed.append(error.field)
    notified = True
    try:
        decode_json(json.dumps({"tenant": tenant, "job_id": "j"}), NotifyMessage, what="notification message")
    except RequestInvalid:
        notified = False

    assert (taken, blamed) == (([tenant] * 3, []) if is_name(tenant) else ([], ["tenant"] * 3))
    assert notified is is_name(tenant) is (tenant in GOOD)


@pytest.mark.parametrize("tenant", [each for each in BAD if each != "a/b"])  # which is model b of tenant a
def test_an_upload_s_key_takes_no_other_name(tenant: str) -> None:
    with pytest.raises(UploadKeyInvalid):
        parse_upload_key(f"inbox/{tenant}/digits/a.png")


@pytest.mark.parametrize("tenant", BAD)
def test_the_queue_s_door_takes_no_other_name(tenant: str) -> None:
    service = object.__new__(DispatchService)  # refused before any of its parts is asked

    with pytest.raises(EnvelopeInvalid):
        service.dispatch(tenant, "{}")


@pytest.mark.parametrize("tenant", ["a/b", "../x", "x#y", "A"])
def test_a_worker_for_no_tenant_that_may_be_ends_for_good(tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = load_file(ROOT / "functions/batch_worker/main.py")
    monkeypatch.setattr(worker, "StopSignal", lambda **_named: None)
    monkeypatch.setattr(worker, "run", lambda *_: pytest.fail("ran"))
    asked = Namespace(tenant=tenant, job_id="j")

    assert worker.work(_Settings(), asked, None, None, lambda _code: None) == worker.EXIT_BROKEN


class _Settings:
    aws_batch_job_array_index = 0
    aws_batch_job_attempt = 1
    keras_backend = "tensorflow"
