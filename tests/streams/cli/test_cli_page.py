"""docs/cli.md names every command, option and exit code that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from katydid.streams.cli import COMMANDS, run_command

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_is_on_the_page() -> None:
    for command in COMMANDS:
        assert re.search(rf"\b{command.name}\b", PAGE), command.name


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "report",
        "explain",
        "doctor",
        "query species",
        "query activity",
        "query latest",
        "query occurrences",
        "export csv",
    ],
)
def test_every_option_is_on_the_page(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*command.split(), "--help"]) == 0
    options = set(re.findall(r"(?<!\w)--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help", "--no-follow"}
    assert {option for option in options if f"{option}" not in PAGE} - NEGATIONS == set()


NEGATIONS = {"--no-quiet", "--no-parity", "--no-json", "--no-csv"}


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 7, 75, 130])
def test_every_exit_code_is_on_the_page(code: int) -> None:
    assert f"\n| {code} | " in PAGE
