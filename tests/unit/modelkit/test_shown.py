"""What `lambent show` tells of a version is what was published, verified."""

from __future__ import annotations

import pytest

from builders import World
from lambent.domain.model import ModelChoice
from lambent.errors import ModelIntegrityFailed, ModelNotFound, NameInvalid
from lambent_toolkit.cli.show import print_version
from lambent_toolkit.modelkit.shown import parse_choice, show_version


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("shade", ModelChoice("shade")),
        ("shade@7", ModelChoice("shade", version="7")),
        ("shade@live", ModelChoice("shade", label="live")),
    ],
)
def test_a_version_is_named_as_everywhere(text: str, choice: ModelChoice) -> None:
    assert parse_choice(text) == choice


def test_a_name_that_stops_at_the_at_sign_is_not_taken_for_live() -> None:
    with pytest.raises(NameInvalid, match="shade@live"):
        parse_choice("shade@")


def test_the_published_card_is_shown() -> None:
    world = World()
    ref = world.publish(assets={"card.md": b"# shade\n\nas its maker wrote it"})

    shown = show_version(parse_choice("shade"), registry=world.registry, files=world.files)

    assert shown.card == "# shade\n\nas its maker wrote it"
    assert shown.record.ref == ref
    assert [label.label for label in shown.labels] == ["live"]
    assert "card.md" in shown.manifest.files


def test_a_version_without_a_card_gets_one_that_claims_no_figures() -> None:
    world = World()
    world.publish()

    assert "Not evaluated" in show_version(parse_choice("shade@1"), registry=world.registry, files=world.files).card


def test_a_card_that_somebody_changed_is_not_shown() -> None:
    world = World()
    world.publish(assets={"card.md": b"# true"})
    world.store.objects["shade/1/card.md"] = b"# false"

    with pytest.raises(ModelIntegrityFailed):
        show_version(parse_choice("shade"), registry=world.registry, files=world.files)


def test_an_unknown_version_is_not_found() -> None:
    world = World()
    world.publish()

    with pytest.raises(ModelNotFound):
        show_version(parse_choice("shade@9"), registry=world.registry, files=world.files)


def test_the_screen_shows_card_files_and_labels(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    world.publish(assets={"card.md": b"# shade\n\nas its maker wrote it"})

    print_version(show_version(parse_choice("shade"), registry=world.registry, files=world.files))

    printed = capsys.readouterr().out
    for told in ("as its maker wrote it", "model.tflite", "live", "card.md"):
        assert told in printed
