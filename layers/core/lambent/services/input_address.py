"""Which objects a tenant's batch may name."""

from __future__ import annotations

from typing import Literal

from lambent.contracts.batch_request import BatchInput, InputFormat
from lambent.domain.names import input_prefixes
from lambent.errors import ManifestInvalid, RequestInvalid, UrlRefused
from lambent.ports import ObjectStore

FORMATS: tuple[InputFormat, ...] = ("jsonl", "csv", "parquet", "zip")
_SCHEME = "s3://"


class InputAddresses:
    """Addresses of one tenant: in the data bucket, under the prefixes inputs/ and inbox/ of the tenant."""

    def __init__(self, data: ObjectStore, tenant: str) -> None:
        self._root = data.uri("")
        self._homes = tuple(data.uri(prefix) for prefix in input_prefixes(tenant))

    def key_of(self, uri: str, *, field: str, what: Literal["manifest", "prefix", "item"]) -> str:
        """Return the object key that an address stands for; raises UrlRefused, whose text is the rule it breaks."""
        rule = self._broken_rule(uri, may_be_home=what == "prefix")
        if rule is None and (what == "prefix") != uri.endswith("/"):
            rule = "a prefix ends in /" if what == "prefix" else "it names an object, not a folder"
        if rule is not None:
            raise UrlRefused(f"The {what}'s address breaks a rule: {rule}.", field=field, limit=rule)
        return uri.removeprefix(self._root)

    def item_key(self, uri: str, *, manifest_key: str | None) -> str:
        """Return the key of a manifest's item, whose address may be relative to the manifest's folder.

        Raises
        ------
        ManifestInvalid   it lies elsewhere, or is a manifest, a table or an archive: those are not read recursively
        """
        if not uri.startswith(_SCHEME) and manifest_key is not None and "://" not in uri:
            uri = f"{self._root}{manifest_key.rpartition('/')[0]}/{uri}"
        key = uri.removeprefix(self._root)
        # Only what looks unusual is looked at closely: a manifest may have a million of these.
        if not uri.startswith(self._homes) or "/." in uri or uri.endswith("/"):
            try:
                key = self.key_of(uri, field="uri", what="item")
            except UrlRefused as exc:
                raise ManifestInvalid(exc.detail, field="uri", limit=exc.limit) from exc
        if key == manifest_key or format_of_name(key) is not None:
            raise ManifestInvalid(
                "An item is one picture, text or row; a manifest, table or archive within a manifest is not read.",
                field="uri",
            )
        return key

    def _broken_rule(self, uri: str, *, may_be_home: bool) -> str | None:
        if not uri.startswith(_SCHEME):
            return "it begins with s3://; no other kind of address is read"
        if not uri.startswith(self._root):
            return "it names the data bucket of this stack"
        if not uri.startswith(self._homes) or (uri in self._homes and not may_be_home):
            return "it lies under the prefix inputs/ or inbox/ of your own tenant"
        if {".", ".."} & set(uri.split("/")):
            return "no part of it is . or .."
        return None


def format_of_name(name: str) -> InputFormat | None:
    """Return what an object is by its name's ending, None where the ending is none of these."""
    ending = name.rpartition(".")[2].lower()
    return next((each for each in FORMATS if each == ending), None)


def format_of(source: BatchInput) -> InputFormat:
    """Return the format of ``manifest_uri`` or ``uri``; raises RequestInvalid where nothing tells it."""
    found = "jsonl" if source.manifest_uri is not None else source.format or format_of_name(str(source.uri))
    if found is None:
        raise RequestInvalid(
            f"The address ends in none of {', '.join('.' + each for each in FORMATS)}; say which it is.",
            field="input.format",
            limit=list(FORMATS),
        )
    return found
