"""`lambent up --demo --pin KEY.pub`: the demo model is signed by the key that the stack pins."""

from pathlib import Path

import pytest

from lambent_toolkit.cli.stack import _demo_signer
from lambent_toolkit.modelkit.signing import create_key, public_path


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_private_half_beside_the_pinned_key_signs_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    create_key(Path(".lambent/signing-key.pem"))
    pinned = create_key(Path("ours.pem"))

    signer = _demo_signer([public_path(Path("ours.pem"))])

    assert signer is not None
    assert signer.key_id == pinned.key_id
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("has_another", [True, False])
def test_a_demo_that_the_stack_will_refuse_is_told(capsys: pytest.CaptureFixture[str], has_another: bool) -> None:
    theirs = create_key(Path("elsewhere/theirs.pem"))
    if has_another:
        create_key(Path(".lambent/signing-key.pem"))
    pinned = public_path(Path("elsewhere/theirs.pem")).rename("theirs.pem.pub")

    signer = _demo_signer([pinned])

    assert (signer is not None) is has_another
    assert f"no private half of {theirs.key_id} is here" in capsys.readouterr().err


def test_without_a_pinned_key_the_demo_is_signed_as_any_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _demo_signer([]) is None
    usual = create_key(Path(".lambent/signing-key.pem"))

    signer = _demo_signer([])

    assert signer is not None
    assert (signer.key_id, capsys.readouterr().err) == (usual.key_id, "")
