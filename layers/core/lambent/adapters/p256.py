"""Verify ECDSA signatures over P-256 with SHA-256 (FIPS 186-5) by OpenSSL, through `cryptography`.

Only what verifying takes is imported: the package's readers of key files would double the 30 ms.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from lambent.domain.signatures import key_id
from lambent.errors import Misconfigured

# DER of a SubjectPublicKeyInfo up to the point: id-ecPublicKey, prime256v1, a bit string of 65 bytes (RFC 5480, 2.1.1).
_SPKI_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_ALGORITHM = ECDSA(SHA256())


class P256Verifier:
    """Signatures by one of some known keys."""

    def __init__(self, public_keys: str) -> None:
        """Take keys as a deployment names them: base64 of DER SubjectPublicKeyInfo, with commas between them.

        Raises
        ------
        Misconfigured   one is no uncompressed P-256 key
        """
        spkis = [_decode(text.strip()) for text in public_keys.split(",")]
        self._keys = {key_id(spki): _load(spki) for spki in spkis}

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Return the ids of the known keys."""
        return tuple(self._keys)

    def is_signed(self, message: bytes, *, key_id: str, signature: bytes) -> bool:
        """Return whether a known key of this id made this signature of the message."""
        try:
            self._keys[key_id].verify(signature, message, _ALGORITHM)
        except (KeyError, InvalidSignature):
            return False
        return True


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except NotBase64 as exc:
        raise _unusable() from exc


def _load(spki: bytes) -> EllipticCurvePublicKey:
    if not spki.startswith(_SPKI_PREFIX):
        raise _unusable()
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), spki.removeprefix(_SPKI_PREFIX))
    except ValueError as exc:
        raise _unusable() from exc


def _unusable() -> Misconfigured:
    return Misconfigured(
        "The stack's parameter ModelPublicKeys holds something that is no P-256 public key; `lambent key show` prints "
        "the value for a key."
    )
