"""Versions are served only if a key signed them that the stack pins."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

from lambent.domain.model import VersionRecord
from lambent.domain.signatures import signed_bytes
from lambent.errors import ModelSignatureInvalid
from lambent.ports import SignatureVerifier


class SignatureCheck:
    """The keys that a stack pins."""

    def __init__(self, verifier: SignatureVerifier) -> None:
        self._verifier = verifier

    def check(self, record: VersionRecord, manifest: bytes) -> None:
        """Check that a pinned key signed this manifest, before anything reads it; raises ModelSignatureInvalid."""
        signature, pinned = record.signature, list(self._verifier.key_ids)
        if signature is None:
            raise ModelSignatureInvalid(
                f"{record.ref} is not signed, and this stack serves signed versions only: publish it again with "
                "`lambent publish --sign`, by a key of this stack.",
                limit=pinned,
            )
        if signature.key_id not in pinned:
            raise ModelSignatureInvalid(
                f"{record.ref} is signed by the key {signature.key_id}, which is not one that this stack takes.",
                limit=pinned,
                got=signature.key_id,
            )
        message = signed_bytes(manifest)
        if not self._verifier.is_signed(message, key_id=signature.key_id, signature=_decode(signature.value)):
            raise ModelSignatureInvalid(
                f"The signature of {record.ref} is not one of its manifest by the key {signature.key_id}: one of the "
                "two was changed after it was published.",
                limit=pinned,
                got=signature.key_id,
            )


def _decode(value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except NotBase64:
        return b""  # which no key has ever signed anything with
