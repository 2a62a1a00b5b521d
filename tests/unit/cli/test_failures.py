"""A failure's message cannot steer the reader's terminal."""

import pytest
import typer
from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import translate
from lambent_toolkit.cli.failures import ending_on_failure, say_failure
from lambent_toolkit.modelkit.datasets.origins import _telling_of_s3


def test_control_and_direction_characters_of_strangers_are_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_failure("class \u202eabc\x1b[31m [bold]\nhéllo עברית")

    told = capsys.readouterr().err
    assert "\u202e" not in told
    assert "\x1b[31m" not in told
    assert r"class \u202eabc\x1b[31m [bold]" in told
    assert "\nhéllo עברית" in told


def refuse(code: str, message: str) -> None:
    raise ClientError({"Error": {"Code": code, "Message": message}}, "PutItem")


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_right_that_is_missing_is_told_as_one_whoever_met_it(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, ending_on_failure(), translate("registry"):
        refuse(code, "User ann is not authorized to perform: dynamodb:PutItem")

    told = capsys.readouterr().err
    assert ended.value.exit_code == 125
    assert told.startswith(
        "✗ AWS refused PutItem: User ann is not authorized to perform: dynamodb:PutItem. The stack's"
    )
    assert "misconfigured" not in told
    assert "service's own" not in told


def test_a_source_in_s3_that_may_not_be_read_is_named_beside_aws_s_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, ending_on_failure(), _telling_of_s3("s3://theirs/x"):
        refuse("AccessDenied", "Access Denied")

    told = capsys.readouterr().err
    assert ended.value.exit_code == 125
    assert "s3://theirs/x" in told
    assert "AWS refused PutItem: Access Denied." in told


def test_another_refusal_of_aws_keeps_the_error_s_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, ending_on_failure(), translate("registry"):
        refuse("ResourceNotFoundException", "no table")

    assert ended.value.exit_code == 20
    assert "(misconfigured) AWS refused PutItem (ResourceNotFoundException): no table" in capsys.readouterr().err
