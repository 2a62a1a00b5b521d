"""Which of AWS's errors another try can better: what is said of a wrong name or a missing right is no invitation."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import translate
from lambent.errors import LambentError, Misconfigured, Unavailable

# Of S3, DynamoDB, AWS Batch, SQS (by its JSON and its query protocol) and SNS.
NEVER = [
    "AccessDenied",
    "AccessDeniedException",
    "NoSuchBucket",
    "ResourceNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "AuthorizationError",
]
PERHAPS = [
    "InternalError",
    "InternalServerError",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
    "ExpiredToken",
]


def translated(code: str) -> LambentError:
    with pytest.raises(LambentError) as caught, translate("store"):
        raise ClientError({"Error": {"Code": code}}, "Operation")
    return caught.value


@pytest.mark.parametrize("code", NEVER)
def test_a_wrong_name_or_a_missing_right_is_not_to_be_tried_again(code: str) -> None:
    error = translated(code)

    assert (type(error), error.is_retryable) == (Misconfigured, False)


@pytest.mark.parametrize("code", PERHAPS)
def test_a_service_that_fails_for_a_while_is_to_be_tried_again(code: str) -> None:
    error = translated(code)

    assert (type(error), error.is_retryable) == (Unavailable, True)
