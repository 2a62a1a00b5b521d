"""What is told of a model and its versions: the card is the one that was published, or it says why there is none."""

from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from builders import World
from lambent.adapters.p256 import P256Verifier
from lambent.contracts.versions import CardView
from lambent.domain.card import MAX_CARD_BYTES
from lambent.domain.model import LIVE, MANIFEST_FILE, Change, ModelChoice, ModelRef, digest
from lambent.errors import (
    CardNotFound,
    ModelFormatRefused,
    ModelIntegrityFailed,
    ModelNotFound,
    ModelSignatureInvalid,
    NameInvalid,
)
from lambent.services.check_signature import SignatureCheck
from lambent.services.set_label import set_label
from lambent.services.show_version import ShowVersionService
from lambent_toolkit.modelkit.signing import FileSigner

CARD = b"# shade\n\nTells dark from bright.\n"
LIVE_VERSION = ModelChoice("shade")


def shown(world: World) -> ShowVersionService:
    return ShowVersionService(world.registry, world.files)


def card_of(world: World) -> CardView:
    card = shown(world).model("shade")["card"]
    assert isinstance(card, CardView)
    return card


def new_signer() -> FileSigner:
    return FileSigner(ec.generate_private_key(ec.SECP256R1()))


def test_a_model_shows_the_card_of_the_version_behind_live_not_of_the_latest() -> None:
    world = World()
    world.publish(assets={"card.md": CARD})
    world.publish(assets={"card.md": b"# second"})
    set_label("shade", LIVE, 1, registry=world.registry, clock=world.clock)

    assert shown(world).model("shade") == {
        "name": "shade",
        "versions": ["1", "2"],
        "labels": {"live": "1"},
        "canaries": {},
        "retired": [],
        "card": CardView(version="1", markdown=CARD.decode()),
    }
    assert shown(world).card(LIVE_VERSION) == (ModelRef("shade", 1), CARD.decode())


def test_a_version_shows_its_own_card_its_files_and_who_signed_it() -> None:
    world = World(signer=new_signer())
    world.publish(assets={"card.md": CARD})
    world.publish()

    first = shown(world).version("shade", "1")

    assert first.card == CardView(version="1", markdown=CARD.decode())
    assert (first.state, first.labels, first.retired) == ("active", [], None)
    assert world.signer is not None
    assert first.signed_by == world.signer.key_id
    assert {file.name: file.sha256 for file in first.files}["card.md"] == digest(CARD)
    assert first.published.at == world.registry.records[ModelRef("shade", 1)].created_at
    assert shown(world).version("shade", "2").labels == ["live"]


def test_a_version_without_a_card_says_how_to_get_one() -> None:
    world = World()
    world.publish()

    card = card_of(world)
    with pytest.raises(CardNotFound, match="next version"):
        shown(world).card(LIVE_VERSION)

    assert card.markdown is None
    assert card.error is not None
    assert card.error["code"] == "card_not_found"
    assert shown(world).version("shade", "1").card == card


def test_a_model_without_a_live_version_has_no_card() -> None:
    world = World()
    world.publish(assets={"card.md": CARD})
    world.registry.label_records.clear()

    assert shown(world).model("shade")["card"] is None
    with pytest.raises(ModelNotFound):
        shown(world).card(LIVE_VERSION)


@pytest.mark.parametrize("changed", [b"# shade\n\nTells bright from dark.\n", CARD + b"more", CARD[:-1], b"", None])
def test_a_card_that_was_changed_is_not_shown_but_the_versions_to_go_back_to_are(changed: bytes | None) -> None:
    world = World()
    world.publish(assets={"card.md": CARD})
    world.store.objects["shade/1/card.md"] = changed if changed is not None else b""
    if changed is None:
        del world.store.objects["shade/1/card.md"]

    card = card_of(world)
    with pytest.raises(ModelIntegrityFailed):
        shown(world).card(LIVE_VERSION)

    assert card.markdown is None
    assert card.error is not None
    assert card.error["code"] == "model_integrity_failed"
    assert [error.code for _, error in world.audit.refusals] == ["model_integrity_failed"] * 2


