"""How well individuals are counted and told apart on simulated cameras, beside two baselines.

    python benchmarks/tracking.py
    python benchmarks/tracking.py --seeds 21 --scenes flowers

Paths are those of the simulated cameras (`sources/simulated/cameras`), without pictures: in place of a localiser, boxes
that tremble by 8 % of a body, one in ten missed, and one false box in twenty frames; one name in five is wrong. Counts
are relative to the individuals that were in any box, and to their visits: who leaves the picture and comes back within
minutes is one individual and two visits. False boxes are left out of counts, not of HOTA and IDF1. Seeds from 21 on
were not used in choosing anything.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from katydid.models.follow import follow_looks
from katydid.models.follow.linking import Spot, overlap
from katydid.models.follow.looks import Look, Seen
from katydid.models.follow.scores import Frame, Scores, scores
from katydid.models.outcome import RankProbability, Taxon, Verdict
from katydid.sensors.capture import Kind
from katydid.sensors.sources.simulated.cameras.paths import Paths, SeenIndividual
from katydid.sensors.sources.simulated.cameras.scene import Bursts, CameraScene, TimeLapse, flower_patch, trap_sheet

TREMBLES, MISSED, FALSE, WRONG = 0.08, 0.1, 0.05, 0.2
LEAST_VISIBLE = 0.3
"""Share of an outline: less is no box, and no truth."""
SCENES = {"flowers": (flower_patch, 8), "sheet": (trap_sheet, 20)}
"""Scene and hour (UTC) of 14 July at which it begins."""
RHYTHMS: dict[str, tuple[TimeLapse | Bursts, float]] = {
    "1 s": (TimeLapse(1.0), 1.0),
    "2 s": (TimeLapse(2.0), 2.0),
    "10 s": (TimeLapse(10.0), 6.0),
    "20 s": (TimeLapse(20.0), 6.0),
    "60 s": (TimeLapse(60.0), 10.0),
    "bursts of ten, 30 s": (Bursts(), 3.0),
}
"""Rhythm and hours."""


class Night:
    """Boxes and the truth of them."""

    def __init__(self, scene: CameraScene, seed: int, hour: int, hours: float) -> None:
        self.looks: list[Look] = []
        self.truth: dict[str, tuple[str, int] | None] = {}
        """Detection → individual and visit; None: a false box."""
        self.there: list[tuple[SeenIndividual, ...]] = []
        self._rng, self._scene = np.random.default_rng(seed + 5), scene
        self._taxa = [each.taxon for each in scene.visitors]
        paths, start = Paths(scene, seed), datetime(2026, 7, 14, hour, tzinfo=UTC).timestamp()
        for number, (at, _) in enumerate(scene.rhythm.moments(start, start + hours * 3600.0)):
            there = tuple(one for one in paths.boxes_at(at) if one.visible_share >= LEAST_VISIBLE)
            self.there.append(there)
            seen = tuple(self._seen(number, there))
            stamp = round(at * 1e9)
            burst = isinstance(scene.rhythm, Bursts)
            self.looks.append(
                Look(
                    capture_id=f"{number:08d}",
                    sensor_id="CAM",
                    kind=Kind.FRAME,
                    at=stamp // 10**9 * 10**9 if burst else stamp,
                    resolution_s=1.0 if burst else 0.001,
                    sequence=number,
                    width=scene.width,
                    height=scene.height,
                    seen=seen,
                )
            )

    def _seen(self, number: int, there: Sequence[SeenIndividual]) -> Iterator[Seen]:
        rng, place = self._rng, 0
        for one in there:
            if rng.random() >= MISSED:
                box, body = one.box, math.sqrt(one.box.w * one.box.h)
                w, h = (np.array((box.w, box.h)) * np.exp(rng.normal(0.0, TREMBLES, 2))).tolist()
                x, y = (np.array((box.x + box.w / 2, box.y + box.h / 2)) + rng.normal(0.0, TREMBLES * body, 2)).tolist()
                taxon = self._taxa[rng.integers(len(self._taxa))] if rng.random() < WRONG else one.taxon
                yield self._detection(number, place, (x - w / 2, y - h / 2, w, h), taxon, (one.individual, one.visit))
                place += 1
        for _ in range(rng.poisson(FALSE)):
            side, (x, y) = float(rng.uniform(0.01, 0.04)), rng.uniform(0.05, 0.9, 2).tolist()
            box4 = (x, y, side, side * self._scene.width / self._scene.height)
            yield self._detection(number, place, box4, self._taxa[rng.integers(len(self._taxa))], None)
            place += 1

    def _detection(
        self,
        number: int,
        place: int,
        box: tuple[float, float, float, float],
        name: str,
        truth: tuple[str, int] | None,
    ) -> Seen:
        detection = f"{number:08d}-{place:03d}"
        self.truth[detection] = truth
        return Seen(
            detection_id=detection,
            ordinal=place,
            model="insects-1",
            taxon=Taxon(taxon_id=f"name:{name}", name=name, rank="species"),
            box=box,
            score=0.8,
            probability=0.8,
            lineage=(RankProbability(rank="species", name=name, probability=0.8),),
            verdict=Verdict.ACCEPTED,
        )

    def counts(self, tracks: Sequence[Sequence[str]]) -> tuple[float, float]:
        """Tracks with a true box in them, relative to individuals and to visits."""
        true = sum(any(self.truth[one] for one in track) for track in tracks)
        visits = {one for one in self.truth.values() if one}
        return true / len({one for one, _ in visits}), true / len(visits)

    def scored(self, tracks: Sequence[Sequence[str]]) -> Scores:
        track_of = {one: number for number, track in enumerate(tracks) for one in track}
        names = {name: n for n, name in enumerate(sorted({one.individual for some in self.there for one in some}))}
        return scores([_frame(look, some, names, track_of) for look, some in zip(self.looks, self.there, strict=True)])


def _frame(look: Look, there: Sequence[SeenIndividual], names: dict[str, int], track_of: dict[str, int]) -> Frame:
    true = [_spot((one.box.x, one.box.y, one.box.w, one.box.h)) for one in there]
    found = [_spot(one.box) for one in look.seen if one.box is not None]
    alike = np.array([[overlap(a, b) for b in found] for a in true], np.float64).reshape(len(true), len(found))
    individuals = tuple(names[one.individual] for one in there)
    return Frame(individuals, tuple(track_of[one.detection_id] for one in look.seen), alike)


def _spot(box: tuple[float, float, float, float]) -> Spot:
    return Spot(box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3])


def per_frame(looks: Sequence[Look]) -> list[list[str]]:
    return [[one.detection_id] for look in looks for one in look.seen]


def greedy(looks: Sequence[Look]) -> list[list[str]]:
    """The largest overlap with the frame before, one after another."""
    before: list[tuple[Spot, list[str]]] = []
    tracks: list[list[str]] = []
    for look in looks:
        boxes = [(_spot(one.box), one.detection_id) for one in look.seen if one.box is not None]
        pairs = [(overlap(a, b), i, j) for i, (a, _) in enumerate(before) for j, (b, _) in enumerate(boxes)]
        of: dict[int, int] = {}
        for shared, i, j in sorted(pairs, reverse=True):
            if shared > 0.1 and j not in of and i not in of.values():
                of[j] = i
        now = []
        for j, (spot, detection) in enumerate(boxes):
            track: list[str] = before[of[j]][1] if j in of else []
            if j not in of:
                tracks.append(track)
            track.append(detection)
            now.append((spot, track))
        before = now
    return tracks


def row(name: str, rhythm: str, seeds: Sequence[int]) -> str:
    """One row of the table in docs/follow.md: means over the seeds."""
    make, hour = SCENES[name]
    every, hours = RHYTHMS[rhythm]
    figures = []
    for seed in seeds:
        night = Night(make(rhythm=every), seed, hour, hours)
        each: list[Sequence[Sequence[str]]] = [
            greedy(night.looks),
            [one.detections for one in follow_looks(night.looks)],
        ]
        figures.append([night.counts(per_frame(night.looks))[0], *(f for some in each for f in _figures(night, some))])
    a, *rest = np.mean(figures, axis=0).tolist()
    cells = [f"{a:.0f}"]
    for count, visits, hota, idf1, switches, fragments in (rest[:6], rest[6:]):
        cells.append(f"{count:.2f} ({visits:.2f}), {hota:.2f}, {idf1:.2f}, {switches:.0f}, {fragments:.0f}")
    return f"| {name}, {rhythm} | " + " | ".join(cells) + " |"


def _figures(night: Night, tracks: Sequence[Sequence[str]]) -> tuple[float, ...]:
    found = night.scored(tracks)
    return *night.counts(tracks), found.hota, found.idf1, found.switches, found.fragments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23])
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--rhythms", nargs="+", default=list(RHYTHMS), choices=list(RHYTHMS))
    asked = parser.parse_args()
    began = time.process_time()
    print("| scene | per frame | greedy: count (by visit), HOTA, IDF1, switches, fragments | follow: the same |")
    print("| --- | --- | --- | --- |")
    for name in asked.scenes:
        for rhythm in asked.rhythms:
            print(row(name, rhythm, asked.seeds), flush=True)
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
