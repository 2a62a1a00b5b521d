"""The words in which schemas are written."""

from __future__ import annotations

from typing import Any

REFERENCE = "#/components/schemas/{name}"
STRING: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def ref(name: str) -> dict[str, str]:
    """Return a reference to one of the schemas."""
    return {"$ref": REFERENCE.format(name=name)}


def strict(properties: dict[str, Any], *, optional: tuple[str, ...] = (), description: str = "") -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    schema = loose(properties, optional=optional, description=description)
    return {**schema, "additionalProperties": False}


def loose(properties: dict[str, Any], *, optional: tuple[str, ...] = (), description: str = "") -> dict[str, Any]:
    """Return the schema of an object that may have further properties."""
    required = [name for name in properties if name not in optional]
    schema: dict[str, Any] = {"type": "object", "description": description, "properties": properties}
    schema |= {"required": required} if required else {}
    return {key: value for key, value in schema.items() if value != ""}


def array_of(items: dict[str, Any], **rules: Any) -> dict[str, Any]:
    """Return the schema of an array."""
    return {"type": "array", "items": items, **rules}
