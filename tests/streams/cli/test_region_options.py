"""`katydid run --region --mask`, and what `explain` says of where it was looked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind
from katydid.streams.cli import run_command
from katydid.streams.store import open_store


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of a restless ground on which an insect walks, and a library."""
    place = tmp_path_factory.mktemp("region")
    folder = place / "card"
    folder.mkdir()
    coarse = np.random.default_rng(3).integers(40, 250, (45, 80), np.uint8)
    meadow = cv2.resize(coarse, (960, 540), interpolation=cv2.INTER_CUBIC)
    for number in range(5):
        pixels = meadow.copy()
        cv2.ellipse(pixels, (100 + 60 * number, 260), (26, 16), 0, 0, 360, (15,), -1)
        cv2.imwrite(str(folder / f"20250601_1200{10 + number}.jpg"), pixels)
    placeholder_bundle(place / "library", name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    return folder


def run(folder: Path, out: Path, *options: str) -> int:
    library = str(folder.parent / "library")
    given = ["run", str(folder), "--out", str(out), "--models", "eyes", "--models-dir", library, "--quiet", *options]
    return run_command([*given, "--timezone", "UTC"])


def test_explain_says_which_localisers_looked_and_on_what_grounds(
    station: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(station, tmp_path / "out") == 0
    assert run_command(["explain", "last", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "searched by settled-1, motion-1" in said
    assert "restless (plain up to 14)" in said
    assert "compared with 4 of this camera" in said
    assert "looked at boxes that were proposed" in said


def test_under_a_mask_over_all_nothing_is_found(
    station: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for out, options in (("seen", ()), ("hidden", ("--mask", "0,0,1,1"))):
        assert run(station, tmp_path / out, "--region", "motion", *options) == 0
        capsys.readouterr()
        assert run_command(["query", "latest", str(tmp_path / out), "--json"]) == 0
        found.append(capsys.readouterr().out.count('"detection_id"'))
    assert found == [4, 0], "in all frames but the first, and in none"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--region", "sky"), "'sky' is not one of auto, whole"),
        (("--mask", "0,0,1920,1080"), "each from 0 to 1"),
        (("--mask", "cam=nowhere.png"), "No such file"),
    ],
)
def test_what_cannot_be_meant_is_a_wrong_argument(
    station: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str], words: str
) -> None:
    assert run(station, tmp_path / "out", *options) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert words in said


def test_a_mask_for_a_sensor_that_is_not_there_is_told(
    station: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(station, tmp_path / "out", "--mask", "cart=0,0,1,1", "--mask", "card=0,0,1,0.1") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "no sensor here is called 'cart': its mask hid nothing. There are card" in said
    assert "'card'" not in said


@pytest.mark.parametrize(("region", "kept"), [("settled", 0), ("whole", 0), ("motion", 5)])
def test_frames_are_kept_only_where_later_ones_are_compared_with_them(
    station: Path, tmp_path: Path, region: str, kept: int
) -> None:
    assert run(station, tmp_path / "out", "--region", region) == 0
    with open_store(tmp_path / "out" / "detections.duckdb", read_only=True) as store:
        assert len(store.earlier_frames("card")) == kept
