"""Run by a test in a process of its own: what each hostile file costs from source to outcome.

    python tests/hostile_costs.py FOLDER MODELS

Prints a JSON object: per file its CPU seconds, and the peak of resident memory over what the process had when warm.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from katydid.models.identify import identify
from katydid.models.library import Library
from katydid.models.model import open_model
from katydid.models.settings import IdentifySettings
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource

KIB = 1 if sys.platform == "darwin" else 1024
"""ru_maxrss counts bytes on macOS, kibibytes elsewhere."""


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def main(folder: Path, models: Path, warm: Path) -> None:
    library, settings, limits = Library((models,)), IdentifySettings(), Limits()
    opened = [open_model(library.open(name), slots=1) for name in library.names()]
    for taken in FolderSource(warm).captures(lambda position: False):
        identify(taken.capture, opened, settings, limits)
    before = peak_bytes()
    costs: dict[str, float] = {}
    captures = FolderSource(folder).captures(lambda position: False)
    began = time.process_time()
    for taken in captures:
        identify(taken.capture, opened, settings, limits)
        now = time.process_time()
        costs[taken.capture.file], began = now - began, now
    print(json.dumps({"costs": costs, "peak_bytes": peak_bytes() - before}))


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:4]))
