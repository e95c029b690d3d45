"""The limit for the worker: `identification` over the same files in one thread, with no broker, store, batch or other
thread around it. Printed: captures, then CPU ms a capture in preparing (decode, gates, input), in the model with its
front end, and in deciding and writing up, which is no part of the limit.

    python benchmarks/bare_identify.py MEDIA_FOLDER BUNDLE CAPTURES
"""

from __future__ import annotations

import hashlib
import sys
import time
from itertools import cycle, islice
from pathlib import Path

from katydid.models.bundle import open_bundle
from katydid.models.identify import Look, identification
from katydid.models.manifest import BundleKind
from katydid.models.model import Model, open_model
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import Limits
from katydid.streams.process import settle_process

WARM = 8


def captures(folder: Path, kind: Kind) -> list[Capture]:
    """The files as captures, in memory."""
    made = []
    for number, path in enumerate(sorted(folder.iterdir())):
        data = path.read_bytes()
        made.append(
            Capture(
                capture_id=f"{number:032x}", sensor_id="bare", kind=kind, captured_at=number, payload=data,
                clock=Clock(source=ClockSource.NONE), media_type="", length=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )  # fmt: skip
    return made


def one(capture: Capture, model: Model, settings: IdentifySettings, limits: Limits) -> tuple[float, float, float]:
    """CPU seconds of the three parts."""
    began = time.thread_time()
    prepared = seen = 0.0
    steps = identification(capture, [model], settings, limits)
    look = next(steps)
    try:
        while True:
            assert isinstance(look, Look)  # Whole frames are compared with no other.
            asked = time.thread_time()
            prepared += asked - began
            answer = model.infer(look.items)
            began = time.thread_time()
            seen += began - asked
            look = steps.send(answer)
    except StopIteration:
        return prepared, seen, time.thread_time() - began


def main() -> None:
    """The child of `worker.py`."""
    folder, path, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    settle_process()
    bundle = open_bundle(path)
    model = open_model(bundle, slots=1)
    kind = Kind.CLIP if bundle.manifest.kind is BundleKind.SOUND_CLASSIFIER else Kind.FRAME
    settings, limits = IdentifySettings(region="whole"), Limits()
    media = captures(folder, kind)
    for capture in media[:WARM]:
        one(capture, model, settings, limits)
    spent = [one(capture, model, settings, limits) for capture in islice(cycle(media), count)]
    print(count, *(1000 * sum(part) / count for part in zip(*spent, strict=True)))


if __name__ == "__main__":
    main()
