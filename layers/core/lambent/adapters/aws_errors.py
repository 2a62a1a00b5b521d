"""One translation of botocore's errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from lambent.adapters.time_budget import SILENCE, THROTTLED, NoTimeLeft, note_silence
from lambent.errors import Misconfigured, Unavailable

# Wrong names, missing rights and calls that the service refuses as such do not heal by retrying; everything else may.
_PERMANENT = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "AuthorizationError",
        "InvalidMessageContents",
        "KeyTooLongError",
        "NoSuchBucket",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "ValidationException",
    }
)


@contextmanager
def translate(service: str) -> Iterator[None]:
    """Turn botocore errors into Unavailable, or Misconfigured where retrying cannot help.

    Parameters
    ----------
    service : str   what the caller may read, e.g. "model store"; never a resource's name
    """
    try:
        yield
    except ClientError as exc:
        code = error_code(exc)
        if code in _PERMANENT:
            raise Misconfigured(f"The {service} refused the service's own access ({code}).") from exc
        if code in THROTTLED:
            raise Unavailable(f"The {service} takes no more requests just now ({code}); try again.") from exc
        raise Unavailable(f"The {service} did not answer ({code}); try again.") from exc
    except NoTimeLeft as exc:
        raise Unavailable(f"The {service} was not asked, since no time was left to wait for it; try again.") from exc
    except SILENCE as exc:
        note_silence()
        raise Unavailable(f"The {service} was silent for too long; try again.") from exc
    except BotoCoreError as exc:
        raise Unavailable(f"The {service} could not be reached; try again.") from exc


def error_code(exc: ClientError) -> str:
    """Return AWS's code of an error."""
    return exc.response.get("Error", {}).get("Code", "Unknown")
