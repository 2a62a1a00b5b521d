"""A tampered version is refused before anything parses it, and the version before keeps serving."""

import random
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from chance import SEED
from cryptography.hazmat.primitives.asymmetric import ec

from builders import World
from lambent.adapters.p256 import P256Verifier
from lambent.domain.model import MANIFEST_FILE, ModelRef, digest
from lambent.domain.signatures import ManifestSignature
from lambent.errors import ModelFormatRefused, ModelIntegrityFailed, ModelSignatureInvalid
from lambent.services.check_signature import SignatureCheck
from lambent_toolkit.modelkit.signing import FileSigner

FLIPS, TRUNCATIONS = 2000, 200
# What a lane reads of a version; model.keras has a lane of its own.
LITE_FILES = ("manifest.json", "contract.json", "model.tflite", "golden.npz")
KERAS_FILES = ("model.keras", "golden.keras.npz")


def new_signer() -> FileSigner:
    return FileSigner(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def world() -> World:
    signer = new_signer()
    signatures = SignatureCheck(P256Verifier(signer.public_key.parameter))
    return World(signer=signer, signatures=signatures)


def check_refused(world: World, ref: ModelRef, *, file: str = "model.tflite") -> ModelIntegrityFailed:
    """Return the refusal of a version, which no loader has seen and the audit was told of once."""
    loads, told = world.loader.loads, len(world.audit.refusals)
    world.loader.file = file
    with pytest.raises(ModelIntegrityFailed) as refusal:
        world.models().get(ref)
    assert world.loader.loads == loads
    assert [each for each, _ in world.audit.refusals[told:]] == [ref]
    return refusal.value


def spoil(world: World, ref: ModelRef, times: int, change: Callable[[random.Random, bytes], bytes]) -> None:
    """Change a random file of a version, look that it is refused, and put it back; many times."""
    print(f"replay: LAMBENT_FAULTS_SEED={SEED}")
    chance = random.Random(SEED)
    for _ in range(times):
        name = chance.choice(LITE_FILES + KERAS_FILES)
        key = ref.key(name)
        kept = world.store.objects[key]
        world.store.objects[key] = change(chance, kept)
        check_refused(world, ref, file="model.keras" if name in KERAS_FILES else "model.tflite")
        world.store.objects[key] = kept


def flip_a_bit(chance: random.Random, body: bytes) -> bytes:
    changed, bit = bytearray(body), chance.randrange(len(body) * 8)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body))]


@pytest.mark.parametrize(("times", "change"), [(FLIPS, flip_a_bit), (TRUNCATIONS, cut)])
def test_every_flipped_bit_and_every_truncation_is_refused_unparsed_and_the_version_before_serves(
    world: World, times: int, change: Callable[[random.Random, bytes], bytes]
) -> None:
    good, bad = world.publish(), world.publish()

    spoil(world, bad, times, change)

    world.loader.file = "model.tflite"
    assert [world.models().get(ref).ref for ref in (good, bad)] == [good, bad]


def test_an_attacker_who_writes_both_the_store_and_the_registry_still_lacks_the_key(world: World) -> None:
    ref = world.publish()
    body = world.store.objects[ref.key("model.tflite")] + b"evil"
    manifest = msgspec.json.decode(world.store.objects[ref.key(MANIFEST_FILE)])
    manifest["files"]["model.tflite"] = {"sha256": digest(body), "size_bytes": len(body)}
    seal(world, ref, body, msgspec.json.encode(manifest))

    assert isinstance(check_refused(world, ref), ModelSignatureInvalid)


def seal(world: World, ref: ModelRef, model: bytes, manifest: bytes) -> None:
    world.store.objects[ref.key("model.tflite")] = model
    world.store.objects[ref.key(MANIFEST_FILE)] = manifest
    world.registry.records[ref] = replace(world.registry.records[ref], manifest_sha256=digest(manifest))


def test_a_signature_of_another_version_is_none_of_this_one(world: World) -> None:
    first, second = world.publish(), world.publish()
    stolen = world.registry.records[first].signature
    world.registry.records[second] = replace(world.registry.records[second], signature=stolen)

    assert isinstance(check_refused(world, second), ModelSignatureInvalid)
    assert world.models().get(first).ref == first


def test_a_signature_by_a_key_of_one_s_own_does_not_pass_under_a_pinned_key_s_name(world: World) -> None:
    ref = world.publish()
    signature = world.registry.records[ref].signature
    world.signer = new_signer()
    theirs = world.registry.records[world.publish()].signature
    assert signature is not None
    assert theirs is not None
    posing = ManifestSignature(signature.key_id, theirs.value)
    world.registry.records[ref] = replace(world.registry.records[ref], signature=posing)

    assert isinstance(check_refused(world, ref), ModelSignatureInvalid)


def test_an_old_version_is_not_replayed_under_a_new_number(world: World) -> None:
    first, second = world.publish(), world.publish()
    for key in [key for key in world.store.objects if key.startswith(f"{first.name}/1/")]:
        world.store.objects[key.replace("/1/", "/2/", 1)] = world.store.objects[key]
    world.registry.records[second] = replace(world.registry.records[first], ref=second)

    assert "published as shade@1" in check_refused(world, second).detail
    assert world.models().get(first).ref == first


def test_a_changed_digest_in_the_registry_is_refused(world: World) -> None:
    ref = world.publish()
    world.registry.records[ref] = replace(world.registry.records[ref], manifest_sha256="0" * 64)

    assert check_refused(world, ref).limit == "0" * 12


@pytest.mark.parametrize("name", ["../2/model.tflite", "/etc/passwd", "a/b", "..", "", "a\0b", "x" * 200])
def test_a_name_in_a_manifest_leads_nowhere_else(name: str) -> None:
    world = World()
    ref = world.publish()
    manifest = msgspec.json.decode(world.store.objects[ref.key(MANIFEST_FILE)])
    manifest["files"][name] = manifest["files"]["model.tflite"]
    seal(world, ref, world.store.objects[ref.key("model.tflite")], msgspec.json.encode(manifest))

    with pytest.raises(ModelFormatRefused):
        world.models().get(ref)

    assert world.loader.loads == 0
