"""card.md: what a version is, in Markdown, for whoever is to rely on it."""

from __future__ import annotations

import re

from lambent.errors import ModelFormatRefused

CARD_FILE = "card.md"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Far more than a person reads, far less than an answer over HTTP may have.
MAX_CARD_BYTES = 262_144


def check_card_size(size_bytes: int) -> None:
    """Check that a card is one that a person can read; raises ModelFormatRefused."""
    if size_bytes > MAX_CARD_BYTES:
        raise ModelFormatRefused(
            f"{CARD_FILE} has {size_bytes} bytes, a card has at most {MAX_CARD_BYTES}.",
            limit=MAX_CARD_BYTES,
            got=size_bytes,
        )


def read_card(body: bytes) -> str:
    """Return a card's text.

    Raises
    ------
    ModelFormatRefused   over `MAX_CARD_BYTES`, not UTF-8, or with control characters, which would steer a terminal
    """
    check_card_size(len(body))
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise ModelFormatRefused(f"{CARD_FILE} is not UTF-8 text: its byte {exc.start} is none.") from exc
    control = _CONTROL.search(text)
    if control is not None:
        raise ModelFormatRefused(
            f"{CARD_FILE} holds the control character U+{ord(control[0]):04X} at character {control.start()}; of these "
            "a card has tabs and ends of lines only."
        )
    return text
