"""The tutorial's commands, run as they stand on its page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from katydid.streams.cli import run_command

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parent.parent / "docs" / "tutorial.md"


def commands() -> list[list[str]]:
    """Every `$ katydid …` of the page's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line)[2:] for block in blocks for line in block.splitlines() if line.startswith("$ katydid ")]


def test_every_command_of_the_tutorial_works_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = {}
    for number, words in enumerate(commands()):
        assert run_command(words) == 0, words
        printed[number, words[0]] = capsys.readouterr().out
    assert "Nothing new" in printed[2, "run"]
    results = tmp_path / "night" / "media.katydid"
    for name in ("report.html", "detections.csv", "detections.duckdb"):
        assert (results / name).is_file()
    assert list(results.glob("SIM-REC-01/*.katydid.selections.txt"))
    assert (tmp_path / "all.csv").is_file()
    assert list(results.rglob("*.parquet"))
