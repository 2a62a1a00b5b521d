"""What may stop a command on dead letters, each with the exit code that `lambent` ends with.

DeadLetterError
├── QueueUnknown     170   there is no dead-letter queue of this name
├── LetterUnknown    171   no message there has this id, or several begin so
└── MoveFailed       172   messages were not moved, or not all of them
"""

from __future__ import annotations


class DeadLetterError(Exception):
    """A dead letter cannot be found or moved; the message says what to do about it."""

    exit_code = 1


class QueueUnknown(DeadLetterError):
    """There is no dead-letter queue of this name."""

    exit_code = 170


class LetterUnknown(DeadLetterError):
    """No message has this id, or several begin so."""

    exit_code = 171


class MoveFailed(DeadLetterError):
    """Messages were not moved, or not all of them."""

    exit_code = 172
