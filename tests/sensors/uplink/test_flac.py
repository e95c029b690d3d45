"""Long WAV as FLAC: the same samples, the same id, and left alone where that cannot be."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from hostile_files import pcm16, wav
from katydid.sensors.capture import Capture, Kind
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.uplink.flac import as_flac

SMALL = Limits(inline_bytes=1000)


def taken(path: Path) -> Capture:
    (only,) = FolderSource(path.parent, limits=SMALL, zone="UTC").captures(lambda position: False)
    return only.capture


def written(folder: Path, subtype: str, channels: int = 1, rate: int = 48_000) -> Path:
    rng = np.random.default_rng(1)
    sound = np.cumsum(rng.normal(0, 0.001, (20_000, channels)), axis=0).clip(-0.9, 0.9)
    path = folder / "card" / "20240528_100000.wav"
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, sound, rate, subtype=subtype)
    return path


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize(("channels", "rate"), [(1, 44_100), (2, 384_000)])
def test_a_flac_holds_the_same_samples_in_fewer_bytes(subtype: str, channels: int, rate: int, tmp_path: Path) -> None:
    path = written(tmp_path, subtype, channels, rate)
    before = taken(path)
    after = as_flac(before, path, tmp_path / "copy.flac", SMALL)
    assert after is not None and after.payload_ref is not None
    copy = Path(after.payload_ref.url).read_bytes()
    assert hashlib.sha256(copy).hexdigest() == after.sha256 == after.payload_ref.sha256
    assert len(copy) == after.length == after.payload_ref.length < before.length
    assert np.array_equal(
        soundfile.read(path, dtype="int32")[0], soundfile.read(tmp_path / "copy.flac", dtype="int32")[0]
    )
    assert soundfile.info(tmp_path / "copy.flac").samplerate == rate


def test_the_capture_stays_the_same_capture_and_says_what_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, "PCM_16")
    before = taken(path)
    after = as_flac(before, path, tmp_path / "copy.flac", SMALL)
    assert after is not None and after.media_type == "audio/flac"
    assert [(fact.value, fact.read_from) for fact in after.facts if fact.name == "flac_of"] == [(before.sha256, "push")]
    same = ("capture_id", "sensor_id", "captured_at", "clock", "sequence", "place", "file")
    assert all(getattr(before, name) == getattr(after, name) for name in same)


def test_a_flac_that_is_small_enough_travels_inside_the_capture(tmp_path: Path) -> None:
    path = written(tmp_path, "PCM_16")
    after = as_flac(taken(path), path, tmp_path / "copy.flac", Limits())
    assert after is not None and after.payload_ref is None
    assert after.payload == (tmp_path / "copy.flac").read_bytes()


@pytest.mark.parametrize(("subtype", "channels"), [("FLOAT", 1), ("PCM_32", 1), ("PCM_16", 9)])
def test_what_flac_cannot_hold_exactly_goes_as_it_is(subtype: str, channels: int, tmp_path: Path) -> None:
    path = written(tmp_path, subtype, channels)
    assert as_flac(taken(path), path, tmp_path / "copy.flac", SMALL) is None


def test_a_wav_that_was_cut_off_goes_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, "PCM_16")
    path.write_bytes(path.read_bytes()[:-5000])
    assert as_flac(taken(path), path, tmp_path / "copy.flac", SMALL) is None


def test_noise_that_does_not_shrink_goes_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "card" / "noise.wav"
    path.parent.mkdir()
    path.write_bytes(wav(np.random.default_rng(1).integers(-32768, 32767, 20_000, np.int16).astype("<i2").tobytes()))
    assert as_flac(taken(path), path, tmp_path / "copy.flac", SMALL) is None


def test_what_is_no_wav_goes_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "card" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(wav(pcm16()))
    flac = msgspec.structs.replace(taken(path), media_type="audio/flac")
    assert as_flac(flac, path, tmp_path / "copy.flac", SMALL) is None
    assert as_flac(msgspec.structs.replace(flac, kind=Kind.FRAME), path, tmp_path / "copy.flac", SMALL) is None


def test_a_temporary_folder_without_room_is_told_from_a_sound_that_cannot_be_flac(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow over 5 kB: what a full disk does, but for its number."""
    pytest.importorskip("resource", reason="needs a limit on the size of files")
    path = written(tmp_path, "PCM_16")
    code = f"""
import resource
from pathlib import Path
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.uplink.flac import as_flac
path = Path({str(path)!r})
limits = Limits(inline_bytes=1000)
(taken,) = FolderSource(path.parent, limits=limits, zone="UTC").captures(lambda position: False)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
try:
    as_flac(taken.capture, path, Path({str(tmp_path)!r}) / "copy.flac", limits)
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == os.strerror(errno.EFBIG), done.stderr
