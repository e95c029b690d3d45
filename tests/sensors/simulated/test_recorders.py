"""What a simulated recorder hears: who sings when, from where, and what air, ears and microphone make of it."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from katydid.sensors.sources.simulated.cameras import Fidelity
from katydid.sensors.sources.simulated.climate import Climate
from katydid.sensors.sources.simulated.recorders import Bout, Choir, Ears, Male, Microphone, Recorder, RecorderScene
from katydid.sensors.sources.simulated.recorders.hearing import around, hear, reaching
from katydid.sensors.sources.simulated.recorders.microphone import Lost, lost_buffers
from katydid.sensors.sources.simulated.recorders.scene import sung_from
from katydid.sensors.sources.simulated.recorders.singers import PAUSE_S

DAY = datetime(2025, 8, 12, tzinfo=UTC)
CALM = Climate(rain=0.0, wind=0.0, mean_c=14.0)
CRICKETS = RecorderScene(
    clip_s=8.0,
    choirs=(Choir(species="Oecanthus pellucens", males=6), Choir(species="Nemobius sylvestris", males=6)),
    climate=CALM,
)
RATE = 44_100


def male(east_m: float, north_m: float = 0.0, species: str = "Oecanthus pellucens") -> Male:
    return Male(species, f"{species} at {east_m}", 77, east_m, north_m, 0.0, 4e9)


def power_in(samples: NDArray[np.floating], low: float, high: float) -> float:
    sos = scipy.signal.butter(10, (low, min(high, RATE / 2 * 0.999)), "bandpass", fs=RATE, output="sos")
    return float(np.mean(scipy.signal.sosfiltfilt(sos, samples.astype(np.float64)) ** 2))


def test_the_ratio_in_the_truth_is_what_another_filter_measures() -> None:
    """The clip without the song is drawn with the same key, so their difference is the song as it arrived."""
    checked = 0
    for away in (3.0, 25.0):
        for species in ("Oecanthus pellucens", "Gryllus campestris", "Chorthippus biguttulus"):
            bout = Bout(male(away, species=species), 2.0, 7.0)
            heard = hear(CRICKETS, 0.0, [bout], 24.0, (), 5)
            (song,) = heard.songs
            silent = hear(CRICKETS, 0.0, [], 24.0, (), 5).samples[0]
            part = slice(round(song.onset_s * RATE), round(song.end_s * RATE))
            alone = power_in(heard.samples[0, part] - silent[part], song.low_hz, song.high_hz)
            ratio = 10.0 * np.log10(alone / power_in(silent[part], song.low_hz, song.high_hz))
            assert song.snr_db == pytest.approx(ratio, abs=0.5), (away, species)
            checked += 1
    assert checked == 6


def test_a_song_from_farther_away_is_quieter_by_the_standards_figures() -> None:
    """From 2 to 40 m: 26.02 dB of spreading and 38 m of air at 3.5 kHz, 20 °C and 70 %, about 19 dB/km: 0.7 dB."""
    alone = sung_from("Oecanthus pellucens", 5.0, RATE, 20.0, np.random.default_rng(1), np.random.default_rng(2))
    near, far = (reaching(CRICKETS, male(away), alone, 20.0)[0] for away in (2.0, 40.0))
    assert 10.0 * np.log10(np.mean(near**2) / np.mean(far**2)) == pytest.approx(26.02 + 0.7, abs=0.2)


def test_a_song_from_the_east_reaches_the_east_ear_first_and_louder() -> None:
    """Over 20 cm sound takes 0.2 / 343 s, 25.7 samples; the shadow at 3 kHz of 8 dB at most is half of it, 4 dB."""
    scene = msgspec.structs.replace(CRICKETS, channels=2, ears=Ears(apart_m=0.2, shadow_db=8.0, shadow_hz=3000.0))
    rng = np.random.default_rng(3)
    noise = scipy.signal.sosfilt(
        scipy.signal.butter(4, (2700, 3300), "bandpass", fs=RATE, output="sos"), rng.standard_normal(RATE)
    )
    west, east = reaching(scene, male(10.0), noise.astype(np.float32), 20.0)
    lag = int(np.argmax(scipy.signal.correlate(west, east))) - (len(east) - 1)
    assert lag == pytest.approx(25.7, abs=1.0)
    assert 10.0 * np.log10(np.mean(east**2) / np.mean(west**2)) == pytest.approx(4.0, abs=0.3)
    ahead = reaching(scene, male(0.0, 10.0), noise.astype(np.float32), 20.0)
    assert np.allclose(ahead[0], ahead[1], atol=1e-6)


def test_the_truth_names_the_channel_where_a_song_is_loudest() -> None:
    scene = msgspec.structs.replace(CRICKETS, channels=2)
    bouts = [Bout(male(6.0), 1.0, 3.0), Bout(male(-6.0), 4.0, 8.0)]
    heard = hear(scene, 0.0, bouts, 22.0, (), 3)
    assert heard.samples.shape == (2, 8 * RATE)
    assert [song.channel for song in heard.songs] == [1, 0]


def test_low_noise_is_common_to_both_ears_and_high_noise_is_not() -> None:
    both = around(msgspec.structs.replace(CRICKETS, channels=2), 4 * RATE, (), np.random.default_rng(1))
    low = scipy.signal.butter(4, (100, 700), "bandpass", fs=RATE, output="sos")
    high = scipy.signal.butter(4, (3000, 9000), "bandpass", fs=RATE, output="sos")
    assert np.corrcoef(scipy.signal.sosfilt(low, both))[0, 1] > 0.98
    assert abs(np.corrcoef(scipy.signal.sosfilt(high, both))[0, 1]) < 0.02


def test_a_microphone_is_flat_at_1_khz_three_down_at_its_low_cut_and_up_at_its_resonance() -> None:
    microphone = Microphone(low_cut_hz=100.0, resonance_hz=18_000.0, resonance_db=5.0, high_cut_hz=200_000.0)
    decibel = 20.0 * np.log10(microphone.response(np.array([100.0, 1000.0, 18_000.0])))
    assert decibel == pytest.approx([-3.0, 0.0, 5.0], abs=0.15)


def test_a_gain_that_is_too_high_clips_and_the_clip_says_so() -> None:
    loud = msgspec.structs.replace(CRICKETS, microphone=Microphone(gain_db=40.0))
    clip = hear(loud, 0.0, [Bout(male(1.5), 1.0, 6.0)], 24.0, (), 5)
    assert "clipped" in clip.notes
    assert float(np.abs(clip.samples).max()) == 1.0
    assert "clipped" not in hear(CRICKETS, 0.0, [Bout(male(1.5), 1.0, 6.0)], 24.0, (), 5).notes


def test_what_lies_behind_lost_buffers_moves_up_by_what_was_lost() -> None:
    samples = np.arange(1000, dtype=np.float32)[np.newaxis]
    lost = Lost(gaps=((100, 50), (400, 25)))
    left = lost.cut(samples)
    assert left.shape == (1, 925)
    for kept in (0, 99, 150, 399, 425, 999):
        assert left[0, lost.moved(kept)] == kept
    assert lost.moved(120) == 100
    drawn = lost_buffers(20 * RATE, RATE, np.random.default_rng(1))
    assert 1 <= len(drawn.gaps) <= 4
    assert all(0.01 <= length / RATE <= 0.2 for _, length in drawn.gaps)


def test_bouts_are_the_same_whatever_stretch_is_asked_for() -> None:
    recorder = Recorder(CRICKETS, seed=4, sensor="R")
    start = DAY.timestamp()
    whole = {(bout.male.individual, bout.onset): bout.end for bout in recorder.bouts(start, start + 86_400.0)}
    pieces: dict[tuple[str, float], float] = {}
    for hour in reversed(range(24)):
        for bout in Recorder(CRICKETS, seed=4, sensor="R").bouts(start + 3600 * hour, start + 3600 * (hour + 1)):
            pieces[bout.male.individual, bout.onset] = bout.end
    assert len(whole) > 100
    assert pieces == whole


def test_one_male_rests_between_two_bouts() -> None:
    recorder = Recorder(CRICKETS, seed=4, sensor="R")
    start = DAY.timestamp()
    by_male: dict[str, list[Bout]] = {}
    for bout in recorder.bouts(start, start + 86_400.0):
        by_male.setdefault(bout.male.individual, []).append(bout)
    for his in by_male.values():
        assert all(later.onset - earlier.end >= PAUSE_S - 1e-6 for earlier, later in itertools.pairwise(his))


def test_night_singers_sing_by_night_and_nobody_in_the_cold() -> None:
    start = DAY.timestamp()
    hours: Counter[tuple[str, int]] = Counter()
    for bout in Recorder(CRICKETS, seed=4, sensor="R").bouts(start, start + 3 * 86_400.0):
        hours[bout.male.species, datetime.fromtimestamp(bout.onset, UTC).hour] += 1
    assert all(hours["Oecanthus pellucens", hour] == 0 for hour in range(6, 18))
    assert sum(hours["Oecanthus pellucens", hour] for hour in (20, 21, 22, 23, 0, 1)) > 20
    assert sum(hours["Nemobius sylvestris", hour] for hour in range(9, 16)) > 20
    cold = msgspec.structs.replace(CRICKETS, climate=Climate(mean_c=-8.0, spell_c=0.0, rain=0.0))
    assert not Recorder(cold, seed=4, sensor="R").bouts(start, start + 86_400.0)


def test_nobody_sings_while_it_rains() -> None:
    wet = msgspec.structs.replace(CRICKETS, climate=Climate(mean_c=14.0, rain=0.4))
    inclined = Recorder(wet, seed=4, sensor="R").conditions.inclined
    minutes = [DAY.timestamp() + 60.0 * minute for minute in range(2000)]
    rainy = [at for at in minutes if wet.climate.rains(at)]
    assert 400 < len(rainy) < 1400
    assert not any(inclined("Nemobius sylvestris", at) for at in rainy)
    assert any(inclined("Nemobius sylvestris", at) for at in minutes)


def test_a_species_sings_in_its_season() -> None:
    """Peak of Nemobius at day 235, 25 days wide: in late April, four widths before, there is nobody."""
    recorder = Recorder(CRICKETS, seed=4, sensor="R")

    def singing(month: int, day: int) -> int:
        at = datetime(2025, month, day, tzinfo=UTC).timestamp()
        return sum(bout.male.species.startswith("Nemobius") for bout in recorder.bouts(at, at + 86_400.0))

    assert singing(8, 20) > 50
    assert singing(4, 20) == 0


def test_as_many_males_live_at_the_peak_as_asked_for() -> None:
    """A Poisson number of mean 5 at 200 recorders: the mean's standard error is .16."""
    peak = datetime(2025, 1, 1, tzinfo=UTC).timestamp() + 235 * 86_400.0
    scene = RecorderScene(choirs=(Choir(species="Nemobius sylvestris", males=5.0),))
    alive = [
        sum(each.first <= peak < each.last for each in Recorder(scene, seed=1, sensor=f"R{number}")._alive(2025))
        for number in range(200)
    ]
    assert sum(alive) / 200 == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("fidelity", Fidelity)
