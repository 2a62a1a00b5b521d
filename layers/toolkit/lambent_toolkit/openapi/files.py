"""The files that functions/jobs serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lambent_toolkit.openapi.document import build_document
from lambent_toolkit.openapi.page import content_security_policy, render_page
from lambent_toolkit.sandbox.options import find_root

DOCUMENT_FILE = "openapi.json"
PAGE_FILE = "docs.html"
POLICY_FILE = "docs.csp"
# components.schemas.Problem is the deepest part with a line of its own.
_LINE_DEPTH = 3


def make_files() -> dict[str, str]:
    """Return file name -> text."""
    document = build_document()
    return {
        DOCUMENT_FILE: _one_line_a_part(document),
        PAGE_FILE: render_page(document),
        POLICY_FILE: content_security_policy() + "\n",
    }


def _one_line_a_part(document: dict[str, Any]) -> str:
    """Return the document as JSON with a line for each path, schema and so on: small, and fit for a diff."""
    return f"{_lines(document, depth=_LINE_DEPTH)}\n"


def _lines(value: Any, *, depth: int) -> str:
    if depth == 0 or not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    parts = [f"{json.dumps(key)}:{_lines(part, depth=depth - 1)}" for key, part in value.items()]
    return "{\n" + ",\n".join(parts) + "\n}"


def folder() -> Path:
    """Return the folder of the function that serves the files."""
    return find_root() / "functions" / "jobs"


def write_files() -> None:
    """Write all of them anew."""
    for name, text in make_files().items():
        (folder() / name).write_text(text)
