"""A real camera before flowers, against its truth: who is found, what is false, how many there are, and what they are.

    python benchmarks/insectdct.py
    python benchmarks/insectdct.py --bugspot PYTHON        an interpreter that has bugspot, for its row in the table

35 frames of honey bees (two or three of them), bee shadows and grass in the wind (SOURCES.md of the shared data). Each
frame is identified with those before it, as any host does; what came of it is followed. Counted are the 38 clear boxes;
boxes on those that are partial or doubtful are neither found nor false. IDF1 and switches are those of the two bees
that the truth tells apart, at an overlap of 0.3; HOTA is the usual one. CPU is thread time a frame before the
classifier: decoding reduced, finding where to look, and decoding in full where something is.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import psutil

from katydid.models.adding import add_model
from katydid.models.follow import follow
from katydid.models.follow.scores import Frame, scores
from katydid.models.identify import Look, identification
from katydid.models.image.earlier import EARLIER, Reduced
from katydid.models.model import Model, open_model
from katydid.models.outcome import Outcome
from katydid.models.settings import IdentifySettings
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared/data"
SEQUENCE = DATA / "camera_sequences/insectdct_flowers_gpl3"
SIZE = (1920, 1080)

Rectangle = tuple[float, float, float, float]
"""x, y, w, h in pixels of the full frame."""


class Seen(msgspec.Struct, frozen=True):
    """A box that somebody drew or found, and whose it is."""

    box: Rectangle
    who: str
    clear: bool = True


class Result(msgspec.Struct, frozen=True):
    """One contestant's frames."""

    name: str
    frames: list[list[Seen]]
    cpu_ms: float
    names: dict[str, str] = {}
    """Track → fused name."""


