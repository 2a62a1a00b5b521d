"""What a stack would serve at all: told before a version is published or gets requests, not by its first caller."""

from __future__ import annotations

from lambent.adapters.p256 import P256Verifier
from lambent.domain.model import ModelRef, VersionState
from lambent.ports import ObjectStore, Registry, SignatureVerifier
from lambent.services.check_signature import SignatureCheck
from lambent.services.version_files import VersionFiles
from lambent_toolkit.modelkit.version_diff import NobodyServes
from lambent_toolkit.stacks.stack import Stack


def pinned_keys(stack: Stack) -> P256Verifier | None:
    """Return the public keys that a stack's functions run with, None where it pins none."""
    found = stack.client("lambda").get_function_configuration(FunctionName=stack.functions["predict"])
    public_keys = found["Environment"]["Variables"].get("MODEL_PUBLIC_KEYS")
    return P256Verifier(public_keys) if public_keys else None


def check_servable(
    ref: ModelRef, *, registry: Registry, store: ObjectStore, verifier: SignatureVerifier | None
) -> None:
    """Check that functions would take a version's manifest; one that is not active is for the label's move to refuse.

    Raises
    ------
    ModelIntegrityFailed    it is not what was published
    ModelSignatureInvalid   no pinned key signed it
    Unavailable
    """
    record = registry.version(ref)
    if record is None or record.state is not VersionState.ACTIVE:
        return
    signatures = SignatureCheck(verifier) if verifier is not None else None
    VersionFiles(registry, store, NobodyServes(), signatures).manifest(ref)
