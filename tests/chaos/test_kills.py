"""kill -9 at random moments, thirty times and more, then resume: the store is that of a run that nobody killed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.library import Library
from katydid.models.manifest import BundleKind
from katydid.models.settings import IdentifySettings
from katydid.streams.local import RunOptions, run_folder
from katydid.streams.store import open_store

RATE = 8000
CLIPS, FRAMES, BROKEN, COPIES = 220, 60, 12, 12
KILLS = 32
IDENTIFY = IdentifySettings(overlap_s=0.75)

CHILD = """
import os, sys
from pathlib import Path
import katydid.streams.local as local
from katydid.models.library import Library
from katydid.models.settings import IdentifySettings
from katydid.streams.tunables import PipelineSettings
import katydid.models.identify, katydid.models.engines.placeholder
import msgspec

class Telling(local.FolderSource):
    def durable(self, position):
        os.write(1, b".")

local.FolderSource = Telling
folder, library, out = map(Path, sys.argv[1:4])
quick = msgspec.structs.replace(PipelineSettings.for_this_machine(2), commit_items=4, commit_s=0.01)
identify = IdentifySettings(overlap_s=0.75)
options = local.RunOptions(folder=folder, out=out, identify=identify, pipeline=quick, media="none")
os.write(1, b"r")
sys.stdin.readline()
local.run_folder(options, library=Library([library]), watch=lambda progress: None, notify=lambda message: None)
os.write(1, b"!")
"""
"""Writes "r" when ready, waits for a line, then one "." for each durable capture, and "!" at the end."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small recordings and frames, broken files and copies; its library lies beside it."""
    place = tmp_path_factory.mktemp("station")
    folder = place / "card"
    for part in ("a/zcopies", "b", "frames"):
        (folder / part).mkdir(parents=True)
    for n in range(CLIPS):
        samples = np.random.default_rng(n).uniform(-0.3, 0.3, RATE * 3)
        soundfile.write(folder / "ab"[n % 2] / f"20250601_{n // 60:02d}{n % 60:02d}00.wav", samples, RATE)
    for n in range(FRAMES):
        pixels = np.random.default_rng(n).integers(0, 255, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "frames" / f"{n}.png")
    for n in range(BROKEN):
        (folder / "a" / f"broken{n}.flac").write_bytes(b"no sound" * n)
    for n in range(COPIES):
        source = folder / "a" / f"20250601_00{2 * n:02d}00.wav"
        (folder / "a" / "zcopies" / source.name).write_bytes(source.read_bytes())
    placeholder_bundle(place / "library", name="ears", kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE)
    placeholder_bundle(place / "library", name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    return folder


def started(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", CHILD, str(folder), str(folder.parent / "library"), str(out)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def killed_after(child: subprocess.Popen[bytes], commits: int) -> tuple[int, bool]:
    """Let the child work until so many captures are durable, then kill it; how many were, and whether it had ended."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.read(1) == b"r"
    child.stdin.write(b"go\n")
    child.stdin.flush()
    said = b"" if commits == 0 else child.stdout.read(commits)
    child.kill()
    child.wait()
    said += child.stdout.read()
    child.stdin.close()
    child.stdout.close()
    return said.count(b"."), b"!" in said


def content(out: Path) -> tuple[str, int, int]:
    with open_store(out / "detections.duckdb", read_only=True) as store:
        outcomes = sum(len(rows) for rows in store.tuples("SELECT capture_id FROM outcome"))
        return store.content_hash(), outcomes, store.captures_without_outcome()


@pytest.mark.slow
def test_a_run_killed_thirty_times_ends_with_the_store_of_a_run_that_nobody_killed(
    station: Path, tmp_path: Path
) -> None:
    chance = random.Random(20250601)
    out = tmp_path / "killed"
    mid_work = 0
    following = started(station, out)
    for _ in range(KILLS):
        child, following = following, started(station, out)
        durable, ended = killed_after(child, chance.choice([0, 1, 1, 2, 4, 6, 9, 12]))
        assert not ended
        mid_work += durable > 0
    assert mid_work >= KILLS // 2, "kills must hit while captures become durable"
    assert following.communicate(b"go\n")[0].endswith(b"!")

    library = Library([station.parent / "library"])
    whole = run_folder(
        RunOptions(folder=station, out=tmp_path / "whole", identify=IDENTIFY, media="none"),
        library=library,
        watch=lambda progress: None,
        notify=lambda message: None,
    )
    assert content(out) == content(whole.outputs.directory)
    digest, outcomes, without = content(out)
    assert (outcomes, without) == (CLIPS + FRAMES + BROKEN, 0)
    again = run_folder(
        RunOptions(folder=station, out=out, identify=IDENTIFY),
        library=library,
        watch=lambda progress: None,
        notify=lambda message: None,
    )
    assert again.nothing_new
    assert content(out)[0] == digest
