"""What `katydid topics` refuses before it asks any broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from katydid.streams.cli import run_command

pytest.importorskip("confluent_kafka")
ADD = ["topics", "user", "add", "trap-7"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "one of --writes, --worker and --operator"),
        (["--worker", "--writes", "frames"], "one of --writes, --worker and --operator"),
        (["--writes", "outcomes"], "a device sends frames, clips or health"),
        (["--worker", "--password-file", "not-there"], "not-there cannot be read"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_argument(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([*ADD, *options]) == 2

    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert complaint in said


def test_a_password_is_no_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*ADD, "--worker", "--password", "secret-word"]) == 2

    assert "No such option" in capsys.readouterr().err


@pytest.mark.parametrize("password", ["", "short", "eleven-long"])
def test_a_short_password_is_refused(password: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "password"
    file.write_text(password)

    assert run_command([*ADD, "--worker", "--password-file", str(file)]) == 7

    said = capsys.readouterr().err
    assert "fewer than 12 characters" in said


@pytest.mark.parametrize("name", ["a,b", "*", "User:x", "a b", "a=b", 'a"b'])
def test_a_name_that_a_right_or_a_credential_would_misread_is_refused(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved = tmp_path / "password"

    assert run_command(["topics", "user", "add", name, "--worker", "--save", str(saved)]) == 7

    assert "is no name for a user" in capsys.readouterr().err


def test_a_saved_password_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = tmp_path / "precious"
    precious.write_text("do not lose this")

    assert run_command([*ADD, "--worker", "--save", str(precious)]) == 2

    assert precious.read_text() == "do not lose this"