def test_a_clip_is_the_same_whenever_it_is_drawn(fidelity: Fidelity) -> None:
    night = DAY + timedelta(hours=22)
    clips = list(Recorder(CRICKETS, seed=4, sensor="R").clips(night, night + timedelta(minutes=30)))
    again = list(Recorder(CRICKETS, seed=4, sensor="R").clips(night, night + timedelta(minutes=30)))
    assert [clip.at for clip in clips] == [night.timestamp() + 600.0 * number for number in range(3)]
    later = again[1].scene(fidelity)
    drawn = [clip.scene(fidelity) for clip in clips]
    assert np.array_equal(drawn[1].samples, later.samples)
    assert drawn[1].songs == later.songs
    assert not np.array_equal(drawn[0].samples, drawn[1].samples)


def test_both_fidelities_hear_the_same_songs_at_about_the_same_ratio() -> None:
    night = DAY + timedelta(hours=21)
    recorder = Recorder(CRICKETS, seed=6, sensor="R")
    apart = []
    for clip in recorder.clips(night, night + timedelta(hours=1)):
        high, low = ({each.individual: each for each in clip.scene(one).songs} for one in Fidelity)
        assert high.keys() == low.keys()
        apart += [high[name].snr_db - low[name].snr_db for name in high if high[name].end_s - high[name].onset_s > 4]
        assert all(high[name].onset_s == pytest.approx(low[name].onset_s, abs=1e-3) for name in high)
    assert len(apart) > 5
    assert abs(float(np.mean(apart))) < 1.0
    assert float(np.std(apart)) < 1.5
