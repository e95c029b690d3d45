"""How fast animals and bouts are followed: detections a second of CPU on one core, against the limit.

    python benchmarks/follow.py
    python benchmarks/follow.py --frames 10000 --insects 1 5 20 100

Made scenes, so the truth is known: insects that sit and tremble on a sheet (frames every 10 s, one sighting in ten
missed), and a chorus in clips. Timed is `follow_looks`, from what a store reads of a session to its occurrences; making
what it reads is not. CPU time of the process, best of the rounds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from katydid.models.follow import follow_looks
from katydid.models.follow.looks import Look, Seen
from katydid.models.outcome import Alternative, RankProbability, Taxon, Verdict
from katydid.sensors.capture import Kind
from katydid.sensors.identity import capture_id, detection_id

LIMIT = 20_000
"""Detections a second on one core."""
EVENING_MS = 1_784_062_800_000
SPECIES = ("Noctua pronuba", "Xestia c-nigrum", "Apis mellifera", "Chrysoperla carnea")


def taxon(name: str) -> Taxon:
    return Taxon(taxon_id=f"name:{name}", name=name, rank="species")


def seen(capture: str, ordinal: int, species: int, p: float, **where: object) -> Seen:
    name, other = SPECIES[species % 4], SPECIES[(species + 1) % 4]
    return Seen(
        detection_id=detection_id(capture, "d" * 64, ordinal),
        ordinal=ordinal,
        model="insects-1",
        taxon=taxon(name),
        score=p,
        probability=p,
        lineage=(
            RankProbability(rank="species", name=name, probability=p),
            RankProbability(rank="genus", name=name.split()[0], probability=p),
            RankProbability(rank="order", name="Lepidoptera", probability=min(1.0, p + 0.1)),
        ),
        alternatives=(Alternative(taxon=taxon(other), score=1 - p, probability=1 - p),),
        verdict=Verdict.ACCEPTED,
        **where,  # type: ignore[arg-type]
    )


def look(number: int, every_s: float, kind: Kind) -> tuple[str, dict[str, object]]:
    at = EVENING_MS + round(number * every_s * 1000)
    capture = capture_id(sensor_id="S", recorded=str(at), recorded_ms=at, sequence=number, sha256=f"{number:064x}")
    facts = {"capture_id": capture, "sensor_id": "S", "kind": kind, "at": at * 1_000_000, "sequence": number}
    return capture, {**facts, "width": 4000, "height": 3000, "seconds": 0.0 if kind is Kind.FRAME else every_s}


def sheet(frames: int, insects: int) -> list[Look]:
    """`insects` on the sheet at a time; each stays a quarter of the frames."""
    rng = np.random.default_rng(7)
    side = 0.3 / np.sqrt(max(insects, 16))
    places = rng.uniform(0.05, 0.9, (4 * insects, 2))
    begins = rng.uniform(-frames / 4, frames, 4 * insects * 5 // 4)[: 4 * insects]
    looks = []
    for number in range(frames):
        capture, facts = look(number, 10.0, Kind.FRAME)
        here = np.flatnonzero((begins <= number) & (number < begins + frames / 4) & (rng.random(len(begins)) > 0.1))
        boxes = np.hstack([places[here] + rng.normal(0, 0.05 * side, (len(here), 2)), np.full((len(here), 2), side)])
        some = [
            seen(capture, place, int(who), 0.8, box=tuple(box))
            for place, (who, box) in enumerate(zip(here, boxes.tolist(), strict=True))
        ]
        looks.append(Look(**facts, seen=tuple(some)))  # type: ignore[arg-type]
    return looks


def chorus(clips: int, events: int) -> list[Look]:
    rng = np.random.default_rng(7)
    looks = []
    for number in range(clips):
        capture, facts = look(number, 60.0, Kind.CLIP)
        starts = np.sort(rng.uniform(0, 55, events)).tolist()
        some = [seen(capture, n, int(rng.integers(4)), 0.8, span=(start, start + 3)) for n, start in enumerate(starts)]
        looks.append(Look(**facts, seen=tuple(some)))  # type: ignore[arg-type]
    return looks


def measure(name: str, looks: list[Look], rounds: int) -> float:
    """Print and return the ratio to the limit."""
    detections = sum(len(each.seen) for each in looks)
    took = []
    for _ in range(rounds):
        began = time.process_time()
        found = follow_looks(looks)
        took.append(time.process_time() - began)
    rate = detections / min(took)
    print(
        f"{name}: {len(looks):,} captures, {detections:,} detections, {len(found):,} occurrences: "
        f"{rate:,.0f} detections/s, {rate / LIMIT:.2f} of the limit of {LIMIT:,} ({min(took):.2f} s)"
    )
    return rate / LIMIT


def main() -> None:
    """Exit code 1 under the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--insects", type=int, nargs="+", default=[1, 5, 20, 100], help="on the sheet at a time")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    ratios = [
        measure(f"sheet, {insects} insects", sheet(asked.frames, insects), asked.rounds) for insects in asked.insects
    ]
    ratios.append(measure("chorus", chorus(asked.frames, 10), asked.rounds))
    raise SystemExit(0 if min(ratios) >= 1 else 1)


if __name__ == "__main__":
    main()
