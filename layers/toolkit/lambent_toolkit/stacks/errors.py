"""What may stop a command from finding its stack, each with the exit code that `lambent` ends with.

StackError
├── StackAmbiguous      120   a local and a deployed stack could be meant
├── StackUnknown        121   CloudFormation has no stack of this name in this account and Region
├── StackUnusable       122   the stack is not in a state to be used, or is not one of Lambent
├── CredentialsMissing  123   there are no AWS credentials, or they have expired, or AWS refused them
├── RegionMissing       124   nothing says in which Region the stack is
├── RightMissing        125   these credentials may not do what the command needs
└── AwsUnreachable      126   AWS did not answer, or refused a call for another reason
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class StackError(Exception):
    """The stack that a command means cannot be found or used; the message says what to do about it."""

    exit_code = 1


class StackAmbiguous(StackError):
    """A local and a deployed stack could be meant."""

    exit_code = 120


class StackUnknown(StackError):
    """CloudFormation has no stack of this name in this account and Region."""

    exit_code = 121


class StackUnusable(StackError):
    """The stack is not in a state to be used, or is not one of Lambent."""

    exit_code = 122


class CredentialsMissing(StackError):
    """There are no AWS credentials, or they have expired, or AWS refused them."""

    exit_code = 123


class RegionMissing(StackError):
    """Nothing says in which Region the stack is."""

    exit_code = 124


class RightMissing(StackError):
    """These credentials may not do what the command needs."""

    exit_code = 125


class AwsUnreachable(StackError):
    """AWS did not answer, or refused a call for another reason than rights."""

    exit_code = 126


_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_REFUSED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_SIGN_IN = "sign in (`aws configure`, `aws sso login`), or name a profile: --profile NAME"


@contextmanager
def telling_aws_errors() -> Iterator[None]:
    """Turn what an AWS SDK raises into a StackError, with AWS's own words for the owner of the credentials."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as exc:
        raise told(exc) from exc
    except ValueError as exc:
        if not str(exc).startswith("Invalid endpoint"):  # botocore has no class of its own for this
            raise
        raise AwsUnreachable(f"{exc}: AWS_ENDPOINT_URL must be an address, http:// or https://, or not set.") from exc


def told(exc: Any) -> StackError:
    """Return the StackError for an error of botocore.

    Parameters
    ----------
    exc : botocore.exceptions.BotoCoreError or ClientError, or botocore.parsers.ResponseParserError
    """
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    if isinstance(exc, aws.ClientError):
        return _of_answer(exc.response.get("Error", {}), exc.operation_name)
    if isinstance(exc, aws.NoRegionError):
        return RegionMissing("No AWS Region is known: say --region NAME, or set AWS_REGION or the profile's region.")
    # What says that a token, a key or a profile is missing or stale has no common base in botocore.
    if isinstance(
        exc,
        aws.NoCredentialsError
        | aws.PartialCredentialsError
        | aws.CredentialRetrievalError
        | aws.ProfileNotFound
        | aws.SSOError
        | aws.TokenRetrievalError
        | aws.NoAuthTokenError
        | aws.ConfigNotFound,
    ):
        return CredentialsMissing(f"No usable AWS credentials: {exc}; {_SIGN_IN}.")
    if isinstance(exc, aws.HTTPClientError) and "Invalid header value" in str(exc):
        # Not in its own words: they hold the session token.
        return CredentialsMissing(f"The AWS credentials hold a line break or another stray character: {_SIGN_IN}.")
    if isinstance(exc, ResponseParserError):
        return AwsUnreachable(
            "What answered is not AWS, a proxy or a sign-in page maybe: check the network, the Region."
        )
    return AwsUnreachable(f"AWS did not answer: {exc}; check the network and the Region, and try again.")


def _of_answer(error: dict[str, str], operation: str) -> StackError:
    code, message = error.get("Code", "Unknown"), error.get("Message", "")
    if code in _DENIED:
        return RightMissing(
            f"AWS refused {operation}: {message.rstrip('.')}. The stack's outputs name a policy for each task, see "
            "`lambent status` and the README."
        )
    if code in _REFUSED:
        return CredentialsMissing(f"AWS refused these credentials ({code}): {message} Please {_SIGN_IN}.")
    return AwsUnreachable(f"AWS refused {operation} ({code}): {message}")
