"""The document as one HTML page that fetches nothing: no scripts or styles of others, no fonts, no images."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

_METHODS = ("get", "post")
_FIRST_ERROR = 400
# A longer list of values says less than the word for them.
_MAX_VALUES_SHOWN = 15
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def render_page(document: dict[str, Any]) -> str:
    """Return the page; refers to parts by #tag/…, #operation/… and #schema/… ."""
    environment = Environment(
        loader=PackageLoader("lambent_toolkit.openapi", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": lambda text: Markup(_MARKDOWN.render(text)),  # noqa: S704 - renders with HTML escaped
        "pretty": _pretty,
        "type": type_text,
        "slug": slug,
        "errors": lambda group: {status: each for status, each in group.items() if int(status) >= _FIRST_ERROR},
        "successes": lambda group: {status: each for status, each in group.items() if int(status) < _FIRST_ERROR},
        "resolve": lambda part: resolve(document, part),
    }
    template = environment.get_template("page.html.jinja")
    return template.render(document=document, groups=_groups(document), style=_asset("css"), script=_asset("js"))


def _pretty(value: Any) -> str:
    """Return an example as it travels: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def content_security_policy() -> str:
    """Return the page's policy: its own style and script, by their hashes, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_hash(_asset('css'))}'; script-src '{_hash(_asset('js'))}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return what a part refers to, or the part itself if it is no reference."""
    while "$ref" in part:
        target: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def slug(text: str) -> str:
    """Return a text as part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def type_text(schema: dict[str, Any]) -> Markup:
    """Return a schema's type in words, with links to named schemas."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema/{0}">{0}</a>').format(name)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return Markup(" or ").join(type_text(each) for each in schema[union])
    if schema.get("type") == "array":
        return Markup("array of ") + type_text(schema.get("items", {}))
    return escape(_plain_type(schema))


def _plain_type(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "any")
    words = " or ".join(kind) if isinstance(kind, list) else kind
    if "enum" in schema and len(schema["enum"]) <= _MAX_VALUES_SHOWN:
        words = "one of " + ", ".join(json.dumps(value) for value in schema["enum"])
    bounds = {"minimum": "from", "maximum": "to", "maxLength": "at most", "pattern": "like", "default": "by default"}
    limits = [f"{word} {schema[rule]}" for rule, word in bounds.items() if schema.get(rule) is not None]
    return ", ".join([words, *limits])


def _groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each tag with its operations, in the document's order."""
    operations = [
        {"method": method, "path": path, **item[method]}
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    ]
    for each in operations:
        each["variants"] = [other for other in operations if other.get("x-variant-of") == each["operationId"]]
    own = [each for each in operations if "x-variant-of" not in each]
    return [{**tag, "operations": [each for each in own if tag["name"] in each["tags"]]} for tag in document["tags"]]


def _asset(ending: str) -> Markup:
    # Our own file; in a <style> or <script> element nothing is escaped.
    return Markup(files("lambent_toolkit.openapi").joinpath(f"page.{ending}").read_text())  # noqa: S704


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
