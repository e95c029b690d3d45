"""No hostile file costs more than a second of CPU or a quarter of a gigabyte, from reading it to its outcome."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hostile_files import encoded, photo, sound, tone, write_hostile_files
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind

pytest.importorskip("resource", reason="peak memory of a process is read the POSIX way")

CHILD = Path(__file__).parent.parent / "hostile_costs.py"


def test_no_hostile_file_takes_over_a_second_or_256_mb(tmp_path: Path) -> None:
    hostile, warm, models = (tmp_path / name for name in ("card", "warm", "models"))
    for folder in (hostile, warm):
        folder.mkdir()
    expected = write_hostile_files(hostile)
    (warm / "one.jpg").write_bytes(encoded(photo(), "JPEG"))
    (warm / "one.wav").write_bytes(sound(tone(), "WAV", "PCM_16"))
    placeholder_bundle(models, name="ears", kind=BundleKind.SOUND_CLASSIFIER)
    placeholder_bundle(models, name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    done = subprocess.run(
        [sys.executable, str(CHILD), str(hostile), str(models), str(warm)], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert len(said["costs"]) >= 40
    assert len(said["costs"]) >= sum(each.expectation != "no_capture" for each in expected)
    assert {name: cost for name, cost in said["costs"].items() if cost > 1.0} == {}
    assert said["peak_bytes"] < 256 * 2**20
