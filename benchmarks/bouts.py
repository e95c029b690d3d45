"""Events and bouts of song against what really sounds, by signal-to-noise ratio, through the singing-insects bundle.

    python benchmarks/bouts.py
    python benchmarks/bouts.py --snr 10 --clips 30 --seed 21

Clips of a minute without a gap; each species of the bundle that the simulator can sing has songs of 8 to 20 s in some
of them (`soundscape_with`: onsets are met to the sample). An event finds a song where their overlap is at least half of
what both cover, each once; "named" also under the song's species, or its genus where that is answered. Bouts are
counted by the rule of `follow` on both sides: over all bouts of the named taxa, and over those that bear a taxon that
really sings. The model was trained on none of these sounds, but on real recordings and synthetic songs.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from statistics import median

import numpy as np

from katydid.models.follow import ClipSettings, follow
from katydid.models.identify import identify
from katydid.models.library import default_library
from katydid.models.model import Model, open_model
from katydid.models.outcome import Detection, Outcome
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import Limits
from katydid.sensors.sources.simulated.files import plain_wav
from katydid.sensors.sources.simulated.recorders.scene import HeardSong, Sings, soundscape_with
from katydid.sensors.sources.songs import SONGS

CLIP_S, RATE = 60.0, 44_100
EVENING = 1_784_062_800_000_000_000
CHANCE = 0.45
"""Of a species to sing in a clip."""


def asked(species: Sequence[str], snr_db: float, rng: np.random.Generator) -> list[Sings]:
    songs = []
    for name in species:
        if rng.random() < CHANCE:
            length = float(rng.uniform(8.0, 20.0))
            onset = float(rng.uniform(0.5, CLIP_S - length - 0.5))
            songs.append(Sings(species=name, onset_s=onset, end_s=onset + length, snr_db=snr_db))
    return songs


def heard(number: int, samples: np.ndarray, model: Model) -> Outcome:
    data = plain_wav(samples, RATE)
    at = EVENING + round(number * CLIP_S * 1e9)
    clip = Capture(
        capture_id=f"{number:032x}", sensor_id="REC", kind=Kind.CLIP, captured_at=at, payload=data,
        clock=Clock(source=ClockSource.NONE), media_type="audio/wav", length=len(data),
        sha256=hashlib.sha256(data).hexdigest(), sequence=number,
    )  # fmt: skip
    return identify(clip, [model], IdentifySettings(), Limits())


def named(one: Detection, song: HeardSong) -> bool:
    return one.taxon is not None and one.taxon.name in (song.species, song.species.split()[0])


def matches(events: Sequence[Detection], songs: Sequence[HeardSong], *, by_name: bool) -> list[float]:
    """Onset errors, seconds, of the songs that were found."""
    pairs = []
    for i, one in enumerate(events):
        for j, song in enumerate(songs):
            if one.span is not None and (named(one, song) or not by_name):
                both = min(one.span.end_s, song.end_s) - max(one.span.start_s, song.onset_s)
                either = max(one.span.end_s, song.end_s) - min(one.span.start_s, song.onset_s)
                if both >= 0.5 * either:
                    pairs.append((-both / either, i, j, one.span.start_s - song.onset_s))
    taken: set[int] = set()
    found: dict[int, float] = {}
    for _, i, j, error in sorted(pairs):
        if i not in taken and j not in found:
            taken.add(i)
            found[j] = error
    return list(found.values())


def true_bouts(songs: Sequence[tuple[int, HeardSong]], settings: ClipSettings) -> int:
    count = 0
    for species in {song.species for _, song in songs}:
        end = -1e9
        for onset, last in sorted(
            (n * CLIP_S + s.onset_s, n * CLIP_S + s.end_s) for n, s in songs if s.species == species
        ):
            count += onset - end > settings.silent_s
            end = max(end, last)
    return count


def row(snr_db: float, clips: int, seed: int, species: Sequence[str], model: Model) -> str:
    rng = np.random.default_rng([seed, round(snr_db) + 100])
    outcomes: list[Outcome] = []
    songs: list[tuple[int, HeardSong]] = []
    named_errors: list[float] = []
    any_hits = events = 0
    for number in range(clips):
        scene = soundscape_with(
            asked(species, snr_db, rng), seconds=CLIP_S, sample_rate=RATE, seed=seed * 1000 + number
        )
        outcome = heard(number, scene.samples, model)
        outcomes.append(outcome)
        songs.extend((number, song) for song in scene.songs)
        answered = [one for one in outcome.detections if one.taxon is not None and one.taxon.rank != "none"]
        events += len(answered)
        named_errors.extend(matches(answered, scene.songs, by_name=True))
        any_hits += len(matches(answered, scene.songs, by_name=False))
    bouts = [one for one in follow(outcomes) if one.taxon is not None and one.taxon.rank != "none"]
    singing = {name for _, song in songs for name in (song.species, song.species.split()[0])}
    right = sum(one.taxon is not None and one.taxon.name in singing for one in bouts)
    true = true_bouts(songs, ClipSettings())
    f1, f1_any = (2 * hits / max(1, events + len(songs)) for hits in (len(named_errors), any_hits))
    onset = median(map(abs, named_errors)) if named_errors else float("nan")
    return (
        f"| {snr_db:.0f} | {len(songs)} | {f1:.2f} | {f1_any:.2f} | {onset:.2f} | {true} | "
        f"{len(bouts) / true:.2f} | {right / true:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snr", type=float, nargs="+", default=[-5.0, 0.0, 5.0, 10.0, 15.0, 25.0])
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seed", type=int, default=21)
    given = parser.parse_args()
    bundle = default_library().open("singing-insects")
    species = sorted({label.name for label in bundle.labels} & set(SONGS))
    model = open_model(bundle, slots=1)
    print(f"{len(species)} species: {', '.join(species)}")
    print("| SNR, dB | songs | event F1, named | F1, any name | onset error, s | bouts | counted | of who sings |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for snr_db in given.snr:
        print(row(snr_db, given.clips, given.seed, species, model), flush=True)


if __name__ == "__main__":
    main()