def truth(files: Sequence[str]) -> list[list[Seen]]:
    rows: dict[str, list[Seen]] = defaultdict(list)
    with (SEQUENCE / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["x"]:
                x, y, w, h = (float(row[side]) for side in "xywh")
                rows[row["frame"]].append(Seen((x, y, w, h), row["individual"], row["visibility"] == "clear"))
    return [rows[file] for file in files]


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Intersection over union, 0..1."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0.0, across) * max(0.0, down)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def ours(model: Model, earlier: int) -> tuple[Result, list[str]]:
    """Identify and follow, with at most so many earlier frames."""
    before: list[Reduced] = []
    outcomes: list[Outcome] = []
    spent = 0.0
    for taken in FolderSource(SEQUENCE).captures(lambda _: False):
        steps = identification(taken.capture, [model], IdentifySettings(), Limits())
        began = time.thread_time()
        question = next(steps)
        counted = False
        try:
            while True:
                if isinstance(question, Look):
                    spent += 0.0 if counted else time.thread_time() - began
                    counted = True
                    question = steps.send(model.infer(question.items))
                else:
                    kept, before = before, [*before, question][-earlier:]
                    question = steps.send(tuple(kept))
        except StopIteration as end:
            outcomes.append(end.value)
            spent += 0.0 if counted else time.thread_time() - began
    animals = follow(outcomes)
    whose = {found: one.occurrence_id for one in animals for found in one.detections}
    frames = [_seen(outcome, whose) for outcome in outcomes]
    names = {one.occurrence_id: one.taxon.name if one.taxon else "no name" for one in animals}
    return Result(f"motion, K = {earlier}", frames, 1000 * spent / len(outcomes), names), [o.file for o in outcomes]


def _seen(outcome: Outcome, whose: dict[str, str]) -> list[Seen]:
    """One for each box: models may have named it differently."""
    (width, height), found = SIZE, {}
    for detection in outcome.detections:
        if (box := detection.box) is not None:
            here = (box.x * width, box.y * height, box.w * width, box.h * height)
            found[here] = Seen(here, whose[detection.detection_id])
    return list(found.values())


def bugspot(python: Path) -> Result:
    done = subprocess.run(
        [python, HERE / "bare_bugspot.py", SEQUENCE], stdout=subprocess.PIPE, text=True, check=True, cwd=HERE
    )
    answer = json.loads(done.stdout)
    frames = [[Seen(tuple(box), track) for box, track in frame] for frame in answer["boxes"]]
    return Result("bugspot", frames, 1000 * answer["cpu_s"])


def judged(result: Result, annotated: Sequence[Sequence[Seen]]) -> str:
    """One row of the table."""
    hits: Counter[float] = Counter()
    clear = false = 0
    lengths: Counter[str] = Counter()
    for found, true in zip(result.frames, annotated, strict=True):
        used = {id(one) for one in found for other in true if not other.clear and overlap(one.box, other.box) > 0}
        bees = [one for one in true if one.clear]
        clear += len(bees)
        for bound in (0.3, 0.5):
            matched = _one_to_one(found, bees, bound)
            hits[bound] += len(matched)
            used |= matched if bound == 0.3 else set()
        false += sum(id(one) not in used for one in found)
        lengths.update(one.who for one in found)
    followed = scores(_identities(result.frames, annotated, 0.5 / 0.3))
    usual = scores(_identities(result.frames, annotated, 1.0))
    long = [who for who, n in lengths.items() if n >= 3]
    names = Counter(result.names.get(who, "-") for who in long)
    return (
        f"{result.name:<16}{hits[0.3]:>6} /{hits[0.5]:>3} of {clear}{false / len(annotated):>10.2f}"
        f"{result.cpu_ms:>10.1f}{len(long):>8} of {len(lengths):<4}{followed.idf1:>6.2f}{followed.switches:>9}"
        f"{usual.hota:>7.2f}  {', '.join(f'{n} {name}' for name, n in names.most_common())}"
    )


def _one_to_one(found: Sequence[Seen], bees: Sequence[Seen], bound: float) -> set[int]:
    """The ids of the boxes that fit a bee of their own, the best overlaps first."""
    pairs = sorted(((overlap(one.box, bee.box), n, m) for n, one in enumerate(found) for m, bee in enumerate(bees)))
    boxes: set[int] = set()
    taken: set[int] = set()
    for lies, n, m in reversed(pairs):
        if lies >= bound and n not in boxes and m not in taken:
            boxes.add(n)
            taken.add(m)
    return {id(found[n]) for n in boxes}


def _identities(found: Sequence[Sequence[Seen]], annotated: Sequence[Sequence[Seen]], times: float) -> list[Frame]:
    """The clear bees and the tracks of each frame; overlaps are taken so many times, since scores want 0.5."""
    numbers: dict[str, int] = {}
    frames = []
    for here, true in zip(found, annotated, strict=True):
        bees = [one for one in true if one.clear]
        alike = np.zeros((len(bees), len(here)))
        for i, j in np.ndindex(alike.shape):
            alike[i, j] = min(1.0, times * overlap(bees[i].box, here[j].box))
        tracks = tuple(numbers.setdefault(one.who, len(numbers)) for one in here)
        frames.append(Frame(tuple(int(one.who[-1]) - 1 for one in bees), tracks, alike))
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bugspot", type=Path, metavar="PYTHON")
    options = parser.parse_args()
    cv2.setNumThreads(0)
    print(f"load {psutil.getloadavg()[0]:.1f} before; aim: 33 of 38, 0.25 false a frame, 20 ms, Apis mellifera\n")
    print(f"{'':16}{'found .3/.5':>16}{'false':>10}{'CPU ms':>10}{'followed':>15}{'IDF1':>6}{'switches':>9}{'HOTA':>7}")
    with tempfile.TemporaryDirectory() as folder:
        file, labels = (DATA / "models" / f"inat_insect_{part}" for part in ("mobilenetv2_quant.tflite", "labels.txt"))
        model = open_model(add_model(file, labels=labels, name="inat-insects", directory=Path(folder)), slots=1)
        for earlier in (EARLIER, 4, 1):
            result, files = ours(model, earlier)
            annotated = truth(files)
            print(judged(result, annotated), flush=True)
        model.close()
    if options.bugspot:
        print(judged(bugspot(options.bugspot), annotated))


if __name__ == "__main__":
    main()
