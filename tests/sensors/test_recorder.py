"""Clips without a gap: sample by sample over their borders, holes told and never inside, killed recordings kept."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from katydid.sensors import audio
from katydid.sensors.capture import Capture, ClockSource
from katydid.sensors.errors import FolderUnwritable, SourceError
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.live_folder import LiveFolder
from katydid.sensors.sources.live_health import read_notes
from katydid.sensors.sources.recorder import Intake, Recorder, RecorderHealth, RecorderSettings
from katydid.sensors.sources.recorder_clips import ClipClock, Clips, Flatness, Format, Growing, SoundForm, recover

RATE = 8_000
MONO = SoundForm(sample_rate=RATE, channels=1)
START_NS = 1_780_000_000_000_000_000
FINE, OVERRUN = SimpleNamespace(input_overflow=False), SimpleNamespace(input_overflow=True)

Samples = NDArray[np.int16]


def ramp(first: int, n: int, channels: int = 1) -> Samples:
    """Samples that say which they are, int16 [n, channels]: 0, 1, 2 … 59,999, 0 …, less 30,000."""
    numbers = np.arange(first, first + n) % 60_000 - 30_000
    return np.stack([np.roll(numbers, 0) - channel for channel in range(channels)], axis=1).astype("<i2")


def heard(path: Path) -> Samples:
    return np.asarray(soundfile.read(path, dtype="int16", always_2d=True)[0], dtype=np.int16)


def in_order(root: Path) -> list[Path]:
    return sorted([*root.rglob("*.flac"), *root.rglob("*.wav")])


def captures(root: Path) -> list[Capture]:
    return [taken.capture for taken in FolderSource(root).captures(lambda position: False)]


def facts(capture: Capture) -> dict[str, str]:
    return {fact.name: fact.value for fact in capture.facts}


def clips_in(folder: LiveFolder, clip_s: float, form: SoundForm = MONO, kept_as: Format = "flac") -> Clips:
    return Clips(folder, form, clip_s, kept_as=kept_as, doubt_s=0.1, flat_s=5.0)


Call = tuple[Samples, SimpleNamespace]


def microphone(calls: Iterable[Call], channels: int = 1) -> Callable[..., object]:
    """Stands in for PortAudio: all these calls come at once, then none."""

    @contextmanager
    def opened(settings: RecorderSettings, intake: Intake) -> Iterator[SimpleNamespace]:
        for samples, status in calls:
            intake(memoryview(samples.tobytes()), len(samples), None, status)
        yield SimpleNamespace(active=False)

    return opened


def record(root: Path, settings: RecorderSettings, *visits: list[Call], waiting_s: float = 60.0) -> Recorder:
    """A recorder whose device is there once for each of `visits`, then gone until it is stopped."""
    left = list(visits)
    said: list[str] = []

    @contextmanager
    def opened(settings: RecorderSettings, intake: Intake) -> Iterator[SimpleNamespace]:
        if not left:
            raise SourceError("gone")
        with microphone(left.pop(0))(settings, intake) as stream:  # type: ignore[attr-defined]
            yield stream

    with LiveFolder(root, "hedge", zone=UTC) as folder:
        made = Recorder(
            settings, folder, said.append, opener=opened, waiting_s=waiting_s, first_rest_s=0.0,
            stop=lambda: 0 < len(visits) <= sum("is silent" in words for words in said),
        )  # fmt: skip
        made.run()
    made.said = said  # type: ignore[attr-defined]
    return made


@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=20),
    clip=st.integers(500, 4000),
    channels=st.integers(1, 3),
)
@settings(max_examples=40)
def test_no_sample_is_lost_or_twice_at_any_border(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], clip: int, channels: int
) -> None:
    root = tmp_path_factory.mktemp("clips")
    form = SoundForm(sample_rate=RATE, channels=channels)
    with LiveFolder(root, "hedge", zone=UTC) as folder:
        clips = clips_in(folder, clip / RATE, form, "wav")
        done = 0
        for n in sizes:
            clips.add(ramp(done, n, channels), START_NS + done * 10**9 // RATE)
            done += n
        clips.end("stopped")
    found = [heard(path) for path in in_order(root)]
    assert [len(each) for each in found[:-1]] == [clip] * (len(found) - 1)
    assert np.array_equal(np.concatenate(found), ramp(0, done, channels))


@pytest.mark.parametrize("kept_as", ["flac", "wav"])
def test_a_clip_says_by_whom_when_and_how_long(tmp_path: Path, kept_as: Format) -> None:
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        clips = clips_in(folder, 1.0, kept_as=kept_as)
        clips.add(ramp(0, 2 * RATE), START_NS)
    first, second = captures(tmp_path)
    assert (first.sensor_id, first.media_type) == ("hedge", f"audio/{kept_as}")
    assert first.clock.source is ClockSource.GUANO and first.clock.uncertainty_s == pytest.approx(0.101)
    assert (first.captured_at, second.captured_at) == (START_NS, START_NS + 10**9)
    assert facts(first)["clock"] == "host" and "stopped_by" not in facts(first)
    with audio.open_sound(in_order(tmp_path)[0], Limits()) as sound:
        assert (sound.header.frames, sound.header.promised_frames) == (RATE, RATE)
        (block,) = sound.blocks(RATE)
    assert np.array_equal(np.round(block * 32768).astype(np.int16).T, ramp(0, RATE))


def test_recorded_blocks_become_clips_without_a_gap(tmp_path: Path) -> None:
    calls = [(ramp(k * 800, 800), FINE) for k in range(45)]
    health = record(tmp_path, RecorderSettings(form=MONO, clip_s=1.0), calls).health
    assert (health.kept, health.short, health.overruns) == (5, 1, 0)
    assert health.recorded_s == pytest.approx(4.5)
    found = [heard(path) for path in in_order(tmp_path)]
    assert [len(each) for each in found] == [8000, 8000, 8000, 8000, 4000]
    assert np.array_equal(np.concatenate(found), ramp(0, 36_000))


def test_an_overrun_ends_its_clip_and_is_counted(tmp_path: Path) -> None:
    calls = [(ramp(0, 800), FINE), (ramp(800, 800), FINE), (ramp(5000, 800), OVERRUN), (ramp(5800, 800), FINE)]
    made = record(tmp_path, RecorderSettings(form=MONO, clip_s=1.0), calls)
    assert (made.health.overruns, made.health.kept, made.health.short) == (1, 2, 2)
    before, behind = (heard(path) for path in in_order(tmp_path))
    assert np.array_equal(before, ramp(0, 1600)) and np.array_equal(behind, ramp(5000, 1600))
    assert [facts(each)["stopped_by"] for each in captures(tmp_path)] == ["overrun", "device lost"]
    assert "PortAudio lost samples, 1 times so far" in made.said  # type: ignore[attr-defined]


def test_blocks_that_have_no_room_are_counted_and_never_inside_a_clip(tmp_path: Path) -> None:
    """Ten blocks of 0.1 s wait at most; what comes while they wait is lost, and the clip ends before the hole."""
    intake = Intake(MONO, waiting_s=1.0)
    for k in range(13):
        intake(memoryview(ramp(k * 800, 800).tobytes()), 800, None, FINE)
    waiting = [intake.blocks.get_nowait() for _ in range(10)]
    assert intake.blocks.empty() and not any(block.dropped for block in waiting)
    intake(memoryview(ramp(13 * 800, 800).tobytes()), 800, None, FINE)
    assert intake.blocks.get_nowait().dropped == 3 * 800


def test_dropped_blocks_end_their_clip(tmp_path: Path) -> None:
    @contextmanager
    def slow_disk(settings: RecorderSettings, intake: Intake) -> Iterator[SimpleNamespace]:
        for k in (0, 1):
            intake(memoryview(ramp(k * 800, 800).tobytes()), 800, None, FINE)
        intake._dropped = 1600
        intake(memoryview(ramp(4 * 800, 800).tobytes()), 800, None, FINE)
        yield SimpleNamespace(active=False)

    said: list[str] = []
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        made = Recorder(
            RecorderSettings(form=MONO, clip_s=1.0), folder, said.append, opener=slow_disk, first_rest_s=0,
            stop=lambda: any("is silent" in words for words in said),
        )  # fmt: skip
        health = made.run()
    assert health.dropped_s == pytest.approx(0.2)
    assert [facts(each)["stopped_by"] for each in captures(tmp_path)] == ["dropped", "device lost"]
    assert [len(heard(path)) for path in in_order(tmp_path)] == [1600, 800]


def test_a_microphone_that_is_gone_is_looked_for_until_it_is_back(tmp_path: Path) -> None:
    first, second = [(ramp(0, 8000), FINE)], [(ramp(20_000, 8000), FINE)]
    made = record(tmp_path, RecorderSettings(form=MONO, clip_s=0.6), first, second)
    assert made.health.reconnects == 1
    found = sorted((int(clip[0, 0]) + 30_000, len(clip)) for clip in map(heard, in_order(tmp_path)))
    assert found == [(0, 4800), (4800, 3200), (20_000, 4800), (24_800, 3200)]


def test_an_outage_is_counted_while_it_lasts(tmp_path: Path) -> None:
    visits = [[(ramp(0, 800), FINE)]]
    said: list[str] = []

    @contextmanager
    def gone_later(settings: RecorderSettings, intake: Intake) -> Iterator[SimpleNamespace]:
        if not visits:
            raise SourceError("gone")
        with microphone(visits.pop())(settings, intake) as stream:  # type: ignore[attr-defined]
            yield stream

    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        health = Recorder(
            RecorderSettings(form=MONO, clip_s=1.0), folder, said.append, opener=gone_later, first_rest_s=0.05,
            stop=lambda: sum("is silent" in words for words in said) >= 3,
        ).run()  # fmt: skip
    assert health.reconnects == 0
    assert health.blind_s >= 0.05 + 0.1, "both rests that were waited out"
    assert read_notes(tmp_path)[0].blind_s == health.blind_s


def test_what_waits_when_it_is_stopped_is_kept(tmp_path: Path) -> None:
    calls = [(ramp(k * 800, 800), FINE) for k in range(5)]
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        made = Recorder(
            RecorderSettings(form=MONO, clip_s=1.0), folder, print, opener=microphone(calls),  # type: ignore[arg-type]
            stop=lambda: made.health.recorded_s > 0,
        )  # fmt: skip
        made.run()
    (path,) = in_order(tmp_path)
    assert np.array_equal(heard(path), ramp(0, 4000))
    assert facts(captures(tmp_path)[0])["stopped_by"] == "stopped"


def test_a_microphone_that_was_never_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone"):
        record(tmp_path, RecorderSettings(form=MONO, clip_s=1.0))


def test_a_flat_line_is_noticed_named_and_counted(tmp_path: Path) -> None:
    form = SoundForm(sample_rate=RATE, channels=2)
    dead = ramp(0, 5 * RATE, 2)
    dead[:, 1] = 7
    calls = [(dead[k : k + 800], FINE) for k in range(0, len(dead), 800)]
    calls += [(ramp(0, 800, 2), FINE)]
    made = record(tmp_path, RecorderSettings(form=form, clip_s=2.5, flat_s=3.0), calls)
    said: list[str] = made.said  # type: ignore[attr-defined]
    assert "flat line on channel 2: is a microphone there?" in said
    assert "no flat line any more" in said
    assert made.health.flat_s == pytest.approx(2.1)  # From the block that made three seconds full to the fifth.
    assert ["condition" in facts(each) for each in captures(tmp_path)] == [False, True, False]
    assert facts(captures(tmp_path)[1])["condition"] == "flat: channel 2"


@pytest.mark.parametrize(("swing", "flat"), [(0, True), (1, True), (2, False), (500, False)])
def test_flat_is_a_channel_that_moves_by_no_more_than_one_step(swing: int, flat: bool) -> None:
    flatness = Flatness(MONO, 1.0)
    samples = (np.arange(RATE) % (swing + 1)).astype(np.int16)[:, None]
    assert flatness.take(samples[: RATE // 2]) == ()
    assert flatness.take(samples[RATE // 2 :]) == ((1,) if flat else ())


def test_a_line_that_creeps_is_not_flat() -> None:
    flatness = Flatness(MONO, 1.0)
    found = [flatness.take(np.full((800, 1), level, np.int16)) for level in range(40)]
    assert found == [()] * 40  # Two neighbouring levels last 0.2 s.


def test_times_of_clips_follow_the_clock_and_not_its_jitter() -> None:
    """A card 100 parts in a million slow, read up to 30 ms late: within 30 ms of the truth, neighbours within 4 ms."""
    clock, chance = ClipClock(), np.random.default_rng(5)
    true_ns = np.arange(300) * 60_006_000_000 + START_NS
    starts = []
    for at in true_ns:
        starts.append(clock.start(int(at + chance.uniform(0, 30e6)), joined=True))
        clock.ended(starts[-1], 60.0)
    off = np.array(starts) - true_ns
    # Behind by what is caught up each clip: 6 ms a clip at a tenth is 60 ms; early by at most that, late by 30.
    assert off.min() > -65e6 and off.max() < 35e6
    assert np.abs(np.diff(starts) - 60e9).max() < 10e6


def test_a_clock_that_was_set_is_believed() -> None:
    clock = ClipClock()
    clock.ended(clock.start(START_NS, joined=False), 60.0)
    assert clock.start(START_NS + 3_660 * 10**9, joined=True) == START_NS + 3_660 * 10**9


def test_a_recording_that_was_killed_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        clips = clips_in(folder, 10.0)
        clips.add(ramp(0, 12_345), START_NS)
        clips.leave()  # As a killed process does.
        assert captures(tmp_path) == []
    said: list[str] = []
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=said.append) == 1
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=said.append) == 0
    (capture,) = captures(tmp_path)
    assert (capture.captured_at, facts(capture)["stopped_by"]) == (START_NS, "killed")
    assert np.array_equal(heard(in_order(tmp_path)[0]), ramp(0, 12_345))
    assert len(said) == 1


def test_a_kill_between_keeping_a_flac_and_removing_its_wav_makes_no_second_clip(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        clips = clips_in(folder, 1.0)
        clips.add(ramp(0, RATE), START_NS)
        growing = Growing(folder.unfinished(f"{START_NS}.wav"), START_NS, MONO)
        growing.write(ramp(0, RATE))
        growing.close()
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=print) == 0
        assert not folder.left_over(".wav")
    assert len(captures(tmp_path)) == 1


def test_a_wav_that_was_being_finished_is_finished_with_its_samples_alone(tmp_path: Path) -> None:
    """Wherever in the finishing the process is killed or the disk is full: no letter of the facts becomes a sample."""
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        clips_in(folder, 1.0, kept_as="wav").add(ramp(0, RATE), START_NS)
        (whole,) = in_order(tmp_path)
        content = whole.read_bytes()
        whole.unlink()
        for end in (44 + 2 * RATE, 44 + 2 * RATE + 1, 44 + 2 * RATE + 100, len(content)):
            folder.unfinished(f"{START_NS}.wav").write_bytes(content[:end])
            assert recover(folder, kept_as="wav", doubt_s=0.1, told=lambda words: None) == 1
            (again,) = in_order(tmp_path)
            assert np.array_equal(heard(again), ramp(0, RATE))
            again.unlink()


def test_a_file_of_somebody_elses_among_the_unfinished_is_no_obstacle(tmp_path: Path) -> None:
    """macOS writes "._NAME" beside NAME on disks of cameras and recorders."""
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        clips = clips_in(folder, 10.0)
        clips.add(ramp(0, RATE), START_NS)
        clips.leave()
        stranger = folder.unfinished(f"._{START_NS}.wav")
        stranger.write_bytes(b"\0\5\x16\7")
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=lambda words: None) == 1
        assert stranger.exists()


@pytest.mark.parametrize("length", [0, 20, 44, 45])
def test_a_kill_before_the_first_sample_leaves_nothing(tmp_path: Path, length: int) -> None:
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        growing = Growing(folder.unfinished(f"{START_NS}.wav"), START_NS, MONO)
        growing.write(ramp(0, 10))
        growing.close()
        growing.path.write_bytes(growing.path.read_bytes()[:length])
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=print) == 0
        assert not folder.left_over("")
    assert captures(tmp_path) == []


def test_a_full_disk_ends_the_recording_and_what_was_recorded_is_finished_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [(ramp(k * 800, 800), FINE) for k in range(25)]
    write, written = Growing.write, [0]

    def filling(self: Growing, samples: Samples) -> None:
        written[0] += len(samples)
        if written[0] > 15_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, samples)

    with monkeypatch.context() as full:
        full.setattr(Growing, "write", filling)
        with pytest.raises(FolderUnwritable, match="make room") as told:
            record(tmp_path, RecorderSettings(form=MONO, clip_s=1.0), calls)
    assert told.value.exit_code == 6
    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=print) == 1
    assert np.array_equal(np.concatenate([heard(path) for path in in_order(tmp_path)]), ramp(0, 14_400))


def test_a_flac_for_which_there_is_no_room_leaves_its_wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise soundfile.LibsndfileError(2)

    with LiveFolder(tmp_path, "hedge", zone=UTC) as folder:
        with monkeypatch.context() as patch:
            patch.setattr(soundfile, "SoundFile", full)
            with pytest.raises(FolderUnwritable, match="finished next time"):
                clips_in(folder, 1.0).add(ramp(0, RATE), START_NS)
        assert recover(folder, kept_as="flac", doubt_s=0.1, told=print) == 1
    assert np.array_equal(heard(in_order(tmp_path)[0]), ramp(0, RATE))


def test_a_clip_longer_than_a_wav_can_be_is_refused(tmp_path: Path) -> None:
    form = SoundForm(sample_rate=384_000, channels=8)
    with LiveFolder(tmp_path, "hedge") as folder, pytest.raises(SourceError, match="at most 698 s"):
        Recorder(RecorderSettings(form=form, clip_s=3600), folder, print)  # 4,293,918,720 / 6,144,000


def test_a_clip_longer_than_what_is_read_again_is_refused(tmp_path: Path) -> None:
    with LiveFolder(tmp_path, "hedge") as folder, pytest.raises(SourceError, match="at most 90,000 s"):
        Recorder(RecorderSettings(form=MONO, clip_s=26 * 3600), folder, print)  # 25 hours, as Limits has it


def test_what_was_not_as_it_should_be_is_in_the_note_of_health(tmp_path: Path) -> None:
    record(tmp_path, RecorderSettings(form=MONO, clip_s=1.0), [(ramp(0, 800), FINE), (ramp(800, 800), OVERRUN)])
    note = json.loads((tmp_path / "hedge" / ".health.json").read_bytes())
    assert (note["counts"]["overruns"], note["counts"]["kept"]) == (1, 2)
    (health,) = read_notes(tmp_path)
    assert (health.sensor_id, health.captured, health.lost, health.reconnects) == ("hedge", 2, 1, 0)
    assert RecorderHealth(overruns=2, flat_s=3.0).words() == "2 overruns, 3.0 s flat"
    assert RecorderHealth().words() == ""
