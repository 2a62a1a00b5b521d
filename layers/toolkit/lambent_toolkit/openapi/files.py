"""The files that functions/jobs serves."""

from __future__ import annotations

import json
from pathlib import Path

from lambent_toolkit.openapi.document import build_document
from lambent_toolkit.openapi.page import content_security_policy, render_page
from lambent_toolkit.sandbox.options import find_root

DOCUMENT_FILE = "openapi.json"
PAGE_FILE = "docs.html"
POLICY_FILE = "docs.csp"


def make_files() -> dict[str, str]:
    """Return file name -> text."""
    document = build_document()
    return {
        DOCUMENT_FILE: json.dumps(document, indent=1, ensure_ascii=False) + "\n",
        PAGE_FILE: render_page(document),
        POLICY_FILE: content_security_policy() + "\n",
    }


def folder() -> Path:
    """Return the folder of the function that serves the files."""
    return find_root() / "functions" / "jobs"


def write_files() -> None:
    """Write all of them anew."""
    for name, text in make_files().items():
        (folder() / name).write_text(text)
