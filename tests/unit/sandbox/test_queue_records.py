"""What a function's answer says about the records of a batch, by the rules of Lambda's documentation."""

import json

import pytest

from lambent_toolkit.sandbox.queue_records import failed_ids, split_by_size

IDS = {"a", "b", "c"}


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}', b'{"other": 1}']
)
def test_nothing_failed(answer: bytes) -> None:
    assert failed_ids(answer, IDS) == set()


def test_named_records_failed() -> None:
    answer = json.dumps({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "c"}]}).encode()

    assert failed_ids(answer, IDS) == {"a", "c"}


@pytest.mark.parametrize(
    "answer",
    [
        b"not json",
        b'"text"',
        b"[]",
        b'{"batchItemFailures": "a"}',
        b'{"batchItemFailures": ["a"]}',
        b'{"batchItemFailures": [{"itemIdentifier": ""}]}',
        b'{"batchItemFailures": [{"itemIdentifier": null}]}',
        b'{"batchItemFailures": [{"wrongName": "a"}]}',
        b'{"batchItemFailures": [{"itemIdentifier": "unknown"}, {"itemIdentifier": "a"}]}',
    ],
)
def test_answer_that_cannot_be_understood_fails_the_whole_batch(answer: bytes) -> None:
    assert failed_ids(answer, IDS) == IDS


def test_batch_is_cut_where_an_event_would_be_too_large() -> None:
    records = [{"body": "x" * 40}, {"body": "x" * 40}, {"body": "x" * 200}, {"body": "y"}]

    batches = list(split_by_size(records, limit=120))

    assert [len(batch) for batch in batches] == [2, 1, 1]
    assert [record for batch in batches for record in batch] == records
