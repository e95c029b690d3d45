"""Real recordings and frames through the embedded host: every file exactly one outcome; BirdNET's first named bird."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.errors import MissingExtra
from katydid.models.library import Library
from katydid.models.manifest import BundleKind
from katydid.sensors.capture import Place
from katydid.streams.local import RunOptions, RunProgress, RunSummary, run_folder
from katydid.streams.store import open_store


def run(folder: Path, library: Library, said: list[str], out: Path, **options: Any) -> RunSummary:
    return run_folder(RunOptions(folder=folder, out=out, **options), library=library, watch=ignore, notify=said.append)


def ignore(progress: RunProgress) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("library")
    placeholder_bundle(folder, name="ears", kind=BundleKind.SOUND_CLASSIFIER, sample_rate=16000, seconds=3.0)
    placeholder_bundle(folder, name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    return Library([folder])


@pytest.mark.slow
@pytest.mark.parametrize("part", ["soundscapes", "images_detect", "camera_sequences"])
def test_every_file_of_a_real_folder_has_exactly_one_outcome(
    shared_data: Path, library: Library, tmp_path: Path, part: str
) -> None:
    said: list[str] = []
    summary = run(shared_data / part, library, said, tmp_path / "out")
    with open_store(summary.outputs.store, read_only=True) as store:
        settled = store.settled("folder")
        outcomes = [str(row[0]) for rows in store.tuples("SELECT capture_id FROM outcome") for row in rows]
        assert store.captures_without_outcome() == 0
    assert len(settled) == len(outcomes) + summary.duplicates > 0
    assert len(set(outcomes)) == len(outcomes)
    assert len([line for line in said if "--timezone" in line]) <= 1
    assert run(shared_data / part, library, said, tmp_path / "out").nothing_new


@pytest.mark.slow
@pytest.mark.birdnet
def test_one_recording_through_birdnet_to_a_row_a_line_and_a_report(shared_data: Path, tmp_path: Path) -> None:
    from katydid.models.adding_birdnet import add_birdnet

    try:
        add_birdnet(tmp_path / "models", accept=lambda licence: True)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "recordings"
    folder.mkdir()
    shutil.copy(shared_data / "soundscapes" / "birdnet_soundscape" / "soundscape.flac", folder / "20240520_053000.flac")
    ithaca = Place(latitude=42.5, longitude=-76.45, source="option")
    summary = run(folder, Library([tmp_path / "models"]), [], tmp_path / "out", place=ithaca)
    with summary.outputs.csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chickadee = next(row for row in rows if row["taxon"] == "Poecile atricapillus")
    # The published reference of this recording has 0.81406 in the first three seconds.
    assert float(chickadee["score"]) == pytest.approx(0.81406, abs=1e-4)
    assert (chickadee["start_s"], chickadee["decision"]) == ("0.0", "accepted")
    assert float(chickadee["posterior"]) < float(chickadee["score"])
    page = summary.outputs.report.read_text(encoding="utf-8")
    assert "Black-capped Chickadee" in page
