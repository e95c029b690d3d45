"""`katydid simulate`: folders as devices would have filled them, and the truth where it is asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from katydid.sensors.sources.simulated import read_truth
from katydid.streams.cli import run_command

DEPLOYMENT = ["--preset", "deployment", "--stations", "2", "--days", "0.02", "--fidelity", "low"]


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_options_write_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["simulate", str(tmp_path / "one"), *DEPLOYMENT, "--faults", "truncated=0.2"]) == 0
    printed = capsys.readouterr().out
    assert run_command(["simulate", str(tmp_path / "two"), *DEPLOYMENT, "--faults", "truncated=0.2"]) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert "of 2 stations" in printed
    assert "katydid run" in printed
    truth = read_truth(tmp_path / "one" / "truth.csv")
    assert {row.file for row in truth} == {
        path.relative_to(tmp_path / "one" / "media").as_posix()
        for path in (tmp_path / "one" / "media").rglob("*")
        if path.is_file()
    }
    assert any(row.note == "truncated" for row in truth)


def test_the_truth_lies_where_it_is_asked_for(tmp_path: Path) -> None:
    apart = tmp_path / "apart" / "what_was.csv"
    apart.parent.mkdir()
    words = ["simulate", str(tmp_path / "out"), *DEPLOYMENT, "--sensors", "recorders", "--truth", str(apart)]
    assert run_command(words) == 0
    assert read_truth(apart)
    assert (apart.parent / "individuals.csv").is_file()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["deployments.csv", "media", "plan.json"]
    assert not list((tmp_path / "out").rglob("*.jpg"))


def test_a_file_is_no_place_for_a_night(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert run_command(["simulate", str(tmp_path / "file")]) == 3
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_has_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run_command(["simulate", str(tmp_path), *DEPLOYMENT]) == 3
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--days", "3"], "--days goes with --preset deployment"),
        (["--preset", "deployment", "--hours", "3"], "--hours goes with --preset night"),
        (["--preset", "storm"], "storm is none of night, deployment, troubled"),
        (["--preset", "troubled", "--faults", "thunder=0.1"], "there are truncated, zero_byte"),
        (["--preset", "deployment", "--fidelity", "medium"], "medium"),
        (["--preset", "deployment", "--sensors", "noses"], "noses"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_written(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["simulate", str(tmp_path / "out"), *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
