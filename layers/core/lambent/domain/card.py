"""card.md: what a version is, in Markdown, for whoever is to rely on it."""

from __future__ import annotations

from lambent.errors import ModelFormatRefused

CARD_FILE = "card.md"
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
    """Return a card's text; raises ModelFormatRefused (over `MAX_CARD_BYTES`, or not UTF-8)."""
    check_card_size(len(body))
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise ModelFormatRefused(f"{CARD_FILE} is not UTF-8 text: its byte {exc.start} is none.") from exc
