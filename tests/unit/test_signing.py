"""Versions that a pinned key signed, and all others."""

from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from builders import World
from lambent.adapters.p256 import P256Verifier
from lambent.domain.model import ModelRef
from lambent.domain.signatures import ManifestSignature, signed_bytes
from lambent.errors import Misconfigured, ModelIntegrityFailed, ModelSignatureInvalid
from lambent.services.check_signature import SignatureCheck
from lambent_toolkit.modelkit.errors import KeyUnusable
from lambent_toolkit.modelkit.gate import check_signer
from lambent_toolkit.modelkit.pinned_keys import check_servable
from lambent_toolkit.modelkit.signing import (
    FileSigner,
    create_key,
    public_path,
    read_public_key,
    read_signer,
)


def new_signer() -> FileSigner:
    return FileSigner(ec.generate_private_key(ec.SECP256R1()))


def pinning(*signers: FileSigner) -> SignatureCheck:
    return SignatureCheck(P256Verifier(",".join(signer.public_key.parameter for signer in signers)))


def never_asked() -> str:
    raise AssertionError("nobody should be asked for a passphrase")


def test_a_version_signed_by_a_pinned_key_is_served() -> None:
    signer = new_signer()
    world = World(signer=signer, signatures=pinning(signer))

    ref = world.publish()

    assert world.models().get(ref).ref == ref
    assert world.audit.refusals == []


def test_a_stack_that_pins_no_key_serves_signed_and_unsigned_versions() -> None:
    world = World()
    unsigned = world.publish()
    world.signer = new_signer()
    signed = world.publish()

    assert world.registry.records[unsigned].signature is None
    assert world.registry.records[signed].signature is not None
    assert [world.models().get(ref).ref for ref in (unsigned, signed)] == [unsigned, signed]


def test_while_keys_are_exchanged_versions_of_both_are_served() -> None:
    old, new = new_signer(), new_signer()
    world = World(signer=old, signatures=pinning(old, new))
    first = world.publish()
    world.signer = new
    second = world.publish()

    assert [world.models().get(ref).ref for ref in (first, second)] == [first, second]


def test_an_unsigned_version_is_refused_and_the_refusal_names_the_keys_that_count() -> None:
    signer = new_signer()
    world = World(signatures=pinning(signer))
    ref = world.publish()

    with pytest.raises(ModelSignatureInvalid, match="not signed") as refusal:
        world.models().get(ref)

    assert refusal.value.limit == [signer.key_id]
    assert world.loader.loads == 0
    assert [(told, error.code) for told, error in world.audit.refusals] == [(ref, "model_signature_invalid")]


def test_a_version_signed_by_another_key_is_refused_by_name() -> None:
    world = World(signer=new_signer(), signatures=pinning(new_signer()))
    ref = world.publish()

    with pytest.raises(ModelSignatureInvalid) as refusal:
        world.models().get(ref)

    assert world.signer is not None
    assert refusal.value.got == world.signer.key_id
    assert world.loader.loads == 0


@pytest.mark.parametrize("value", ["", "!", b64encode(b"x" * 70).decode()])
def test_what_is_no_signature_at_all_is_refused(value: str) -> None:
    signer = new_signer()
    world = World(signer=signer, signatures=pinning(signer))
    ref = world.publish()
    world.registry.records[ref] = replace(
        world.registry.records[ref], signature=ManifestSignature(signer.key_id, value)
    )

    with pytest.raises(ModelSignatureInvalid, match="not one of its manifest"):
        world.models().get(ref)


def test_a_key_s_signature_of_the_bare_manifest_counts_for_nothing() -> None:
    signer = new_signer()
    world = World(signer=signer, signatures=pinning(signer))
    ref = world.publish()
    bare = b64encode(signer.sign(world.store.objects[ref.key("manifest.json")])).decode()
    world.registry.records[ref] = replace(world.registry.records[ref], signature=ManifestSignature(signer.key_id, bare))

    with pytest.raises(ModelSignatureInvalid):
        world.models().get(ref)


def test_a_version_under_another_number_is_refused_even_where_no_key_is_pinned() -> None:
    world = World()
    first, second = world.publish(), world.publish()
    for key in [key for key in world.store.objects if key.startswith("shade/1/")]:
        world.store.objects[key.replace("/1/", "/2/")] = world.store.objects[key]
    world.registry.records[second] = replace(world.registry.records[first], ref=second)

    with pytest.raises(ModelIntegrityFailed, match="published as shade@1"):
        world.models().get(second)

    assert world.loader.loads == 0
    assert world.models().get(first).ref == first


def test_a_publisher_that_failed_before_the_registry_leaves_nothing_that_a_reader_sees() -> None:
    signer = new_signer()
    world = World(signer=signer, signatures=pinning(signer))
    files: list[str] = []
    world.store.before_call = lambda operation, key: files.append(key) if operation == "write_once" else None
    world.publish()
    steps = len(files)

    for step in range(steps):
        broken = World(signer=signer, signatures=pinning(signer))
        _fail_at(broken, step)
        with pytest.raises(OSError, match="killed"):
            broken.publish()
        assert broken.registry.records == {}
        broken.store.before_call = lambda _operation, _key: None
        ref = broken.publish()
        assert broken.models().get(ref).ref == ref


