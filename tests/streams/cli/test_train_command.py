"""`katydid evaluate` and `katydid train`, as they are typed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from katydid.sensors.sources.songs import song
from katydid.streams.cli import run_command

RATE = 44_100


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Two known species and one that the shipped model has never heard, simulated."""
    folder = tmp_path / "field"
    folder.mkdir()
    rng = np.random.default_rng(7)
    rows = []
    for number, species in enumerate(("Gryllus campestris", "Oecanthus pellucens", "Magicicada septendecim")):
        soundfile.write(folder / f"{number}.wav", song(species, 1.6, RATE, 22.0, rng), RATE)
        rows.append(f"{number}.wav,{species.replace(' ', '')},male {number}")
    (folder / "labels.csv").write_text("file,label,recording_group\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_evaluate_prints_each_figure_with_its_interval_and_how_many_it_rests_on(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["evaluate", str(songs), "--labels", str(songs / "labels.csv")]) == 0
    shown = capsys.readouterr().out
    assert "singing-insects" in shown
    assert "2 known (2 of its species), 1 unheard (1 that it does not have)" in shown
    for figure in ("top-1", "macro recall", "genus right", "AUROC known/unheard, distance"):
        assert any(line.strip().startswith(figure) and " to " in line for line in shown.splitlines()), figure
    assert "2 / 1" in shown


def test_evaluate_names_a_file_that_is_not_there_and_exits_with_3(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (songs / "labels.csv").write_text("file,label\ngone.wav,Gryllus campestris\n", encoding="utf-8")
    assert run_command(["evaluate", str(songs), "--labels", str(songs / "labels.csv")]) == 3
    assert "line 2: no file 'gone.wav'" in capsys.readouterr().err


def test_evaluate_says_which_models_there_are_and_exits_with_4(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evaluate", str(songs), "--labels", str(songs / "labels.csv"), "--model", "owls"]) == 4
    shown = capsys.readouterr().err
    assert "owls" in shown
    assert "singing-insects" in shown


def test_evaluate_notes_what_it_could_not_hear(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs / "1.wav").write_bytes(b"not a sound")
    assert run_command(["evaluate", str(songs), "--labels", str(songs / "labels.csv")]) == 0
    assert "1.wav: not heard" in capsys.readouterr().err


def test_train_without_torch_names_the_extra_and_exits_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("katydid.models.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run_command(["train", "sound", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 4
    assert "pip install 'katydid[train]'" in capsys.readouterr().err
