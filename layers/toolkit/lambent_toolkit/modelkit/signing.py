"""Keys that sign versions: P-256, in files as PKCS #8 PEM (RFC 5958), with a passphrase or without.

A key of another kind, say one of AWS KMS that never leaves it, is another `lambent.ports.Signer`.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from lambent.domain.signatures import key_id
from lambent_toolkit.modelkit.errors import KeyUnusable

_OWNER_ONLY = 0o600


@dataclass(frozen=True)
class PublicKey:
    """What a stack pins.

    Parameters
    ----------
    spki   DER SubjectPublicKeyInfo
    """

    spki: bytes

    @property
    def key_id(self) -> str:
        """Name of the key in signatures, messages and logs."""
        return key_id(self.spki)

    @property
    def parameter(self) -> str:
        """Value for the template's parameter ModelPublicKeys; several keys have commas between them."""
        return b64encode(self.spki).decode()


class FileSigner:
    """A private key in memory."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_key = _public(key.public_key())

    @property
    def key_id(self) -> str:
        """Return the id of the public key."""
        return self.public_key.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the signature as DER; the same message gives the same one (RFC 6979)."""
        return self._key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))


def create_key(path: Path, *, passphrase: str | None = None) -> PublicKey:
    """Make a key and write its file, which only its owner may read; the public half lies beside it as ``.pub``.

    Raises
    ------
    KeyUnusable   there is a file already, or it cannot be written
    """
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(path, pem)
        public_path(path).write_bytes(public_pem)
    except FileExistsError:
        raise KeyUnusable(f"{path} exists: a key is never overwritten. Choose another name with --out.") from None
    except OSError as exc:
        raise KeyUnusable(f"The key cannot be written to {path}: {exc.strerror}.") from exc
    return _public(key.public_key())


def public_path(private: Path) -> Path:
    """Return where the public half of a key file lies."""
    return private.with_name(f"{private.name}.pub")


def read_signer(path: Path, *, passphrase: Callable[[], str]) -> FileSigner:
    """Read a private key; ``passphrase`` is asked only if the file has one.

    Raises
    ------
    KeyUnusable   no such file, no P-256 private key, or another passphrase
    """
    pem = _read(path)
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:  # it has a passphrase
        key = _decrypt(path, pem, passphrase())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _not_a_key(path, "private") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _not_a_key(path, "private")
    return FileSigner(key)


def read_public_key(path: Path) -> PublicKey:
    """Read a public key; raises KeyUnusable."""
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _not_a_key(path, "public") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _not_a_key(path, "public")
    return _public(key)


def _public(key: ec.EllipticCurvePublicKey) -> PublicKey:
    return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _decrypt(path: Path, pem: bytes, passphrase: str) -> object:
    try:
        return load_pem_private_key(pem, passphrase.encode())
    except ValueError as exc:
        raise KeyUnusable(f"The passphrase does not open {path}.") from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise KeyUnusable(f"The key {path} cannot be read: {exc.strerror}. `lambent key new` makes one.") from exc


def _write_new(path: Path, body: bytes) -> None:
    """Write a file that did not exist, whole or not at all; raises FileExistsError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=_OWNER_ONLY)
    with unfinished.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(unfinished, path)  # unlike a rename, it never replaces
    finally:
        unfinished.unlink()


def _not_a_key(path: Path, half: str) -> KeyUnusable:
    return KeyUnusable(f"{path} is no {half} key of the curve P-256 in PEM; `lambent key new` makes one.")
