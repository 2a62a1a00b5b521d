"""Content-Type and Accept (RFC 9110, sections 8.3 and 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lambent.errors import MediaTypeUnsupported, NotAcceptable

JSON, CSV, TEXT, MULTIPART = "application/json", "text/csv", "text/plain", "multipart/form-data"
MARKDOWN = "text/markdown"  # RFC 7763
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_SHOWN = 64


def read_media_type(content_type: str, accepted: Sequence[str]) -> str:
    """Return the media type of a Content-Type header, without parameters and in lower case.

    Raises
    ------
    MediaTypeUnsupported   not one of ``accepted``, or a text in another encoding than UTF-8
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in accepted:
        raise MediaTypeUnsupported(
            f"Set Content-Type to one of: {', '.join(accepted)}."
            if accepted
            else "This model takes tensors only; use POST /v2/models/{model}/infer.",
            field="Content-Type",
            limit=list(accepted),
            got=media_type[:_SHOWN],
        )
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in _CHARSETS:
        raise MediaTypeUnsupported(
            "Texts are taken in UTF-8 only.", field="Content-Type", limit="utf-8", got=charset[1][:_SHOWN].lower()
        )
    return media_type


def choose_media_type(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered type that an Accept header likes best, the earlier one of two that it likes equally.

    Raises
    ------
    NotAcceptable   it takes none of them
    """
    if accept is None or not accept.strip():
        return offered[0]
    qualities = _qualities(accept)
    best = max(offered, key=lambda media_type: _quality_of(media_type, qualities))
    if _quality_of(best, qualities) == 0:
        raise NotAcceptable(
            f"The answer comes as {' or '.join(offered)}; name one of them in Accept, or leave it out.",
            field="Accept",
            limit=list(offered),
        )
    return best


def _qualities(accept: str) -> dict[str, float]:
    """Return the quality of each media range; one that is not a number counts as 1, like one that is not said."""
    qualities = {}
    for part in accept.lower().split(","):
        media_range, *parameters = [piece.strip() for piece in part.split(";")]
        said = next((each[2:].strip() for each in parameters if each.startswith("q=")), "1")
        qualities[media_range] = float(said) if _QUALITY.fullmatch(said) else 1.0
    return qualities


def _quality_of(media_type: str, qualities: dict[str, float]) -> float:
    # The most specific range decides, whatever the order.
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((qualities[each] for each in ranges if each in qualities), 0.0)