def _fail_at(world: World, step: int) -> None:
    left = [step]

    def count_down(operation: str, _key: str) -> None:
        if operation == "write_once":
            if left[0] == 0:
                raise OSError("killed")
            left[0] -= 1

    world.store.before_call = count_down


def test_two_publishers_at_once_get_two_signed_versions() -> None:
    mine, theirs = new_signer(), new_signer()
    world = World(signer=mine, signatures=pinning(mine, theirs))
    others: list[ModelRef] = []

    def interrupt(operation: str, key: str) -> None:
        if key.endswith("1/manifest.json") and not others:
            world.store.before_call = lambda _operation, _key: None
            other = World(store=world.store, registry=world.registry, signer=theirs)
            other.clock.advance(1)
            others.append(other.publish(golden_tolerance=0.5))

    world.store.before_call = interrupt
    ref = world.publish()

    assert {ref.version, others[0].version} == {1, 2}
    for each in (ref, *others):
        assert world.models().get(each).ref == each


def test_a_signature_is_der_of_ecdsa_over_what_is_signed() -> None:
    signer = new_signer()
    world = World(signer=signer)
    ref = world.publish()
    signature = world.registry.records[ref].signature
    assert signature is not None

    verifier = P256Verifier(signer.public_key.parameter)
    message = signed_bytes(world.store.objects[ref.key("manifest.json")])

    assert verifier.is_signed(message, key_id=signature.key_id, signature=b64decode(signature.value))
    assert not verifier.is_signed(message + b" ", key_id=signature.key_id, signature=b64decode(signature.value))


@pytest.mark.parametrize("value", ["x", "!", ",", b64encode(b"\x30" * 91).decode()])
def test_a_pinned_key_that_is_none_is_a_mistake_of_the_deployment(value: str) -> None:
    with pytest.raises(Misconfigured, match="ModelPublicKeys"):
        P256Verifier(value)


def test_a_point_that_is_not_on_the_curve_is_no_key() -> None:
    spki = bytearray(new_signer().public_key.spki)
    spki[-1] ^= 1

    with pytest.raises(Misconfigured):
        P256Verifier(b64encode(spki).decode())


def test_a_key_file_is_its_owner_s_alone_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key.pem"

    public = create_key(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert read_public_key(public_path(path)) == public
    assert read_signer(path, passphrase=never_asked).key_id == public.key_id
    assert sorted(each.name for each in path.parent.iterdir()) == ["key.pem", "key.pem.pub"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    create_key(path)
    before = path.read_bytes()

    with pytest.raises(KeyUnusable, match="exists"):
        create_key(path)

    assert path.read_bytes() == before


def test_a_key_with_a_passphrase_opens_with_that_one_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    public = create_key(path, passphrase="open sesame")

    assert read_signer(path, passphrase=lambda: "open sesame").key_id == public.key_id
    with pytest.raises(KeyUnusable, match="passphrase"):
        read_signer(path, passphrase=lambda: "open barley")


@pytest.mark.parametrize("body", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(body)

    with pytest.raises(KeyUnusable, match="P-256"):
        read_signer(path, passphrase=never_asked)
    with pytest.raises(KeyUnusable, match="P-256"):
        read_public_key(path)
    with pytest.raises(KeyUnusable, match="cannot be read"):
        read_signer(tmp_path / "nothing", passphrase=never_asked)


def servable(world: World, ref: ModelRef, *signers: FileSigner) -> None:
    verifier = P256Verifier(",".join(signer.public_key.parameter for signer in signers)) if signers else None
    check_servable(ref, registry=world.registry, store=world.store, verifier=verifier)


def test_no_label_goes_to_a_version_that_no_pinned_key_signed() -> None:
    ours, theirs = new_signer(), new_signer()
    world = World(signer=ours)
    signed = world.publish()
    world.signer = theirs
    foreign = world.publish()

    servable(world, signed, ours)
    servable(world, foreign)
    with pytest.raises(ModelSignatureInvalid, match="not one that this stack takes"):
        servable(world, foreign, ours)


def test_no_label_goes_to_a_version_whose_manifest_was_changed() -> None:
    world = World()
    ref = world.publish()
    world.store.objects[ref.key("manifest.json")] = b"{}"

    with pytest.raises(ModelIntegrityFailed):
        servable(world, ref)


def test_a_version_that_does_not_exist_is_left_to_the_label_s_move() -> None:
    world = World()
    ref = world.publish()

    servable(world, ModelRef(ref.name, 99))


@pytest.mark.parametrize("is_pinned", [True, False])
def test_publishing_tells_whether_the_stack_pins_the_key_that_signs(is_pinned: bool) -> None:
    signer = new_signer()
    verifier = P256Verifier((signer if is_pinned else new_signer()).public_key.parameter)

    check = check_signer(signer, verifier)

    assert check.is_passed is is_pinned
    assert check.is_forceable  # a key may sign before it is pinned
    assert signer.key_id in check.got
    assert not check_signer(None, verifier).is_passed
