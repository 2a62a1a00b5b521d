"""What of a version is signed, and how a signature travels.

The registry's row carries the signature, so that row, manifest digest and signature appear in one write: there is no
moment at which a version is published but not yet signed, and verifying costs no read of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

# Signatures of this key over anything else, under whatever protocol, are never signatures of a manifest.
_DOMAIN = b"lambent/model-manifest/v1\0"
_KEY_ID_DIGITS = 12


@dataclass(frozen=True)
class ManifestSignature:
    """Who signed a version: the key's id, and ECDSA over P-256 with SHA-256 of `signed_bytes`, DER in base64."""

    key_id: str
    value: str


def signed_bytes(manifest: bytes) -> bytes:
    """Return what is signed: manifest.json byte by byte as it is stored, behind a mark of its purpose."""
    return _DOMAIN + manifest


def key_id(spki: bytes) -> str:
    """Return the name of a public key: the first digits of the sha256 of its DER SubjectPublicKeyInfo (RFC 5280)."""
    return sha256(spki).hexdigest()[:_KEY_ID_DIGITS]