def test_what_is_far_larger_than_what_was_published_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.publish(assets={"card.md": CARD})
    asked: list[int | None] = []
    read = world.store.read

    def watched(key: str, *, max_bytes: int | None = None) -> object:
        asked.append(max_bytes)
        return read(key, max_bytes=max_bytes)

    monkeypatch.setattr(world.store, "read", watched)
    world.store.objects["shade/1/card.md"] = bytes(1_000_000)

    with pytest.raises(ModelIntegrityFailed, match="larger than what was published"):
        shown(world).card(LIVE_VERSION)

    assert asked == [65_536, len(CARD)]


def test_where_a_key_is_pinned_the_card_of_a_foreign_version_is_not_shown() -> None:
    world = World(signatures=SignatureCheck(P256Verifier(new_signer().public_key.parameter)), signer=new_signer())
    world.publish(assets={"card.md": CARD})

    card = card_of(world)

    assert card.error is not None
    assert (card.markdown, card.error["code"]) == (None, "model_signature_invalid")
    with pytest.raises(ModelSignatureInvalid):
        shown(world).version("shade", "1")


def test_a_retired_version_is_shown_and_a_removed_one_is_not() -> None:
    world = World()
    ref = world.publish(assets={"card.md": CARD})
    world.publish(assets={"card.md": CARD})
    record = world.registry.records[ref]
    world.registry.records[ref] = replace(record, retired=Change("2026-11-27T00:00:00.000Z", "ann", "too slow"))

    retired = shown(world).version("shade", "1")
    world.registry.records[ref] = replace(world.registry.records[ref], removed=Change("2026-12-27T00:00:00.000Z"))

    assert retired.retired is not None
    assert (retired.state, retired.retired.why, retired.card.markdown) == ("retired", "too slow", CARD.decode())
    with pytest.raises(ModelNotFound, match="removed"):
        shown(world).version("shade", "1")


@pytest.mark.parametrize(
    ("name", "version", "refusal"),
    [("nobody", "1", ModelNotFound), ("shade", "9", ModelNotFound), ("../x", "1", NameInvalid)],
)
def test_what_is_not_there_is_refused(name: str, version: str, refusal: type[Exception]) -> None:
    world = World()
    world.publish()

    with pytest.raises(refusal):
        shown(world).version(name, version)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (b"x" * (MAX_CARD_BYTES + 1), "at most 262144"),
        (b"\xff", "UTF-8"),
        (b"# shade\n\x1b[2J", "U\\+001B at character 8"),
        ("# shade\x9b2J".encode(), "U\\+009B"),
    ],
    ids=["huge", "no text", "clears the screen", "clears it in one character"],
)
def test_what_is_no_card_is_not_published(card: bytes, told: str) -> None:
    world = World()

    with pytest.raises(ModelFormatRefused, match=told):
        world.publish(assets={"card.md": card})

    assert world.store.objects == {}


@pytest.mark.parametrize("card", [b"x" * (MAX_CARD_BYTES + 1), b"\xff"])
def test_what_another_release_published_as_a_card_is_refused_and_not_sent(card: bytes) -> None:
    world = World()
    ref = world.publish(assets={"card.md": CARD})
    manifest = msgspec.json.decode(world.store.objects[ref.key(MANIFEST_FILE)])
    manifest["files"]["card.md"] = {"sha256": digest(card), "size_bytes": len(card)}
    body = msgspec.json.encode(manifest)
    world.store.objects |= {ref.key(MANIFEST_FILE): body, ref.key("card.md"): card}
    world.registry.records[ref] = replace(world.registry.records[ref], manifest_sha256=digest(body))

    with pytest.raises(ModelFormatRefused):
        shown(world).card(LIVE_VERSION)

    assert world.audit.refusals[0][0] == ref
