"""A detector through the embedded host: tiles of many frames share batches, and boxes reach the table."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector_graphs import spot, spot_bundle
from katydid.models.library import Library
from katydid.models.manifest import Tiles
from katydid.streams.chosen import fitting_bundles, looked_at, open_models
from katydid.streams.local import RunOptions, run_folder

TILES = Tiles(short_sides=(208,), overlap=16)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Six frames, the n-th with n spots in a row and a score of its own."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(6):
        pixels = np.zeros((208, 256, 3), np.uint8)
        pixels[:, :, 2] = 200
        for place in range(number):
            spot(pixels, 20 + 40 * place, 100, 12, 0.5 + number / 20)
        cv2.imwrite(str(folder / f"IMG_{number}.png"), pixels[:, :, ::-1])
    return folder


def test_every_box_of_every_frame_is_a_row(frames: Path, tmp_path: Path) -> None:
    spot_bundle(tmp_path / "models", TILES)
    options = RunOptions(folder=frames, out=tmp_path / "out", media="none")
    run_folder(options, library=Library((tmp_path / "models",)), watch=lambda _: None, notify=lambda _: None)
    with (tmp_path / "out" / "detections.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["taxon"]]
    found = {(row["file"], round(float(row["box_x"]) * 256), round(float(row["score"]), 2)) for row in rows}
    expected = {
        (f"IMG_{number}.png", 16 + 40 * place, round(0.5 + number / 20, 2))
        for number in range(6)
        for place in range(number)
    }
    assert found == expected
    assert len(rows) == len(expected)
    assert {row["taxon"] for row in rows} == {"Insecta"}


def test_a_detector_that_waits_to_be_asked_runs_only_where_it_is_named(tmp_path: Path) -> None:
    spot_bundle(tmp_path, TILES, name="eager")
    spot_bundle(tmp_path, TILES, name="shy", detector={"unasked": False})
    library = Library((tmp_path,))
    assert [bundle.name for bundle in fitting_bundles(library, ())] == ["eager"]
    assert [bundle.name for bundle in fitting_bundles(library, ("shy",))] == ["shy"]


def test_where_a_detector_is_chosen_frames_are_looked_at(tmp_path: Path) -> None:
    models = open_models([spot_bundle(tmp_path, TILES)], slots=1)
    assert {kind.value for kind in looked_at(models)} == {"frame"}
