"""Requests that work when pasted: one handwritten seven in every form that the digits model takes."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from lambent_toolkit.sandbox.options import find_root

MODEL = "digits"
BUCKET = "data-bucket"
_SIDE = 28
# The picture in black and white is still a seven, and fits on a page.
_INK = 0.5


@cache
def png() -> bytes:
    """Return the PNG file."""
    return (find_root() / "events/bodies/seven.png").read_bytes()


@cache
def png_base64() -> str:
    """Return the PNG file in base64, 720 characters."""
    return b64encode(png()).decode()


@cache
def pixels() -> list[int]:
    """Return the 784 pixels, row by row, 0 for paper and 1 for ink."""
    request = json.loads((find_root() / "events/bodies/seven.infer.json").read_text())
    return [int(value > _INK) for value in request["inputs"][0]["data"]]


def nested_pixels() -> list[Any]:
    """Return the pixels as [28][28][1]."""
    flat = pixels()
    return [[[value] for value in flat[start : start + _SIDE]] for start in range(0, len(flat), _SIDE)]


def compact(value: Any) -> str:
    """Return a value as JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def curl_examples(method: str, path: str, examples: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a shell sample for each named body."""
    return [{**curl_json(method, path, body), "label": f"curl: {name}"} for name, body in examples.items()]


def curl_json(method: str, path: str, body: Any = None, *headers: str) -> dict[str, str]:
    """Return a shell sample; ``$URL`` and ``$KEY`` are the reader's.

    Parameters
    ----------
    body       sent as JSON, if not None
    headers    further ones, as ``Name: value``
    """
    lines = [f'curl -s{"" if method == "get" else f"X {method.upper()}"} "$URL{path}"', '-H "x-api-key: $KEY"']
    lines += [f"-H '{header}'" for header in headers]
    if body is not None:
        # The bucket's name is the reader's, as $URL and $KEY are.
        text = compact(body).replace(BUCKET, "'\"$DATA_BUCKET\"'")
        lines += ["-H 'Content-Type: application/json'", f"-d '{text}'"]
    return _shell(" \\\n  ".join(lines))


def curl_file(path: str, content: str, media_type: str, *headers: str, is_base64: bool = False) -> dict[str, str]:
    """Return a shell sample that sends a file's content, given as text or, if binary, in base64."""
    decode = "base64 -d | " if is_base64 else ""
    sent = " ".join(f"-H '{header}'" for header in (f"Content-Type: {media_type}", *headers))
    return _shell(
        f'printf %s \'{content}\' | {decode}curl -s "$URL{path}" \\\n  -H "x-api-key: $KEY" {sent} --data-binary @-'
    )


def _shell(source: str) -> dict[str, str]:
    return {"lang": "Shell", "label": "curl", "source": source}
